package execution

import (
	"encoding/json"
	"fmt"
	"time"

	"beampipe/backends"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/profiles"
)

// maxEarlierRuns bounds the attempts that a run record keeps beside the current one, the newest first.
const maxEarlierRuns = 10

// RunRecord is what was decided about an execution and what its backend said: shown as
// workflow_manifest.beampipe_run_record. Times are UTC.
type RunRecord struct {
	RequestedSources RequestedSources `json:"requested_sources"`
	Scheduler        Scheduler        `json:"scheduler"`
	Staging          string           `json:"staging,omitempty"`
	Cancel           *CancelRecord    `json:"cancel,omitempty"`

	// One of these, by the kind of place that the current attempt went to.
	Local *PlaceRecord `json:"local,omitempty"`
	DIM   *PlaceRecord `json:"dim,omitempty"`
	Slurm *PlaceRecord `json:"slurm,omitempty"`

	Earlier []PlaceRecord `json:"earlier,omitempty"` // attempts before the current one
}

// RequestedSources is what an execution was asked to run.
type RequestedSources struct {
	Count       int               `json:"count"`
	Identifiers []string          `json:"source_identifiers"`
	Sources     []RequestedSource `json:"sources"`
}

// RequestedSource is one of them with its SBIDs.
type RequestedSource struct {
	Identifier string   `json:"source_identifier"`
	SBIDs      []string `json:"sbids"`
}

// Scheduler says how the execution came to be.
type Scheduler struct {
	PolicyDecision      string `json:"policy_decision"`       // admitted, or manual
	ClaimToken          string `json:"claim_token,omitempty"` // of the admission tick
	AdmittedSourceCount int    `json:"admitted_source_count"`
	QueueDepth          int    `json:"queue_depth"`
}

// CancelRecord is a wish to cancel something that was submitted.
type CancelRecord struct {
	RequestedAt time.Time  `json:"requested_at"`
	By          string     `json:"by"`
	Reason      string     `json:"reason,omitempty"`
	Requeue     bool       `json:"requeue,omitempty"`      // the sources wait for a run again, once it has stopped
	DeliveredAt *time.Time `json:"delivered_at,omitempty"` // the place has heard of it
}

// PlaceRecord is one attempt as its place tells it.
type PlaceRecord struct {
	SessionID       string             `json:"session_id"` // bp-<execution>-<attempt>
	SubmittedAt     *time.Time         `json:"submitted_at,omitempty"`
	Deploy          *Deploy            `json:"deploy,omitempty"`
	LastObservation *ObservationRecord `json:"last_observation,omitempty"`
	Terminal        *TerminalRecord    `json:"terminal,omitempty"` // frozen at the first terminal observation
	Lookup          *ObservationRecord `json:"lookup,omitempty"`   // the last answer while the outcome was unknown
	Fenced          *time.Time         `json:"fenced_at,omitempty"`
}

// Deploy is the place's receipt.
type Deploy struct {
	DeployedAt time.Time      `json:"deployed_at"`
	Target     string         `json:"target"`
	ExternalID string         `json:"external_id,omitempty"`
	Folder     string         `json:"session_dir,omitempty"`
	Details    map[string]any `json:"details,omitempty"`
}

// ObservationRecord is one answer of the place.
type ObservationRecord struct {
	State      string         `json:"session_state"`
	Reason     string         `json:"reason,omitempty"`
	ObservedAt time.Time      `json:"observed_at"`
	Drops      map[string]int `json:"drops,omitempty"`
	Raw        string         `json:"raw,omitempty"`
}

// TerminalRecord is how an attempt ended.
type TerminalRecord struct {
	ObservationRecord
	SessionID    string                `json:"session_id"`
	Class        string                `json:"failure_class,omitempty"`
	StartedAt    *time.Time            `json:"started_at,omitempty"`
	EndedAt      *time.Time            `json:"ended_at,omitempty"`
	ErrorDrops   int                   `json:"error_drops_count"`
	FailedDrops  []backends.FailedDrop `json:"failed_drops,omitempty"`
	Products     int                   `json:"products"`
	LedgerStatus string                `json:"ledger_status,omitempty"`
}

