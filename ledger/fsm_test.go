package ledger

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/looplab/fsm"

	"beampipe/fault"
)

// designTable is the table of the design, row by row as it stands there; "+" is attempt + 1.
const designTable = `
pending | prepare | preparing
preparing | prepared | ready
ready | submit | submitting
submitting | accepted | queued
submitting | refused | ready
submitting | lost | uncertain
uncertain | found | queued
uncertain | absent + | ready
uncertain | abandoned | failed
queued | started | running
running | requeued | queued
queued, running, cancelling | finished | verifying
queued, running, cancelling | stopped | cancelled
verifying | verified | completed
pending, preparing, ready, verifying | cancel | cancelled
queued, running | cancel | cancelling
pending, preparing, ready, submitting, queued, running, cancelling, verifying | fail | failed
failed | retry + | pending
failed | recheck | verifying`

// fromDesign reads the table into the steps that it lists.
func fromDesign() map[string]State {
	steps := map[string]State{}
	for _, row := range strings.Split(strings.TrimSpace(designTable), "\n") {
		cells := strings.Split(row, " | ")
		for _, from := range strings.Split(cells[0], ", ") {
			steps[from+" "+cells[1]] = State(cells[2])
		}
	}
	return steps
}

func TestTransitionsAreTheTableOfTheDesign(t *testing.T) {
	got := map[string]State{}
	for _, row := range Transitions() {
		key := string(row.From) + " " + string(row.Event)
		if row.NextAttempt {
			key += " +"
		}
		if _, twice := got[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		got[key] = row.To
	}
	if diff := cmp.Diff(fromDesign(), got); diff != "" {
		t.Errorf("design (-) and Transitions() (+) differ:\n%s", diff)
	}
}

// simulate lets looplab/fsm walk one transition.
func simulate(from State, event Event) (State, error) {
	var events fsm.Events
	for _, t := range Transitions() {
		events = append(events, fsm.EventDesc{Name: string(t.Event), Src: []string{string(t.From)}, Dst: string(t.To)})
	}
	machine := fsm.NewFSM(string(from), events, nil)
	err := machine.Event(context.Background(), string(event))
	return State(machine.Current()), err
}

func TestLooplabWalksToTheStateOfTheTableAndRefusesAllElse(t *testing.T) {
	design := fromDesign()
	for _, from := range allStates {
		for _, event := range allEvents {
			want, listed := design[string(from)+" "+string(event)]
			if to, ok := design[string(from)+" "+string(event)+" +"]; ok {
				want, listed = to, true
			}
			walked, walkErr := simulate(from, event)
			step, err := next(from, event)
			switch {
			case listed && (walkErr != nil || walked != want || err != nil || step.To != want || !Can(from, event)):
				t.Errorf("%s in %s: looplab %s (%v), next %s (%v), want %s", event, from, walked, walkErr, step.To, err, want)
			case !listed && (walkErr == nil || walked != from || err == nil || Can(from, event)):
				t.Errorf("%s in %s is not in the table; looplab %s (%v), next %v", event, from, walked, walkErr, err)
			}
			if !listed {
				wantKind(t, err, fault.Conflict, string(event), string(from))
			}
		}
	}
}

var update = flag.Bool("update", false, "rewrite the chart in docs/state-machine.md, and print the SQL that a new migration needs")

// newestDefinition gives the text by which the newest migration that makes a trigger makes it.
func newestDefinition(t *testing.T, trigger string) (text string) {
	t.Helper()
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files { // in the order of their numbers
		script, err := migrationFiles.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`(?s)(CREATE TRIGGER ` + trigger + ` .*?\nEND);`).FindSubmatch(script); m != nil {
			text = string(m[1])
		}
	}
	return text
}

func TestTheTriggersOfTheStateMachineAreTheOnesThatTheTableMakes(t *testing.T) {
	for name, want := range map[string]string{"execution_birth": BirthTrigger(), "execution_step": StepTrigger()} {
		diff := cmp.Diff(want, newestDefinition(t, name))
		switch {
		case diff != "" && *update:
			fmt.Printf("DROP TRIGGER %s;\n\n-- +goose StatementBegin\n%s;\n-- +goose StatementEnd\n\n", name, want)
		case diff != "":
			t.Errorf("%s as the table makes it (-) and as the newest migration has it (+) differ; a new migration needs what -update prints:\n%s", name, diff)
		}
		var stored string
		if err := newFixture(t).raw().QueryRow("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?", name).Scan(&stored); err != nil || stored != want && !*update {
			t.Errorf("%s in a new ledger: %v\n%s", name, err, cmp.Diff(want, stored))
		}
	}
}

func TestTheStepTriggerListsTheStepsOfTheTable(t *testing.T) {
	list := regexp.MustCompile(`(?s)instr\('(.*?)',`).FindStringSubmatch(StepTrigger())
	if list == nil {
		t.Fatal("the trigger has no list of steps")
	}
	var got []string
	for _, m := range regexp.MustCompile(`([^|\s]+)`).FindAllStringSubmatch(list[1], -1) {
		got = append(got, m[1])
	}
	if diff := cmp.Diff(listedSteps(), sorted(got)); diff != "" {
		t.Errorf("Transitions() (-) and trigger (+) differ:\n%s", diff)
	}
}

// listedSteps writes the steps of the table as the trigger does: from>to+attempts.
func listedSteps() []string {
	var steps []string
	for _, row := range Transitions() {
		attempts := 0
		if row.NextAttempt {
			attempts = 1
		}
		steps = append(steps, fmt.Sprintf("%s>%s+%d", row.From, row.To, attempts))
	}
	return sorted(steps)
}

func sorted(list []string) []string {
	sort.Strings(list)
	return list
}

func TestTheDocPageHoldsTheChartAndTheTable(t *testing.T) {
	const name = "../docs/state-machine.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, generated := range map[string]struct{ begin, text, end string }{
		"chart": {"```mermaid\n", Mermaid(), "```"},
		"table": {"<!-- table: made from the code -->\n", TransitionTable(), "<!-- end of table -->"},
	} {
		before, rest, begins := strings.Cut(string(page), generated.begin)
		block, after, ends := strings.Cut(rest, generated.end)
		if !begins || !ends {
			t.Fatalf("%s has no %s", name, what)
		}
		if *update {
			page = []byte(before + generated.begin + generated.text + generated.end + after)
		} else if diff := cmp.Diff(generated.text, block); diff != "" {
			t.Errorf("the %s of the code (-) and of %s (+) differ; go test ./ledger -run DocPage -update rewrites it:\n%s", what, name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(name, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range allStates {
		if !strings.Contains(string(page), "| `"+string(s)+"` |") {
			t.Errorf("the page does not explain %s", s)
		}
	}
}

func TestOnlyEndedExecutionsAreTerminalAndOnlyTheOutsideIsSubmitted(t *testing.T) {
	for _, s := range allStates {
		leaves := false
		for _, row := range Transitions() {
			leaves = leaves || row.From == s
		}
		if final := slices.Contains(FinalStates(), s); final == leaves {
			t.Errorf("%s: final %v, but steps lead out of it: %v", s, final, leaves)
		}
		before := s == Pending || s == Preparing || s == Ready
		if s.Terminal() && s.Submitted() || !s.Terminal() && s.Submitted() == before {
			t.Errorf("%s: terminal %v, submitted %v", s, s.Terminal(), s.Submitted())
		}
	}
}
