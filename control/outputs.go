package control

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"beampipe/fault"
	"beampipe/ledger"
)

// Bounds of what is done with products.
const (
	maxListedOutputs = 1000 // of one page
	maxNamedOutputs  = 1000 // of one selection
)

// Outputs is what can be done with the files that runs made.
type Outputs interface {
	ListOutputs(ctx context.Context, q OutputQuery) (OutputList, error)
	// WithdrawOutputs marks products that came of bad data. Nothing is deleted.
	WithdrawOutputs(ctx context.Context, q OutputSelection) (OutputChanges, error)
	// RestoreOutputs takes withdrawals back.
	RestoreOutputs(ctx context.Context, q OutputSelection) (OutputChanges, error)
}

// ListOutputs implements Outputs.
func (c *Local) ListOutputs(ctx context.Context, q OutputQuery) (OutputList, error) {
	if err := c.needLedger(); err != nil {
		return OutputList{}, err
	}
	v := c.ledger.View(ctx)
	l := OutputList{At: v.Now()}
	f := ledger.ProductFilter{Withdrawn: q.Withdrawn, Newest: q.Execution == "", Limit: maxListedOutputs}
	if q.Limit > 0 {
		f.Limit = min(q.Limit, f.Limit)
	}
	limit := f.Limit
	f.Limit++
	var err error
	if q.Execution != "" {
		e, _, err := c.find(ctx, q.Execution)
		if err != nil {
			return l, err
		}
		f.Execution = e.ID
	}
	if f.After, err = readOutputCursor(q.After); err != nil {
		return l, err
	}
	if l.Products, err = v.Products(f); err != nil {
		return l, err
	}
	if len(l.Products) > limit {
		l.Products = l.Products[:limit]
		l.Next = outputCursor(l.Products[limit-1])
	}
	l.Products = orEmpty(l.Products)
	return l, nil
}

// outputCursor names the last product of a page.
func outputCursor(p ledger.Product) string {
	raw, err := json.Marshal([]any{p.Execution, p.Attempt, p.Path})
	if err != nil {
		return "" // a text and a number can be written
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func readOutputCursor(cursor string) (*ledger.Product, error) {
	if cursor == "" {
		return nil, nil
	}
	var p ledger.Product
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(raw, &[]any{&p.Execution, &p.Attempt, &p.Path})
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("list outputs: %.40q is no cursor", cursor), "take the one that the page before gave")
	}
	return &p, nil
}

// WithdrawOutputs implements Outputs.
func (c *Local) WithdrawOutputs(ctx context.Context, q OutputSelection) (OutputChanges, error) {
	return c.markOutputs(ctx, "withdraw outputs", q, false, (*ledger.Tx).WithdrawProducts)
}

// RestoreOutputs implements Outputs.
func (c *Local) RestoreOutputs(ctx context.Context, q OutputSelection) (OutputChanges, error) {
	return c.markOutputs(ctx, "restore outputs", q, true, (*ledger.Tx).RestoreProducts)
}

// markOutputs finds what is named and marks it, in one transaction; withdrawn says what is to be marked.
func (c *Local) markOutputs(ctx context.Context, what string, q OutputSelection, withdrawn bool,
	mark func(tx *ledger.Tx, list []ledger.Product, cause map[string]any, reason, actor string) (int, error),
) (OutputChanges, error) {
	if err := c.needLedger(); err != nil {
		return OutputChanges{}, err
	}
	if err := needReason(what, q.Reason); err != nil && !q.DryRun {
		return OutputChanges{}, err
	}
	if err := q.check(what); err != nil {
		return OutputChanges{}, err
	}
	var answer OutputChanges
	run := func(v ledger.View, tx *ledger.Tx) error {
		answer = OutputChanges{At: v.Now(), DryRun: q.DryRun, Products: []ledger.Product{}, Executions: []string{}}
		list, going, err := selectOutputs(v, q)
		if err != nil {
			return fault.Wrap(fault.KindOf(err), err, what, "")
		}
		answer.Going = going
		for _, p := range list {
			if (p.Withdrawn != nil) != withdrawn {
				answer.Already++
				continue
			}
			answer.Products = append(answer.Products, p)
			if !slices.Contains(answer.Executions, p.Execution) {
				answer.Executions = append(answer.Executions, p.Execution)
			}
		}
		answer.Changed = len(answer.Products)
		if tx == nil {
			return nil
		}
		answer.Changed, err = mark(tx, answer.Products, q.cause(), q.Reason, c.o.Actor)
		for i := range answer.Products { // as they are marked now
			if answer.Products[i].Withdrawn = nil; !withdrawn {
				answer.Products[i].Withdrawn = &ledger.Mark{At: v.Now(), By: c.o.Actor, Reason: q.Reason}
			}
		}
		return err
	}
	var err error
	if q.DryRun {
		err = c.ledger.Snapshot(ctx, func(v ledger.View) error { return run(v, nil) })
	} else {
		err = c.ledger.Write(ctx, func(tx *ledger.Tx) error { return run(tx.View, tx) })
	}
	return answer, err
}