// ReadRunRecord decodes a stored run record; nil gives an empty one.
func ReadRunRecord(raw json.RawMessage) (RunRecord, error) {
	var r RunRecord
	if len(raw) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fault.Wrap(fault.Invalid, err, "read run record", "the ledger may be damaged: beampipe ledger check")
	}
	return r, nil
}

func newRunRecord(sources []ledger.ExecutionSource, s Scheduler) RunRecord {
	r := RunRecord{Scheduler: s, RequestedSources: RequestedSources{Count: len(sources)}}
	for _, x := range sources {
		r.RequestedSources.Identifiers = append(r.RequestedSources.Identifiers, x.Identifier)
		r.RequestedSources.Sources = append(r.RequestedSources.Sources, RequestedSource{Identifier: x.Identifier, SBIDs: x.SBIDs})
	}
	return r
}

// updateRecord changes an execution's run record in the transaction.
func updateRecord(tx *ledger.Tx, id string, change func(r *RunRecord)) error {
	raw, err := tx.RunRecord(id)
	if err != nil {
		return err
	}
	r, err := ReadRunRecord(raw)
	if err != nil {
		return fmt.Errorf("execution %s: %w", id, err)
	}
	change(&r)
	return tx.SetRunRecord(id, r)
}

// placeKind names the kind of place in run records, observations and metrics.
func placeKind(p *profiles.Profile) string {
	switch p.Deployment.Kind {
	case profiles.KindRestRemote:
		return "dim"
	case profiles.KindSlurmRemote:
		return "slurm"
	}
	return "local"
}

// attempt gives the record of the attempt called session, making it the current one.
func (r *RunRecord) attempt(kind, session string) *PlaceRecord {
	at := map[string]**PlaceRecord{"local": &r.Local, "dim": &r.DIM, "slurm": &r.Slurm}
	if current := *at[kind]; current != nil && current.SessionID == session {
		return current
	}
	for _, k := range []string{"local", "dim", "slurm"} {
		if old := *at[k]; old != nil {
			r.Earlier = append([]PlaceRecord{*old}, r.Earlier...)
			*at[k] = nil
		}
	}
	r.Earlier = r.Earlier[:min(len(r.Earlier), maxEarlierRuns)]
	*at[kind] = &PlaceRecord{SessionID: session}
	return *at[kind]
}

// Current gives the record of the current attempt, nil before anything was submitted.
func (r RunRecord) Current() *PlaceRecord {
	for _, p := range []*PlaceRecord{r.Local, r.DIM, r.Slurm} {
		if p != nil {
			return p
		}
	}
	return nil
}

func observationRecord(o backends.Observation) ObservationRecord {
	return ObservationRecord{
		State: string(o.Phase), Reason: o.Reason, ObservedAt: o.At.UTC(), Drops: o.Drops,
		Raw: ledger.Excerpt(o.Raw, ledger.MaxRawBytes),
	}
}

// observe keeps an answer; the first terminal one is frozen.
func (p *PlaceRecord) observe(o backends.Observation, status ledger.State) {
	last := observationRecord(o)
	p.LastObservation = &last
	ended := o.Phase.Ended() || o.Phase == backends.PhaseLost
	if !ended || p.Terminal != nil {
		return
	}
	p.Terminal = &TerminalRecord{
		ObservationRecord: last, SessionID: p.SessionID, Class: o.Class, StartedAt: o.StartedAt, EndedAt: o.EndedAt,
		ErrorDrops: o.Drops[backends.DropError], FailedDrops: o.FailedDrops, Products: len(o.Products),
		LedgerStatus: string(status),
	}
}
