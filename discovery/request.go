package discovery

import (
	"context"
	"strings"

	"beampipe/configs"
	"beampipe/ledger"
	"beampipe/vo/tap"
)

// request is one query as it is sent: about one question, or about a set of keys in one of the query's
// forms.
type request struct {
	query int
	alone *question // nil for a set
	form  int       // of the set, index in the query's Batch
	keys  []key     // of the set, sorted
}

// key is a value that a set is asked for, with the questions that it stands for: sources can share it.
type key struct {
	value     string
	questions []*question
}

func (r request) questions() []*question {
	if r.alone != nil {
		return []*question{r.alone}
	}
	return questionsOf(r.keys)
}

func questionsOf(keys []key) []*question {
	var list []*question
	for _, k := range keys {
		list = append(list, k.questions...)
	}
	return list
}

// do sends a request and answers its questions. Those that must be asked in another way come back.
func (n *inquiry) do(ctx context.Context, r request) (again []request) {
	if err := ctx.Err(); err != nil {
		n.fail(r.questions(), err)
		return nil
	}
	if r.alone == nil {
		return n.askSet(ctx, r)
	}
	defer n.rescue(r.alone)
	n.askAlone(ctx, r.alone)
	return nil
}

// rescue makes of a defect of ours a failure of the one source that met it.
func (n *inquiry) rescue(q *question) {
	if p := recover(); p != nil {
		q.err = n.engine.defect(n.project.Metadata.ID, n.heard[q.source].owner.identifier, p)
	}
}

// askAlone asks a question with the query's own template.
func (n *inquiry) askAlone(ctx context.Context, q *question) {
	config, _ := n.query(q.query)
	adql, err := config.ADQL(q.vars)
	if err != nil {
		q.err = err
		return
	}
	got, report, err := n.send(ctx, q, configs.FormSingle, tap.Request{ADQL: adql})
	report.ADQL = ledger.Excerpt(strings.TrimSpace(adql), maxReportedADQL)
	n.report(q, report)
	if err != nil {
		n.fail([]*question{q}, err)
		return
	}
	n.take(q, got)
}

// send sends one query, which its client may repeat, and counts it with the first question that it is
// about.
func (n *inquiry) send(ctx context.Context, first *question, form string, r tap.Request) (*tap.Table, QueryReport, error) {
	config, _ := n.query(first.query)
	report := QueryReport{Name: config.Name, Archive: config.Adapter, Form: form}
	client, err := n.engine.archives.Client(n.project, config.Adapter)
	if err != nil {
		return nil, report, err
	}
	report.URL = client.URL()
	if form == configs.FormSingle { // two sources may ask the same at the same time, each with a job of its own
		r.Key = digest([]byte(strings.Join([]string{client.URL(), r.ADQL, n.heard[first.source].owner.identifier}, "\n")))
	}
	began := n.engine.ledger.Now()
	first.requests++
	got, err := client.Run(ctx, r)
	n.engine.asked(ctx, config.Adapter, err)
	report.Took = n.engine.ledger.Now().Sub(began)
	if got != nil {
		report.Mode = got.Mode
	}
	return got, report, err
}

// report keeps how a question was asked last, and why it was not answered before.
func (n *inquiry) report(q *question, r QueryReport) {
	r.SBID, r.Note = q.sbid, q.report.Note
	q.report = r
}

// take makes rows the answer to a question: those of them that are its source's, and of these the
// latest where only those count.
func (n *inquiry) take(q *question, got *tap.Table) {
	defer n.rescue(q)
	q.report.Rows = len(got.Rows)
	t, err := newTable(got)
	if err != nil {
		n.fail([]*question{q}, err)
		return
	}
	config, _ := n.query(q.query)
	own, foreign, err := n.heard[q.source].owner.deal(q.query, config, t, q.vars)
	q.report.Foreign = foreign
	if err == nil {
		q.table, err = latest(config, own)
		q.report.Older = len(own.Rows) - len(q.table.Rows)
	}
	q.answered, q.err = err == nil, err
}
