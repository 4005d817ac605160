package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"beampipe/discovery"
	"beampipe/ledger"
)

// WhySource implements Sources.
func (c *Local) WhySource(ctx context.Context, project, identifier string) (SourceWhy, error) {
	d, err := c.ShowSource(ctx, project, identifier)
	if err != nil {
		return SourceWhy{}, err
	}
	v := c.ledger.View(ctx)
	w := SourceWhy{At: d.At, Source: d.Source, SBIDs: []string{}}
	for _, m := range d.Metadata {
		if m.MissingSince == nil {
			w.SBIDs = append(w.SBIDs, m.SBID)
			w.Datasets += len(m.Records)
		}
	}
	if len(d.Changes) > 0 {
		w.LastChange = &d.Changes[0]
	}
	if len(d.Executions) > 0 {
		w.Execution = &d.Executions[0]
	}
	if d.Source.Report != "" {
		var report discovery.Report
		if err := json.Unmarshal([]byte(d.Source.Report), &report); err != nil {
			return w, fmt.Errorf("stored report of %s: %w", identifier, err)
		}
		w.Discovery, w.NotInSigned = report, report.NotInSignature
	}
	w.NotReady = discovery.Ready(d.Source, d.Metadata, nil)
	p, err := v.Project(project)
	if err != nil {
		return w, err
	}
	ticks, err := v.Schedules()
	if err != nil {
		return w, err
	}
	projects, err := v.Projects()
	if err != nil {
		return w, err
	}
	name := shellWord(identifier)
	if len(projects) > 1 {
		name += " --project " + shellWord(project)
	}
	explainSource(&w, p, ticks, name)
	return w, nil
}

// explainSource says in one word and one sentence where a source stands, and what to do; name is how
// commands name the source.
func explainSource(w *SourceWhy, p ledger.Project, ticks []ledger.Schedule, name string) {
	s := w.Source
	for _, t := range ticks {
		if s.Pending && t.Project == p.ID && t.Kind == ledger.TickExecution {
			w.Admission = t.Reason
		}
	}
	active := w.Execution != nil && !w.Execution.State.Terminal()
	switch {
	case s.RemovedAt != nil:
		w.State, w.Sentence = "removed", "it was taken out of the survey; its history is kept"
	case !s.Enabled:
		w.State, w.Sentence, w.Next = "disabled", "nothing new starts for it", []string{"beampipe source enable " + name}
	case active:
		w.State, w.Sentence = string(w.Execution.State), "execution "+w.Execution.ID+" works on it"
		w.Next = []string{"beampipe execution why " + w.Execution.ID}
	case s.LastOutcome == ledger.OutcomeError || s.LastOutcome == ledger.OutcomeAmbiguous:
		w.State, w.Sentence = s.LastOutcome, fmt.Sprintf("its last discovery failed (%d in a row), what is known is kept: %s", s.Failures, s.LastError)
		w.Next = []string{"beampipe source discover " + name}
	case s.LastCheckedAt == nil:
		w.State, w.Sentence, w.Next = "never asked", "no archive has been asked about it yet", []string{"beampipe source discover " + name}
	case s.MissingSince != nil:
		w.State, w.Sentence = "missing", "what was known of it is no longer shown by the archive; it is kept and not run"
		w.Next = []string{"beampipe timeline source " + name}
	case s.Pending && len(w.NotReady) > 0:
		w.State, w.Sentence = "pending", "it waits for a run and is not ready: "+strings.Join(w.NotReady, "; ")
	case s.Pending:
		w.State, w.Sentence, w.Next = "pending", pendingSentence(p, w.Admission), []string{"beampipe tick execution --project " + p.ID}
		if !p.Admitting {
			w.Next = []string{"beampipe project start " + p.ID}
		}
	case s.LastOutcome == ledger.OutcomeNoData:
		w.State, w.Sentence = "no data", "the archive knows nothing of it"
	case w.Execution != nil && w.Execution.State == ledger.Failed:
		w.State, w.Sentence = "failed", "its execution "+w.Execution.ID+" failed: "+w.Execution.Error
		w.Next = []string{"beampipe execution why " + w.Execution.ID}
	case s.Signature == s.LastExecutedSignature:
		w.State, w.Sentence = "up to date", "its data was executed already"
	default:
		w.State, w.Sentence = "idle", "its data is known and no run is wanted; the next change makes one"
	}
}

func pendingSentence(p ledger.Project, admission string) string {
	if !p.Admitting {
		return "it waits for a run, and the project does not admit: " + fallback(p.AdmitReason, "it was not started yet")
	}
	return "it waits for a run; the last execution tick said: " + fallback(admission, "nothing yet")
}