// check refuses a selection that does not name exactly one kind of thing.
func (q OutputSelection) check(what string) error {
	n := 0
	for _, given := range []bool{q.Execution != "", q.Input != nil, len(q.Products) > 0} {
		if given {
			n++
		}
	}
	if n != 1 {
		return fault.New(fault.Invalid, what+": which? name one execution, or an SBID, a dataset or an evaluation file, or single products", "")
	}
	if len(q.Products) > maxNamedOutputs {
		return fault.New(fault.Invalid, fmt.Sprintf("%s: %d products are named, the limit is %d (maxNamedOutputs)", what, len(q.Products), maxNamedOutputs), "name them in parts")
	}
	if q.Input != nil {
		return q.Input.Check()
	}
	return nil
}

// cause says in the events why these products, and not others.
func (q OutputSelection) cause() map[string]any {
	if q.Input == nil {
		return nil
	}
	return map[string]any{"because_of": q.Input.Kind + ":" + q.Input.Value}
}

// selectOutputs gives the products that a selection names, and the executions of an input that go on.
func selectOutputs(v ledger.View, q OutputSelection) (list []ledger.Product, going []string, err error) {
	switch {
	case q.Execution != "":
		id, err := v.ResolveExecution(q.Execution)
		if err == nil {
			_, err = v.Execution(id)
		}
		if err != nil {
			return nil, nil, err
		}
		list, err := productsOf(v, nil, id)
		return list, nil, err
	case q.Input != nil:
		return outputsOfInput(v, *q.Input, q.Project)
	}
	for _, name := range q.Products {
		found, err := namedOutputs(v, name)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, found...)
	}
	return list, nil, nil
}

// productsOf adds the products of an execution to a list.
func productsOf(v ledger.View, list []ledger.Product, id string) ([]ledger.Product, error) {
	more, err := v.Products(ledger.ProductFilter{Execution: id, Limit: ledger.MaxWithdrawn + 1 - len(list)})
	if list = append(list, more...); len(list) > ledger.MaxWithdrawn {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("more than %d products are meant (MaxWithdrawn)", ledger.MaxWithdrawn), "name the executions one by one")
	}
	return list, err
}

func outputsOfInput(v ledger.View, in ledger.Input, project string) (list []ledger.Product, going []string, err error) {
	if err := knownProject(v, project); err != nil {
		return nil, nil, err
	}
	executions, err := v.Executions(ledger.ExecutionFilter{Input: &in, Project: project, Limit: ledger.MaxWithdrawn})
	if err != nil {
		return nil, nil, err
	}
	if len(executions) == 0 {
		return nil, nil, fault.New(fault.NotFound, fmt.Sprintf("no execution was made from %s %s", in.Kind, in.Value), "list executions with: beampipe execution list")
	}
	for _, e := range executions {
		if !e.State.Terminal() {
			going = append(going, e.ID)
		}
		if list, err = productsOf(v, list, e.ID); err != nil {
			return nil, nil, err
		}
	}
	return list, going, nil
}

// namedOutputs gives the products that a digest, a URI or a path stands for. Runs of one graph have the same
// paths, so that a path of several runs is a Conflict: it may have been meant as a file here.
func namedOutputs(v ledger.View, name string) ([]ledger.Product, error) {
	filters := []ledger.ProductFilter{{URI: name}, {Path: name}}
	if digest, ok := strings.CutPrefix(name, "sha256:"); ok {
		filters = []ledger.ProductFilter{{SHA256: strings.ToLower(digest)}}
	}
	for _, f := range filters {
		f.Limit = ledger.MaxWithdrawn
		list, err := v.Products(f)
		if err != nil {
			return nil, err
		}
		if f.Path != "" && slices.ContainsFunc(list, func(p ledger.Product) bool { return p.Execution != list[0].Execution }) {
			return nil, fault.New(fault.Conflict, fmt.Sprintf("%.200q is no file here, and a product of that path is in more than one execution", name),
				"name the file where it lies, its URI or sha256:DIGEST, as outputs list --json shows them")
		}
		if len(list) > 0 {
			return list, nil
		}
	}
	return nil, fault.New(fault.NotFound, fmt.Sprintf("there is no product %.200q in this ledger", name), "list them with: beampipe outputs list")
}
