package archive

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"beampipe/vo/votable"
)

// uploadSchema is where ADQL finds uploaded tables (TAP 1.1 section 2.5), and the schema in memory
// that holds them.
const uploadSchema = "TAP_UPLOAD"

// uploaded is a table that came with a request, as the bytes of its VOTable.
type uploaded struct {
	name string
	raw  []byte
}

// readUploads reads UPLOAD=name,param:part;name,param:part, which may come several times.
func (a *Archive) readUploads(p parameters, sync bool) ([]uploaded, error) {
	var list []uploaded
	var size int64
	for _, pair := range strings.Split(strings.Join(p.values["UPLOAD"], ";"), ";") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		if a.options.Limits.NoUpload {
			return nil, refuse("UPLOAD is not supported by this service")
		}
		name, from, _ := strings.Cut(strings.TrimSpace(pair), ",")
		part, inline := strings.CutPrefix(from, "param:")
		raw, found := p.parts[part]
		switch {
		case !isRegular(name):
			return nil, refuse("UPLOAD %q: a table's name is letters, digits and _, a letter first", pair)
		case !inline:
			return nil, refuse("UPLOAD %q: only inline tables (%s,param:PART) are supported", pair, name)
		case !found:
			return nil, refuse("UPLOAD %q: the request has no part named %q", pair, part)
		case slices.ContainsFunc(list, func(u uploaded) bool { return strings.EqualFold(u.name, name) }):
			return nil, refuse("UPLOAD: two tables are named %s", name)
		case len(list) == maxUploads:
			return nil, refuse("UPLOAD: more than %d tables", maxUploads)
		}
		list = append(list, uploaded{name: name, raw: raw})
		size += int64(len(raw))
	}
	limit := a.options.Limits.UploadBytes
	if sync {
		limit = min(limit, a.options.Limits.SyncUploadBytes)
	}
	if size > limit {
		return nil, refuseTooLarge("the uploaded tables have %d bytes; the upload limit is %d bytes", size, limit)
	}
	return list, nil
}

// isRegular holds for a regular identifier of ADQL.
func isRegular(name string) bool {
	for i := range len(name) {
		if !isLetter(name[i]) && (i == 0 || !isDigit(name[i])) {
			return false
		}
	}
	return name != "" && name[0] != '_' && len(name) <= 128
}

// uploadedTables are ready to be asked, on a connection of their own.
type uploadedTables struct {
	conn    *sql.Conn
	columns map[string]string // by name in lower case: declared type; "" where tables differ
}

// load makes the tables in the memory of a new connection, which then can only be read. Closing the
// connection forgets them.
func (a *Archive) load(ctx context.Context, list []uploaded) (*uploadedTables, error) {
	conn, err := a.upload.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("make room for the uploaded tables: %w", err)
	}
	t := &uploadedTables{conn: conn, columns: map[string]string{}}
	room := a.options.Limits.uploadRows()
	for _, u := range list {
		n, err := t.add(ctx, u, room)
		if err != nil {
			var refused *refusal
			if errors.As(err, &refused) {
				err = &refusal{fmt.Sprintf("UPLOAD %s: %s", u.name, refused.why), refused.code}
			}
			return nil, errors.Join(err, t.close())
		}
		room -= n
	}
	if _, err := conn.ExecContext(ctx, cannotWrite); err != nil {
		return nil, errors.Join(fmt.Errorf("close the uploaded tables for writing: %w", err), t.close())
	}
	return t, nil
}

// add makes one table of at most room rows, and says how many it has.
func (t *uploadedTables) add(ctx context.Context, u uploaded, room int) (int, error) {
	reader, err := votable.NewReader(bytes.NewReader(u.raw), votable.Limits{Fields: maxUploadColumns})
	if err != nil {
		return 0, refuse("%s", err)
	}
	fields := reader.Fields()
	if len(fields) == 0 {
		return 0, refuse("the document has no table")
	}
	defs := make([]string, len(fields))
	for i, f := range fields {
		declared := declaredFor(f)
		defs[i] = quoted(f.Name) + " " + declared
		lower := strings.ToLower(f.Name)
		if before, known := t.columns[lower]; known && before != declared {
			declared = ""
		}
		t.columns[lower] = declared
	}
	name := uploadSchema + "." + quoted(u.name)
	if _, err := t.conn.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s (%s)", name, strings.Join(defs, ", "))); err != nil {
		return 0, queryFailed(err) // two columns of one name, or one without
	}
	return t.fill(ctx, reader, name, room)
}

// fill copies the rows in one transaction.
func (t *uploadedTables) fill(ctx context.Context, reader *votable.Reader, name string, room int) (n int, err error) {
	tx, err := t.conn.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("keep the uploaded rows: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	fields := reader.Fields()
	marks := strings.TrimSuffix(strings.Repeat("?, ", len(fields)), ", ")
	insert, err := tx.PrepareContext(ctx, fmt.Sprintf("INSERT INTO %s VALUES (%s)", name, marks))
	if err != nil {
		return 0, fmt.Errorf("keep the uploaded rows: %w", err)
	}
	defer insert.Close()
	row := make([]any, len(fields))
	for ; ; n++ {
		err := reader.Next(row)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, refuse("%s", err)
		}
		if n == room {
			return 0, refuseTooLarge("the uploaded tables have more rows than the upload limit allows (%d rows left for this table)", room)
		}
		texts := reader.Text()
		for i, v := range row {
			switch v.(type) {
			case nil, int64, float64, string:
			default: // booleans, complex numbers and arrays are kept as their text
				row[i] = texts[i]
			}
		}
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return 0, fmt.Errorf("keep the uploaded rows: %w", err)
		}
	}
	return n, tx.Commit()
}

// declaredFor gives the type of SQLite for a column of a VOTable.
func declaredFor(f votable.Field) string {
	scalar := f.Arraysize == "" || f.Arraysize == "1"
	switch strings.ToLower(f.Datatype) {
	case "unsignedbyte", "short", "int", "integer", "long":
		if scalar {
			return "BIGINT"
		}
	case "float", "double":
		if scalar {
			return "DOUBLE"
		}
	}
	return "TEXT"
}

// close ends the connection, and the tables with it. The pool would hand a good one on to the next
// request that waits, so it is told that this one is bad.
func (t *uploadedTables) close() error {
	err := t.conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// prefixed are the prefixColumns that are text in the uploaded tables too.
func (t *uploadedTables) prefixed() []string {
	return slices.DeleteFunc(prefixColumns(), func(name string) bool {
		declared, known := t.columns[name]
		return known && declared != "TEXT"
	})
}
