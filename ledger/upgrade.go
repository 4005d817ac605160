package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"beampipe/fault"
)

const (
	keptBackups  = 2           // copies from before an upgrade that are kept, the newest
	upgradeWait  = time.Minute // for another process that upgrades the same ledger
	upgradePause = 100 * time.Millisecond

	// upgrading stands behind the process number in the daemon's lock while no daemon but an upgrade holds it.
	upgrading = " upgrades"
)

// hasEvents tells whether there is anything in the ledger that could be lost.
func hasEvents(ctx context.Context, db *sql.DB, version int64) (there bool, err error) {
	if version == 0 {
		return false, nil
	}
	err = db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM provenance_events)").Scan(&there)
	return there, err
}

// upgrade brings a ledger with something in it to this program's schema: alone, after a copy was made, and
// checked afterwards. When that does not go well the ledger is brought back to what it was.
func upgrade(ctx context.Context, path string, o Options, db *sql.DB, provider *goose.Provider) error {
	pass := o.Pass
	if pass == nil {
		pass = func(string) {}
	}
	release, err := lockForUpgrade(ctx, path, o, provider)
	if err != nil {
		return err
	}
	defer release()
	have, want, err := versions(ctx, provider, false)
	if err != nil || have == want {
		return openError(path, err) // another process did it meanwhile
	}
	what := fmt.Sprintf("upgrade ledger %s from version %d to %d", path, have, want)
	// The migrations write into the write-ahead log what they change: in the worst case all of it.
	if err := needRoom(what, filepath.Dir(path), 2*databaseBytes(path)); err != nil {
		return err
	}
	copied, before, err := beforeUpgrade(ctx, db, path, want)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, what+": the copy that comes first was not made, the ledger is as it was", "")
	}
	pass("upgrade.backed_up")
	_, err = provider.Up(ctx)
	if err == nil {
		err = checkUpgraded(ctx, db, before)
	}
	if err != nil {
		return bringBack(context.WithoutCancel(ctx), path, what, copied, err)
	}
	pass("upgrade.migrated")
	forgetOldBackups(path)
	if o.Upgraded != nil {
		o.Upgraded(have, want, copied)
	}
	return nil
}

// lockForUpgrade takes the daemon's lock, unless the caller has it: a daemon of another version must not find
// its tables changed. Another upgrade is waited for, and release is then of nothing.
func lockForUpgrade(ctx context.Context, path string, o Options, provider *goose.Provider) (release func(), err error) {
	if o.Holding {
		return func() {}, nil
	}
	giveUp := time.Now().Add(upgradeWait)
	for {
		lock, err := LockDaemon(path)
		if err == nil {
			_, err = lock.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+upgrading+"\n"), 0)
			if err != nil {
				return nil, errors.Join(fault.Wrap(fault.Unavailable, err, "lock ledger "+path, ""), lock.Release())
			}
			return func() { lock.Release() }, nil //nolint:errcheck // the end of the process would release it as well
		}
		if !errors.Is(err, fault.Conflict) {
			return nil, err
		}
		have, want, versionErr := versions(ctx, provider, false)
		if versionErr == nil && have == want {
			return func() {}, nil
		}
		holder, _ := DaemonRuns(path)
		other, isUpgrade := strings.CutSuffix(holder, upgrading)
		what := fmt.Sprintf("open ledger %s: its schema is version %d, this program's is %d", path, have, want)
		switch {
		case holder != "" && !isUpgrade:
			return nil, fault.New(fault.Conflict, fmt.Sprintf("%s, and a daemon of another version runs on it (process %s)", what, holder),
				"use the beampipe that the daemon was started with, or stop the daemon and try again: the ledger is upgraded then")
		case time.Now().After(giveUp):
			return nil, fault.New(fault.Conflict, fmt.Sprintf("%s, and process %s has been upgrading it for more than %s", what, other, upgradeWait), "wait for that process")
		}
		select {
		case <-time.After(upgradePause):
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Unavailable, context.Cause(ctx), what+", and it is being upgraded", "")
		}
	}
}

// beforeUpgrade copies the ledger to <ledger>.before-v<N> and counts what is in it. A copy of that name is
// kept where the ledger is in the middle of an upgrade that was cut short: it shows the ledger before that.
func beforeUpgrade(ctx context.Context, db *sql.DB, path string, want int64) (copied string, before map[string]int64, err error) {
	copied = fmt.Sprintf("%s.before-v%d", path, want)
	if before, err = countTables(ctx, db); err != nil {
		return copied, nil, err
	}
	if begun, err := cutShort(ctx, db, copied); err != nil || begun {
		return copied, before, err
	}
	_, err = writeCopy(ctx, db, path, copied, nil, func(string) {})
	return copied, before, err
}

