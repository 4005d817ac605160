package control

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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
		for _, name := range m.Excluded {
			w.Excluded = append(w.Excluded, m.SBID+" "+name)
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
	w.Signed = signedFields(d.Metadata, w.NotInSigned)
	w.NotReady = discovery.Ready(d.Source, d.Metadata, nil)
	p, err := v.Project(project)
	if err != nil {
		return w, err
	}
	cfg, _, err := c.config(v, project)
	if err != nil {
		return w, err
	}
	settle := cfg.Automation.Execution.Settle()
	if s := d.Source; s.Pending && s.SignatureSince != nil && !s.Settled(settle) {
		at := s.SignatureSince.Add(settle)
		w.SettledAt = &at
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
	if s.MissingSince != nil {
		w.Missing = missingSentence(s)
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
	case s.QuarantinedAt != nil:
		w.State = "quarantined"
		w.Sentence = fmt.Sprintf("its answers could not be used %d times in a row; what is known is kept, and it is not asked about until it is released: %s", s.Refusals, s.LastError)
		w.Next = []string{"beampipe source release " + name + " --reason TEXT"}
	case s.Refusals == 0 && s.Failures == 0 && refusedOutcome(s.LastOutcome):
		w.State, w.Sentence = "released", "it is asked about again with the next discovery tick; before, its answer could not be used: "+s.LastError
		w.Next = []string{"beampipe source discover " + name}
	case s.LastOutcome == ledger.OutcomeError || s.LastOutcome == ledger.OutcomeAmbiguous || s.LastOutcome == ledger.OutcomeRefused:
		w.State, w.Sentence = s.LastOutcome, fmt.Sprintf("its last discovery failed (%d in a row), what is known is kept: %s", s.Failures, s.LastError)
		w.Next = []string{"beampipe source discover " + name}
	case s.LastCheckedAt == nil:
		w.State, w.Sentence, w.Next = "never asked", "no archive has been asked about it yet", []string{"beampipe source discover " + name}
	case s.MissingSince != nil:
		w.State, w.Sentence = "missing", w.Missing
		w.Next = []string{"beampipe timeline source " + name}
		if s.AcceptMissingAt == nil {
			w.Next = append(w.Next, "beampipe source accept-missing "+name+" --reason TEXT")
		}
	case s.Pending && len(w.NotReady) > 0:
		w.State, w.Sentence = "pending", "it waits for a run and is not ready: "+strings.Join(w.NotReady, "; ")
	case s.Pending && w.SettledAt != nil:
		w.State = "settling"
		w.Sentence = fmt.Sprintf("its data changed at %s; it runs once a complete answer from %s on still shows the same (automation.execution.settle_hours)",
			s.SignatureSince.Format(minuteFormat), w.SettledAt.Format(minuteFormat))
		if !p.Admitting {
			w.Sentence += "; and the project does not admit: " + fallback(p.AdmitReason, notStarted)
			w.Next = []string{"beampipe project start " + p.ID}
		}
	case s.Pending:
		w.State, w.Sentence, w.Next = "pending", pendingSentence(p, w.Admission), []string{"beampipe tick execution --project " + p.ID}
		switch {
		case !p.Admitting:
			w.Next = []string{"beampipe project start " + p.ID}
		case p.BrakeAt != nil:
			w.Admission = "" // it says what the sentence says
			w.Next = []string{"beampipe source list --outcome changed --project " + p.ID, "beampipe project release " + p.ID + " --reason TEXT"}
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

// refusedOutcome tells of answers that cannot be used.
func refusedOutcome(outcome string) bool {
	return outcome == ledger.OutcomeRefused || outcome == ledger.OutcomeAmbiguous
}

// signedFields gives the names of the record fields that entered a signature. What did not is named by its
// field, or as query.column.
func signedFields(known []ledger.Metadata, not []string) []string {
	out := map[string]bool{}
	for _, name := range not {
		out[name] = true
		if at := strings.LastIndexByte(name, '.'); at >= 0 {
			out[strings.ToLower(name[at+1:])] = true
		}
	}
	fields := map[string]bool{}
	for _, m := range known {
		if m.MissingSince != nil {
			continue
		}
		for _, record := range m.Records {
			for name := range record {
				if !out[name] {
					fields[name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(fields))
}

// missingSentence tells of data that is missing how far it is from being taken as gone.
func missingSentence(s ledger.Source) string {
	text := "the archive no longer shows all that was known of it since " + s.MissingSince.Format(minuteFormat) + "; it is kept and not run"
	if s.AcceptMissingAt != nil {
		return text + "; it was accepted as gone, and the next complete answer decides"
	}
	if s.GoneSince == nil {
		return text
	}
	return fmt.Sprintf("%s; %d of %d complete answers agree since %s, and it is taken as gone after %d h of agreement", text, s.GoneAnswers, discovery.GoneAnswers,
		s.GoneSince.Format(minuteFormat), int(discovery.GoneAfter.Hours()))
}

// notStarted is why a project that nobody paused does not admit.
const notStarted = "it was not started yet"

func pendingSentence(p ledger.Project, admission string) string {
	if p.BrakeAt != nil {
		return "it waits for a run, and the mass-change brake of its project is on: " + p.BrakeReason
	}
	if !p.Admitting {
		return "it waits for a run, and the project does not admit: " + fallback(p.AdmitReason, notStarted)
	}
	return "it waits for a run; the last execution tick said: " + fallback(admission, "nothing yet")
}
