package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"beampipe/control"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/provenance"
)

// Summary is what happened, in figures. Its JSON names are stable.
type Summary struct {
	Sources      int   `json:"sources"`
	Discovered   int   `json:"discovered"` // have data
	NoData       int   `json:"no_data"`
	Refused      int   `json:"refused"` // their answer could not be used; what was known is kept
	Executions   int   `json:"executions"`
	Completed    int   `json:"completed"`
	Failed       int   `json:"failed"`
	Rediscovered int   `json:"rediscovered"` // signatures that changed in the second round
	Reruns       int   `json:"reruns"`       // executions made in the second round
	Events       int64 `json:"events"`
	ElapsedMS    int64 `json:"elapsed_ms"`

	Dir      string   `json:"dir"`
	Ledger   string   `json:"ledger"`
	Products []string `json:"products"` // files, each checked to be there
	FailedID string   `json:"failed_execution,omitempty"`
	Why      string   `json:"failed_because,omitempty"`
	Refusal  string   `json:"refused_because,omitempty"`
}

// sumUp reads the figures off the ledger and checks that each product is there.
func (p *play) sumUp(ctx context.Context, c *control.Local, first counts) (Summary, error) {
	l := c.Ledger()
	now, err := count(ctx, l)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{
		Sources: now.sources, NoData: now.outcomes[ledger.OutcomeNoData],
		Refused:    now.outcomes[ledger.OutcomeError] + now.outcomes[ledger.OutcomeRefused] + now.outcomes[ledger.OutcomeAmbiguous],
		Executions: now.total(), Completed: now.executions[ledger.Completed], Failed: now.executions[ledger.Failed],
		Reruns: now.total() - first.total(), Dir: p.dir, Ledger: l.Path(), Products: []string{},
	}
	s.Discovered = s.Sources - s.NoData - s.Refused
	v := l.View(ctx)
	changed, err := v.Events(ledger.EventFilter{Project: Project, Type: provenance.DiscoveryChanged, After: first.events})
	if err != nil {
		return s, err
	}
	s.Rediscovered = len(changed)
	if s.Events, err = v.CountEvents(); err != nil {
		return s, err
	}
	if err := s.readProducts(v); err != nil {
		return s, err
	}
	return s, s.readRefusals(v)
}

// readProducts lists the products of every completed execution and says why one failed.
func (s *Summary) readProducts(v ledger.View) error {
	list, err := v.Executions(ledger.ExecutionFilter{Project: Project, Oldest: true})
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.State == ledger.Failed {
			s.FailedID, s.Why = e.ID, e.Error
		}
		if e.State != ledger.Completed {
			continue
		}
		content, _, err := v.ArtifactOf(e.ID, ledger.ArtifactProducts)
		if err != nil {
			return err
		}
		var list struct {
			Products []struct {
				Path string `json:"path"`
			} `json:"products"`
		}
		if err := json.Unmarshal(content, &list); err != nil {
			return fmt.Errorf("products of execution %s: %w", e.ID, err)
		}
		for _, product := range list.Products {
			path := filepath.Join(e.Folder, product.Path)
			if _, err := os.Stat(path); err != nil {
				return fault.Wrap(fault.NotFound, err, "product of execution "+e.ID, "")
			}
			s.Products = append(s.Products, path)
		}
	}
	return nil
}

func (s *Summary) readRefusals(v ledger.View) error {
	for _, outcome := range []string{ledger.OutcomeError, ledger.OutcomeRefused} {
		refused, err := v.Sources(ledger.SourceFilter{Project: Project, Outcome: outcome})
		if err != nil {
			return err
		}
		for _, r := range refused {
			s.Refusal = r.Identifier + ": " + r.LastError
		}
	}
	return nil
}

// Text tells the summary to a person.
func (s Summary) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%d sources registered, %d with data, %d without, %d refused", s.Sources, s.Discovered, s.NoData, s.Refused)
	line("%d executions: %d completed, %d failed", s.Executions, s.Completed, s.Failed)
	line("a day later: new data for %d sources, %d executions made for them, no others", s.Rediscovered, s.Reruns)
	line("%d events in the provenance log, %d products, %.1f s", s.Events, len(s.Products), float64(s.ElapsedMS)/1000)
	line("")
	if s.Why != "" {
		line("failed    %s", s.Why)
	}
	if s.Refusal != "" {
		line("refused   %s", s.Refusal)
	}
	if n := len(s.Products); n > 0 {
		line("products  %s", filepath.Join(s.Dir, "runs"))
		line("          for example %s", s.Products[n-1])
	}
	line("")
	line("look around (beampipe is: go run ./cmd/beampipe):")
	line("  export BEAMPIPE_LEDGER=%s", s.Ledger)
	line("  beampipe execution list --state failed")
	if s.FailedID != "" {
		line("  beampipe execution why %s", s.FailedID)
	}
	line("  beampipe source why %s", prefixPairs[0])
	line("  beampipe timeline source %s", prefixPairs[0])
	return b.String()
}
