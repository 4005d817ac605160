package ledger

import "strings"

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
	for _, final := range []State{Completed, Cancelled} {
		b.WriteString("    " + string(final) + " --> [*]\n")
	}
	return b.String()
}
