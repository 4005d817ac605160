package grown

import (
	"fmt"
	"math/rand/v2"

	"beampipe/ledger"
)

// group is the sources of a project.
type group struct {
	project
	first int64 // the row id of the first; they follow one after the other
	n     int
}

// Identifier names the nth source of a project.
func Identifier(n int) string {
	return fmt.Sprintf("HIPASSJ%04d%+03d_%05d", n/7%2400, n%90-60, n)
}

// sbids are the observations of the nth source of a project: twenty sources share each. Two projects that
// have the same number share theirs as well, as surveys do that observe at the same time.
func (p project) sbids(n int) []string {
	list := []string{fmt.Sprint(p.block*100_000 + n/20)}
	if n%9 == 0 {
		list = append(list, fmt.Sprint(p.block*100_000+50_000+n/20))
	}
	return list
}

// report is as long as what a discovery leaves behind.
const report = `{"queries":[{"name":"visibility","form":"set","ms":212,"rows":8},{"name":"evaluation","form":"set","ms":57,"rows":2},{"name":"catalogue","form":"set","ms":14,"rows":1}],"records":8,"fields":{"signed":["dataset_id","sbid","ra","dec","vsys","quality_level","scan_id"],"not_signed":["access_url","filesize","t_max","t_min"]},"sbids":{"72962":{"datasets":4,"ready":true},"73011":{"datasets":4,"ready":false}}}`

func (m *maker) sources() error {
	chance := rand.New(rand.NewPCG(1, 1))
	tx, err := m.db.BeginTx(m.ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it says so
	insert, err := tx.Prepare(`INSERT INTO sources (id, project, identifier, enabled, removed_at, registered_at, registered_by, signature, signature_rule, last_checked_at,
		last_attempted_at, next_due_at, last_outcome, last_error, failures, missing_since, workflow_run_pending, workflow_run_pending_at, signature_since, quarantined_at, refusals, report)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'r1', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	at, late := ledger.Stamp(epoch), ledger.Stamp(epoch.Add(years))
	id := int64(0)
	when := func(share float64) any {
		if chance.Float64() < share {
			return late
		}
		return nil
	}
	for i, p := range projects {
		n := int(float64(m.size.Sources) * p.share)
		if i == len(projects)-1 {
			n = m.size.Sources - int(id)
		}
		m.groups = append(m.groups, group{project: p, first: id + 1, n: n})
		for k := range n {
			id++
			outcome := oneOf(chance, outcomes)
			pending := chance.Float64() < 0.005
			failures, text, since := 0, "", any(nil)
			switch outcome {
			case ledger.OutcomeError, ledger.OutcomeRefused, ledger.OutcomeAmbiguous:
				failures, text = 1+chance.IntN(5), "the archive answered 503 Service Unavailable"
			}
			if pending {
				since = late
			}
			if _, err := insert.Exec(id, p.name, Identifier(k), chance.Float64() > 0.02, when(0.01), at, Actor, digest(chance), late, late, late,
				outcome, text, failures, when(0.003), pending, since, at, when(0.001), failures, report); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// weighted is a value with its share.
type weighted[T any] struct {
	value T
	share float64
}

var outcomes = []weighted[string]{
	{ledger.OutcomeUnchanged, 0.88},
	{ledger.OutcomeChanged, 0.04},
	{ledger.OutcomeNoData, 0.05},
	{ledger.OutcomeError, 0.01},
	{ledger.OutcomeMissing, 0.004},
	{ledger.OutcomeGone, 0.002},
	{ledger.OutcomeRefused, 0.003},
	{ledger.OutcomeAmbiguous, 0.001},
	{"", 0.01},
}

func oneOf[T any](chance *rand.Rand, list []weighted[T]) T {
	at := chance.Float64()
	for _, w := range list {
		if at -= w.share; at < 0 {
			return w.value
		}
	}
	return list[0].value
}

func digest(chance *rand.Rand) string {
	return fmt.Sprintf("%016x%016x%016x%016x", chance.Uint64(), chance.Uint64(), chance.Uint64(), chance.Uint64())
}
