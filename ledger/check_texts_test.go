package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

// TestADocumentThatCannotBeReadAnyMoreIsNamed damages each column that is looked at.
func TestADocumentThatCannotBeReadAnyMoreIsNamed(t *testing.T) {
	f := lived(t)
	e := f.byState(Running)
	f.write(func(tx *Tx) error {
		if err := tx.SetRunRecord(e.ID, map[string]any{"said": "running"}); err != nil {
			return err
		}
		if _, err := tx.SetSignatureRule(Rule{ID: "r1", Project: project, Revision: 1, Content: []byte(`{"algorithm":1}`)}); err != nil {
			return err
		}
		_, err := tx.RecordTickRun(TickRun{Project: project, Kind: TickDiscovery, Reason: "work", Counters: map[string]int{"claimed": 1}})
		return err
	})
	if found := f.findings(); len(found) > 0 {
		t.Fatalf("before any damage: %q", found)
	}
	raw := f.raw()
	for _, text := range texts {
		var n int64
		unguarded(t, raw, text.table, func() {
			n = execRaw(t, raw, fmt.Sprintf("UPDATE %s SET %s = '[{'", text.table, text.column))
		})
		found := f.findings()
		want := fmt.Sprintf("its %s in table %s", text.column, text.table)
		if int64(len(found)) != min(n, maxFindings) || n == 0 || !strings.HasPrefix(found[0], "texts: ") || !strings.Contains(found[0], want) {
			t.Errorf("%d rows of %s were damaged, findings: %q, want %q", n, text.table, found, want)
		}
		unguarded(t, raw, text.table, func() {
			execRaw(t, raw, fmt.Sprintf("UPDATE %s SET %s = '{}'", text.table, text.column))
		})
	}
}

// unguarded does something to a table without its triggers.
func unguarded(t *testing.T, db *sql.DB, table string, do func()) {
	t.Helper()
	triggers := map[string]string{}
	rows, err := db.QueryContext(context.Background(), "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			t.Fatal(err)
		}
		triggers[name] = text
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range triggers {
		execRaw(t, db, "DROP TRIGGER "+name)
	}
	do()
	for _, text := range triggers {
		execRaw(t, db, text)
	}
}

func execRaw(t *testing.T, db *sql.DB, statement string) (rows int64) {
	t.Helper()
	res, err := db.ExecContext(context.Background(), statement)
	if err == nil {
		rows, err = res.RowsAffected()
	}
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return rows
}