// cutShort tells whether a copy is of this very ledger, with the same last event and an earlier schema.
func cutShort(ctx context.Context, db *sql.DB, copied string) (bool, error) {
	if _, err := os.Stat(copied); errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	was, err := checkCopy(ctx, copied)
	if err != nil {
		return false, nil //nolint:nilerr // what is no good copy is replaced
	}
	head, err := headOn(ctx, db)
	if err != nil {
		return false, err
	}
	var have int64
	err = db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version").Scan(&have)
	return was.Head == head && was.SchemaVersion < have, err
}

// countTables gives the number of rows of every table.
func countTables(ctx context.Context, db *sql.DB) (map[string]int64, error) {
	v := View{ctx: ctx, q: db}
	var names []string
	if err := v.list("tables", "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", nil, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}); err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	for _, name := range names {
		var n int64
		if err := v.get("rows of "+name, `SELECT count(*) FROM "`+name+`"`, nil, &n); err != nil {
			return nil, err
		}
		counts[name] = n
	}
	return counts, nil
}

// checkUpgraded looks for what a migration must not do: damage pages, cut references, lose rows of a table
// that stays.
func checkUpgraded(ctx context.Context, db *sql.DB, before map[string]int64) error {
	if err := quickCheck(ctx, db); err != nil {
		return err
	}
	if err := checkReferences(ctx, db); err != nil {
		return err
	}
	after, err := countTables(ctx, db)
	if err != nil {
		return err
	}
	for name, n := range before {
		if now, there := after[name]; there && now < n {
			return fault.New(fault.Invalid, fmt.Sprintf("table %s had %d rows before and has %d after", name, n, now), "")
		}
	}
	return nil
}

// checkReferences is an Invalid error when rows refer to others that are not there.
func checkReferences(ctx context.Context, db *sql.DB) error {
	var table string
	err := db.QueryRowContext(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return fault.New(fault.Invalid, fmt.Sprintf("table %s has rows whose parents are gone", table), "")
}

// bringBack undoes a failed upgrade by writing the copy over the ledger, in one transaction. It leaves the
// ledger alone where somebody has written to it meanwhile.
func bringBack(ctx context.Context, path, what, copied string, cause error) error {
	kind := fault.KindOf(cause)
	if kind == "" {
		kind = fault.Invalid
	}
	db, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return notBroughtBack(kind, what, copied, cause, err)
	}
	defer db.Close()
	now, err := headOn(ctx, db)
	if err != nil {
		return notBroughtBack(kind, what, copied, cause, err)
	}
	was, err := checkCopy(ctx, copied)
	if err == nil && was.Head != now {
		err = fault.New(fault.Conflict, fmt.Sprintf("events were added since the copy was made (%d, then %d)", was.Head.Seq, now.Seq), "")
	}
	if err == nil {
		err = overwrite(ctx, db, copied)
	}
	if err != nil {
		return notBroughtBack(kind, what, copied, cause, err)
	}
	return fault.Wrap(kind, cause, fmt.Sprintf("%s did not go well; the ledger was brought back to version %d", what, was.SchemaVersion),
		"nothing is lost: go on with the beampipe that was used until now, and report this error")
}

func notBroughtBack(kind fault.Kind, what, copied string, cause, err error) error {
	return fault.Wrap(kind, errors.Join(cause, err), what+" did not go well, and the ledger was not brought back",
		"bring it back with the beampipe that was used until now: beampipe ledger restore "+copied+" --reason TEXT")
}

// overwrite writes a database over the one that db is open on, in one transaction: after a crash it is the
// one or the other.
func overwrite(ctx context.Context, db *sql.DB, from string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(interface {
			NewRestore(uri string) (*sqlite.Backup, error)
		})
		if !ok {
			return fmt.Errorf("%T cannot take a copy back", driverConn)
		}
		b, err := c.NewRestore(fileURI(from, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
		if err != nil {
			return err
		}
		giveUp := time.Now().Add(busyTimeout)
		for {
			_, err = b.Step(-1)
			if !isCode(err, sqlite3.SQLITE_BUSY) || time.Now().After(giveUp) {
				return errors.Join(err, b.Finish())
			}
			time.Sleep(openPause) // the step has waited for the lock already
		}
	})
}

var upgradeBackup = regexp.MustCompile(`\.before-v(\d+)$`)

// forgetOldBackups removes the oldest of the copies that upgrades have made. One that cannot be removed
// does no harm.
func forgetOldBackups(path string) {
	found, err := filepath.Glob(globEscape(path) + ".before-v*")
	if err != nil {
		return
	}
	var numbers []int
	for _, name := range found {
		if m := upgradeBackup.FindStringSubmatch(name); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers[:max(len(numbers)-keptBackups, 0)] {
		os.Remove(fmt.Sprintf("%s.before-v%d", path, n))
	}
}
