package crash

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"beampipe/ledger"
	"beampipe/provenance"
)

// oldLedger is a ledger as a program of schema version 2 has left it.
const oldLedger = "../../ledger/testdata/ledger-v2.db.gz"

// oldBook is a book on a ledger of an older schema, of which nobody was told anything.
func oldBook(t *testing.T) *book {
	t.Helper()
	b := &book{T: t, path: filepath.Join(t.TempDir(), "beampipe.db"), told: map[string]entry{}, refused: map[string]bool{}}
	b.layOld()
	return b
}

// layOld puts the old ledger where the book's is, and takes away what lies beside it.
func (b *book) layOld() {
	b.Helper()
	left, err := filepath.Glob(b.path + "*")
	must(b.T, err)
	for _, name := range left {
		must(b.T, os.Remove(name))
	}
	packed, err := os.ReadFile(oldLedger)
	must(b.T, err)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	must(b.T, err)
	raw, err := io.ReadAll(z)
	must(b.T, err)
	must(b.T, os.WriteFile(b.path, raw, 0o600))
}

// content digests what an upgrade must not change: the columns that the old schema has of what happened.
func (b *book) content() (all string) {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+b.path)
	must(b.T, err)
	defer db.Close()
	for _, query := range []string{
		"SELECT group_concat(seq || hash, ' ' ORDER BY seq) FROM provenance_events",
		"SELECT group_concat(uuid || status || attempt || version, ' ' ORDER BY uuid) FROM batch_execution_record",
		"SELECT group_concat(identifier || signature || last_outcome, ' ' ORDER BY id) FROM sources",
		"SELECT group_concat(sha256 || hex(data), ' ' ORDER BY sha256) FROM artifacts",
		"SELECT group_concat(source_id || sbid || records, ' ' ORDER BY source_id, sbid) FROM archive_metadata",
	} {
		var text sql.NullString
		must(b.T, db.QueryRowContext(context.Background(), query).Scan(&text))
		all += text.String + "\n"
	}
	return all
}

// dieInUpgrade kills a child that brings an old ledger to the present schema. The next process finds all
// that was in it, upgraded or to be upgraded.
func (b *book) dieInUpgrade(o order) {
	b.Helper()
	b.layOld()
	before := b.content()
	o.Callers, o.Readers = 0, 0
	p := b.start(o)
	p.dies()
	b.usable(before)
}

// usable opens the ledger, which finishes what was begun, and holds it against what it held before.
func (b *book) usable(before string) {
	b.Helper()
	b.open(func(l *ledger.Ledger) {
		var chain provenance.Verifier
		b.check("chain", l.View(b.Context()).EachEvent(chain.Next))
	})
	b.check("structure", b.structureOf(b.path))
	if after := b.content(); after != before {
		b.found("it was\n%s\nand is\n%s", before, after)
	}
	b.report()
}

// TestAnUpgradeThatIsKilledAtAnyInstantIsFinishedByTheNextProcess kills at random; every third time two
// processes upgrade at once and one is killed.
func TestAnUpgradeThatIsKilledAtAnyInstantIsFinishedByTheNextProcess(t *testing.T) {
	t.Parallel()
	rng := seeded(t)
	b := oldBook(t)
	before := b.content()
	span := b.upgradeTime()
	for i := range kills(4, 60) {
		b.layOld()
		p := b.start(order{Name: fmt.Sprintf("u%d", i), Callers: 0})
		if i%3 > 0 {
			p.killAfter(time.Duration(rng.Int64N(int64(span))))
		} else {
			other := b.start(order{Name: fmt.Sprintf("v%d", i)})
			p.killAfter(time.Duration(rng.Int64N(int64(span))))
			other.await("open the ledger", other.working)
			other.stop()
		}
		b.usable(before)
		if t.Failed() {
			t.Fatalf("after kill %d", i+1)
		}
	}
}

// upgradeTime measures how long an upgrade takes here, so that kills are spread over all of it.
func (b *book) upgradeTime() time.Duration {
	b.Helper()
	b.layOld()
	began := time.Now()
	p := b.start(order{Name: "measure"})
	p.await("open the ledger", p.working)
	p.stop()
	return time.Since(began)
}
