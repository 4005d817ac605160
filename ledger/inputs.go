package ledger

import (
	"cmp"
	"database/sql"
	"fmt"

	"beampipe/fault"
)

// Kinds of what an execution is made from.
const (
	InputSBID       = "sbid"
	InputDataset    = "dataset"    // the identity of a record, as exclusions name it (RecordIdentity)
	InputEvaluation = "evaluation" // the name of an evaluation file
)

// MaxInputs bounds what one execution is made from.
const MaxInputs = 200_000

// Input names something that executions are made from.
type Input struct {
	Kind  string `json:"kind"` // one of the Input constants
	Value string `json:"value"`
}

// Check refuses an input of an unknown kind or without a value, as Invalid.
func (in Input) Check() error {
	switch {
	case in.Kind != InputSBID && in.Kind != InputDataset && in.Kind != InputEvaluation:
		return fault.New(fault.Invalid, fmt.Sprintf("executions are not made from a %.40q", in.Kind), "name an sbid, a dataset or an evaluation file")
	case in.Value == "":
		return fault.New(fault.Invalid, "which "+in.Kind+"? no value is given", "")
	}
	return nil
}

// ExecutionInput is an input with the source that it belongs to.
type ExecutionInput struct {
	Input
	SourceID int64 `json:"-"`
}

// AddInputs says what an execution is made from. What is known already is no change.
func (tx *Tx) AddInputs(execution string, list []ExecutionInput) error {
	if len(list) > MaxInputs {
		return fault.New(fault.Invalid, fmt.Sprintf("inputs of execution %s: %d, the limit is %d (MaxInputs)", execution, len(list), MaxInputs), "take fewer sources per execution")
	}
	for _, in := range list {
		if err := in.Check(); err != nil {
			return err
		}
		if _, err := tx.exec("add input of execution "+execution, `INSERT INTO execution_inputs (kind, value, execution, source) VALUES (?, ?, ?, ?)
			ON CONFLICT DO NOTHING`, in.Kind, in.Value, execution, in.SourceID); err != nil {
			return err
		}
	}
	return nil
}

// Inputs lists what an execution is made from, by kind and value.
func (v View) Inputs(execution string) ([]ExecutionInput, error) {
	var list []ExecutionInput
	err := v.list("inputs of execution "+execution, "SELECT kind, value, source FROM execution_inputs WHERE execution = ? ORDER BY kind, value, source",
		[]any{execution}, func(rows *sql.Rows) error {
			var in ExecutionInput
			err := rows.Scan(&in.Kind, &in.Value, &in.SourceID)
			list = append(list, in)
			return err
		})
	return list, err
}

// ExecutionsOf gives the ids of executions that were made from something, the newest first: at most
// limit of them, and older than before where that is not "". A project narrows them.
func (v View) ExecutionsOf(in Input, project, before string, limit int) ([]string, error) {
	if err := in.Check(); err != nil {
		return nil, err
	}
	var list []string
	err := v.list("executions of "+in.Kind+" "+in.Value, `SELECT page.execution FROM execution_inputs page
		CROSS JOIN batch_execution_record e ON e.uuid = page.execution
		WHERE page.kind = ? AND page.value = ? AND page.execution < ? AND (? = '' OR e.project = ?) AND `+onceAnExecution+`
		ORDER BY page.execution DESC LIMIT ?`,
		[]any{in.Kind, in.Value, cmp.Or(before, behindIDs), project, project, limit}, func(rows *sql.Rows) error {
			var id string
			err := rows.Scan(&id)
			list = append(list, id)
			return err
		})
	return list, err
}

// onceAnExecution leaves one row of execution_inputs (as page) for each execution.
const onceAnExecution = `NOT EXISTS (SELECT 1 FROM execution_inputs o
	WHERE o.kind = page.kind AND o.value = page.value AND o.execution = page.execution AND o.source < page.source)`
