package main

import (
	"context"

	"github.com/spf13/cobra"

	"beampipe/ledger"
)

func newLedgerFSMCmd(a *app) *cobra.Command {
	format := "table"
	cmd := &cobra.Command{
		Use:   "fsm",
		Short: "The state machine of executions: which event leads where",
		Long: `The state machine of executions: which event leads from which state to which. It is one table in the program; the
chart in the documentation and the triggers in the ledger, which refuse every other step, are made from it. Needs no ledger.
Formats: table, mermaid (a state diagram), sql (the triggers), json.`,
		Example: "  beampipe ledger fsm\n  beampipe ledger fsm --format mermaid",
		Args:    arguments(0, 0, "no argument"),
		RunE: a.action(func(context.Context, []string) error {
			if a.json {
				format = "json"
			}
			return a.fsm(format)
		}),
	}
	cmd.Flags().StringVar(&format, "format", format, "print it as `FORMAT`: table, mermaid, sql or json")
	return cmd
}

// fsm prints the state machine in a format.
func (a *app) fsm(format string) error {
	p := a.newPage()
	switch format {
	case "json":
		return a.printJSON(struct {
			Initial     ledger.State        `json:"initial"`
			Final       []ledger.State      `json:"final"`
			Transitions []ledger.Transition `json:"transitions"`
		}{ledger.Pending, ledger.FinalStates(), ledger.Transitions()})
	case "mermaid":
		p.b.WriteString(ledger.Mermaid())
	case "sql":
		p.b.WriteString(ledger.BirthTrigger() + ";\n\n" + ledger.StepTrigger() + ";\n")
	case "table":
		var rows [][]any
		for _, t := range ledger.Transitions() {
			attempt := ""
			if t.NextAttempt {
				attempt = "+ 1"
			}
			rows = append(rows, []any{string(t.From), string(t.Event), string(t.To), attempt})
		}
		p.table("", []string{"FROM", "EVENT", "TO", "ATTEMPT"}, rows)
	default:
		return usagef("ledger fsm --format %q: expected table, mermaid, sql or json", format)
	}
	return a.write([]byte(p.b.String()))
}
