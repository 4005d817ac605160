package ledger

import (
	"fmt"
	"strings"
)

// stepsPerLine is how many steps a line of the generated trigger holds.
const stepsPerLine = 3

// BirthTrigger is the SQL of the trigger execution_birth: an execution begins in the first state.
func BirthTrigger() string {
	return fmt.Sprintf(`CREATE TRIGGER execution_birth BEFORE INSERT ON batch_execution_record
BEGIN
    SELECT RAISE(ABORT, 'an execution is born in state %[1]s, attempt 1, version 1')
     WHERE NEW.status <> '%[1]s' OR NEW.attempt <> 1 OR NEW.version <> 1 OR NEW.submission_id <> '';
    SELECT RAISE(ABORT, 'an execution cannot be replaced')
     WHERE EXISTS (SELECT 1 FROM batch_execution_record WHERE uuid = NEW.uuid);
END`, Pending)
}

// StepTrigger is the SQL of the trigger execution_step, made from Transitions(): it refuses every step that
// the table does not list, one that does not raise the version, and an intent without its submission id.
// The list is one text, because of NOT IN SQLite makes a temporary index for each step that is taken; no
// state's name holds a separator, so that no made-up one can span two entries.
func StepTrigger() string {
	var steps strings.Builder
	for i, t := range Transitions() {
		attempts := 0
		if t.NextAttempt {
			attempts = 1
		}
		if i > 0 && i%stepsPerLine == 0 {
			steps.WriteString("|\n        ")
		}
		fmt.Fprintf(&steps, "|%s>%s+%d", t.From, t.To, attempts)
	}
	return fmt.Sprintf(`CREATE TRIGGER execution_step BEFORE UPDATE OF status, attempt ON batch_execution_record
WHEN NEW.status <> OLD.status OR NEW.attempt <> OLD.attempt
BEGIN
    SELECT RAISE(ABORT, 'the state machine does not list this step')
     WHERE NEW.status GLOB '*[^a-z]*'
        OR instr('%[1]s|',
        '|' || OLD.status || '>' || NEW.status || '+' || (NEW.attempt - OLD.attempt) || '|') = 0;
    SELECT RAISE(ABORT, 'a step raises the version by one')
     WHERE NEW.version <> OLD.version + 1;
    SELECT RAISE(ABORT, 'an intent carries the submission id of its attempt')
     WHERE NEW.status = '%[2]s' AND NEW.submission_id <> 'bp-' || NEW.uuid || '-' || NEW.attempt;
    SELECT RAISE(ABORT, 'a held execution is not submitted')
     WHERE NEW.status = '%[2]s' AND NEW.held_at IS NOT NULL;
END`, &steps, Submitting)
}
