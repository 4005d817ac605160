package archive

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"path/filepath"

	"modernc.org/sqlite"
)

// The files of an archive, one for each schema. Tables without a schema are in mainFile.
const mainFile = "vizier.db"

var schemaFiles = []struct{ schema, file string }{{"ivoa", "ivoa.db"}, {"casda", "casda.db"}}

// readers bounds the queries that run at the same time, of those without and of those with uploads.
const readers = 8

// purpose says what a connection is for.
type purpose int

const (
	writing purpose = iota
	reading
	uploading // with a schema TAP_UPLOAD in memory; it becomes a reading one once the tables are in it
)

// connect makes a pool of connections on which every schema is attached. ATTACH and LIKE's case
// belong to a connection, so a hook sets them on each that the pool opens.
func connect(dir string, p purpose) *sql.DB {
	own := new(sqlite.Driver)
	own.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, _ string) error {
		return prepareConn(conn, dir, p)
	})
	registerPrefix(own)
	// A quoted name that no column has must be an error, not a string: _dqs=0.
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, mainFile)), RawQuery: "_dqs=0&_busy_timeout=10000"}
	db := sql.OpenDB(connector{driver: own, dsn: dsn.String()})
	open, idle := readers, readers
	switch p {
	case writing:
		open, idle = 1, 1
	case uploading:
		idle = 0 // a connection ends with its request
	}
	db.SetMaxOpenConns(open)
	db.SetMaxIdleConns(idle)
	return db
}

func prepareConn(conn sqlite.ExecQuerierContext, dir string, p purpose) error {
	exec := func(query string, args ...driver.NamedValue) error {
		_, err := conn.ExecContext(context.Background(), query, args)
		return err
	}
	for _, s := range schemaFiles {
		path := filepath.Join(dir, s.file)
		if err := exec("ATTACH DATABASE ? AS "+s.schema, driver.NamedValue{Ordinal: 1, Value: path}); err != nil {
			return fmt.Errorf("attach %s: %w", path, err)
		}
	}
	if p == uploading {
		if err := exec("ATTACH DATABASE ':memory:' AS " + uploadSchema); err != nil {
			return fmt.Errorf("attach the uploads: %w", err)
		}
	}
	if err := exec("PRAGMA case_sensitive_like = ON"); err != nil {
		return err
	}
	if p == reading {
		return exec(cannotWrite)
	}
	return nil
}

// cannotWrite makes a connection one that changes nothing.
const cannotWrite = "PRAGMA query_only = ON"

// connector opens connections with a driver of the archive's own, so that its hook reaches no other
// database of the process.
type connector struct {
	driver *sqlite.Driver
	dsn    string
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.driver.Open(c.dsn)
}

func (c connector) Driver() driver.Driver { return c.driver }
