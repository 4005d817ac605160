package ledger

import (
	"fmt"
	"strings"
)

// Mermaid draws the state machine as a Mermaid stateDiagram, one arrow per row of Transitions(). The
// page docs/state-machine.md holds it, and a test holds the page to it.
func Mermaid() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n    [*] --> " + string(Pending) + "\n")
	for _, t := range Transitions() {
		b.WriteString("    " + string(t.From) + " --> " + string(t.To) + ": " + string(t.Event))
		if t.NextAttempt {
			b.WriteString(" (attempt + 1)")
		}
		b.WriteString("\n")
	}
	for _, final := range FinalStates() {
		b.WriteString("    " + string(final) + " --> [*]\n")
	}
	return b.String()
}

// TransitionTable writes Transitions() as a Markdown table.
func TransitionTable() string {
	var b strings.Builder
	b.WriteString("| From | Event | To | Attempt |\n|---|---|---|---|\n")
	for _, t := range Transitions() {
		attempt := ""
		if t.NextAttempt {
			attempt = "+ 1"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.From, t.Event, t.To, attempt)
	}
	return b.String()
}
