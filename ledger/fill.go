package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"beampipe/fault"
)

// What a ledger of an older schema says in stored documents alone, which SQL cannot read, is filled into
// the tables for products and inputs once, when the ledger is first opened: some executions at a time, each
// lot durable with how far it came, so that a process which ends midway costs nothing.

// infoUnread says in ledger_info up to which execution documents were read; no such row: all of them.
const infoUnread = "documents_unread_after"

// fillLot is of how many executions the documents are read in one transaction.
const fillLot = 200

// fill reads what is not read yet.
func (l *Ledger) fill(ctx context.Context) error {
	for {
		_, unread, err := l.View(ctx).unreadAfter()
		if err != nil || !unread {
			return err
		}
		if err := l.Write(ctx, (*Tx).fillSome); err != nil {
			return err
		}
	}
}

func (v View) unreadAfter() (after string, unread bool, err error) {
	err = v.list("unread documents", "SELECT value FROM ledger_info WHERE key = ?", []any{infoUnread}, func(rows *sql.Rows) error {
		unread = true
		return rows.Scan(&after)
	})
	return after, unread, err
}

// fillSome reads the documents of the next executions.
func (tx *Tx) fillSome() error {
	after, unread, err := tx.unreadAfter()
	if err != nil || !unread {
		return err
	}
	var ids []string
	err = tx.list("executions", "SELECT uuid FROM batch_execution_record WHERE uuid > ? ORDER BY uuid LIMIT ?", []any{after, fillLot}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return err
	}
	fields := map[string][]string{}
	for _, id := range ids {
		if err := tx.fillExecution(id, fields); err != nil {
			return err
		}
	}
	if len(ids) < fillLot {
		_, err = tx.exec("end of unread documents", "DELETE FROM ledger_info WHERE key = ?", infoUnread)
		return err
	}
	return tx.setInfo(infoUnread, ids[len(ids)-1])
}

// fillExecution reads an execution's manifest and its lists of products. A document that is damaged is left
// out: ledger check names it, and the ledger opens. fields keeps those of evaluation files by config revision.
func (tx *Tx) fillExecution(id string, fields map[string][]string) error {
	e, err := tx.Execution(id)
	if err != nil {
		return err
	}
	list, err := tx.Artifacts(id)
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.Kind != ArtifactManifest && a.Kind != ArtifactProducts {
			continue
		}
		content, err := tx.Content(a.SHA256)
		if err != nil && errors.Is(err, fault.Invalid) {
			continue
		}
		if err == nil && a.Kind == ArtifactProducts {
			err = tx.fillProducts(e, a.Attempt, content)
		} else if err == nil {
			err = tx.fillInputs(e, content, fields)
		}
		if err != nil {
			return fmt.Errorf("read the %s of execution %s: %w", a.Kind, id, err)
		}
	}
	return nil
}

func (tx *Tx) fillProducts(e Execution, attempt int, content []byte) error {
	var document struct {
		Products []Product `json:"products"`
	}
	if json.Unmarshal(content, &document) != nil {
		return nil
	}
	return tx.AddProducts(e.ID, attempt, document.Products)
}

func (tx *Tx) fillInputs(e Execution, content []byte, fields map[string][]string) error {
	var document struct {
		Sources []struct {
			Identifier string `json:"source_identifier"`
			SBIDs      []struct {
				Datasets []map[string]any `json:"datasets"`
			} `json:"sbids"`
		} `json:"sources"`
	}
	if json.Unmarshal(content, &document) != nil {
		return nil
	}
	names, err := tx.evaluationFields(e, fields)
	if err != nil {
		return err
	}
	ids := map[string]int64{}
	for _, s := range e.Sources {
		ids[s.Identifier] = s.SourceID
	}
	var inputs []ExecutionInput
	add := func(kind, value string, source int64) {
		if value != "" {
			inputs = append(inputs, ExecutionInput{Input: Input{Kind: kind, Value: value}, SourceID: source})
		}
	}
	for _, s := range document.Sources {
		for _, block := range s.SBIDs {
			for _, record := range block.Datasets {
				id, _ := RecordIdentity(record)
				add(InputDataset, id, ids[s.Identifier])
				for _, name := range names {
					file, _ := identityText(record[name])
					add(InputEvaluation, file, ids[s.Identifier])
				}
			}
		}
	}
	return tx.AddInputs(e.ID, inputs)
}

// evaluationFields gives the fields of a record that hold the name of an evaluation file, as the config
// revision of an execution says; cached holds those that were read.
func (tx *Tx) evaluationFields(e Execution, cached map[string][]string) ([]string, error) {
	key := fmt.Sprintf("%s/%d", e.Project, e.ConfigRevision)
	if names, ok := cached[key]; ok {
		return names, nil
	}
	c, err := tx.Config(e.Project, e.ConfigRevision)
	if err != nil {
		return nil, err
	}
	var spec struct {
		Definitions struct {
			Transforms map[string]struct {
				Kind string `json:"kind"`
			} `json:"transforms"`
		} `json:"definitions"`
		Discovery struct {
			Prepare struct {
				FieldMap map[string]struct {
					Transform []string `json:"transform"`
				} `json:"field_map"`
				Evaluation struct {
					Filename string `json:"filename"`
				} `json:"evaluation"`
			} `json:"prepare_metadata"`
		} `json:"discovery"`
	}
	var names []string
	if json.Unmarshal(c.Spec, &spec) == nil {
		if name := spec.Discovery.Prepare.Evaluation.Filename; name != "" {
			names = append(names, name)
		}
		for field, m := range spec.Discovery.Prepare.FieldMap {
			for _, t := range m.Transform {
				if spec.Definitions.Transforms[t].Kind == "select_eval_file_by_size" {
					names = append(names, field)
				}
			}
		}
	}
	cached[key] = names
	return names, nil
}
