package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"beampipe/configs"
	"beampipe/discovery"
	"beampipe/fault"
	"beampipe/ledger"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

// What a query by hand gets where no project says otherwise. A person who waits can end it, and may read
// its rows slowly, so it has more time than a project's own questions have.
const (
	handTimeout = 10 * time.Minute
	handRetries = 1
)

// IsArchiveURL tells whether the name of an archive is its address.
func IsArchiveURL(name string) bool { return strings.Contains(name, "://") }

// archive gives the client for an archive, with its project's budget and credentials.
func (c *Local) archive(ctx context.Context, ref ArchiveRef) (*tap.Client, error) {
	if ref.Archive == "" {
		return nil, fault.New(fault.Invalid, "ask an archive: none is named", "name one of a project's adapters, casda or vizier, or give a URL")
	}
	if IsArchiveURL(ref.Archive) {
		return c.archiveAt(ref)
	}
	cfg := &configs.Project{Adapters: configs.Adapters{Tap: configs.Tap{Retries: handRetries}}}
	if ref.Project != "" {
		if err := c.needLedger(); err != nil {
			return nil, err
		}
		var err error
		if cfg, _, err = c.config(c.ledger.View(ctx), ref.Project); err != nil {
			return nil, err
		}
	}
	own := *cfg
	own.Adapters.Tap.TimeoutSeconds = max(own.Adapters.Tap.TimeoutSeconds, int(handTimeout.Seconds()))
	set := c.archives
	if ref.Project == "" {
		set = c.unkept(c.o.Archives)
	}
	client, err := set.Client(&own, ref.Archive)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "ask archive "+ref.Archive, knownArchives(cfg, c.o.Archives))
	}
	return client, nil
}

// archiveAt gives the client for an address. No project stands behind it: it gets no credentials.
func (c *Local) archiveAt(ref ArchiveRef) (*tap.Client, error) {
	if ref.Project != "" {
		return nil, fault.New(fault.Invalid, "ask an archive by its URL: a URL belongs to no project", "leave out the project, or give the archive's name in it")
	}
	u, err := url.Parse(ref.Archive)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		// The text is not shown: what stands before an @ may be a password.
		return nil, fault.New(fault.Invalid, "ask an archive by its URL: expected an http or https address with a host and without a password",
			"where a password is needed, give the archive a name in a project, with adapters.credentials")
	}
	name := u.Host
	cfg := &configs.Project{Adapters: configs.Adapters{Tap: configs.Tap{TimeoutSeconds: int(handTimeout.Seconds()), Retries: handRetries}}}
	return c.unkept(map[string]string{name: ref.Archive}).Client(cfg, name)
}

// unkept gives archives whose jobs end with the call: without a project nobody would go on with them.
func (c *Local) unkept(urls map[string]string) *discovery.ArchiveSet {
	return discovery.NewArchives(discovery.ArchiveOptions{Overrides: urls, Transport: c.o.Transport, Tape: c.o.Tape, Now: c.now})
}

// knownArchives says which names could be asked.
func knownArchives(cfg *configs.Project, urls map[string]string) string {
	names := []string{configs.AdapterCasda, configs.AdapterVizier}
	names = append(names, cfg.Adapters.Required...)
	for name := range cfg.Adapters.TapURL {
		names = append(names, name)
	}
	for name := range urls {
		names = append(names, name)
	}
	slices.Sort(names)
	return "names that are known here: " + strings.Join(slices.Compact(names), ", ") + "; or give a URL"
}

// QueryArchive implements Archives.
func (c *Local) QueryArchive(ctx context.Context, q ArchiveQuery, w io.Writer) (ArchiveAnswer, error) {
	if strings.TrimSpace(q.ADQL) == "" {
		return ArchiveAnswer{}, fault.New(fault.Invalid, "ask archive "+q.Archive+": the query is blank", "give it as ADQL, for example: SELECT TOP 5 * FROM TAP_SCHEMA.tables")
	}
	if q.MaxRec < 0 {
		return ArchiveAnswer{}, fault.New(fault.Invalid, fmt.Sprintf("ask archive %s: maxrec %d", q.Archive, q.MaxRec), "give a number above 0")
	}
	r := tap.Request{ADQL: q.ADQL, MaxRec: q.MaxRec}
	if q.Async {
		r.Mode = tap.Async
	}
	for _, u := range q.Uploads {
		upload, err := readUpload(u)
		if err != nil {
			return ArchiveAnswer{}, err
		}
		r.Uploads = append(r.Uploads, upload)
	}
	client, err := c.archive(ctx, q.ArchiveRef)
	if err != nil {
		return ArchiveAnswer{}, err
	}
	defer client.Close()
	answer := ArchiveAnswer{Archive: client.Name(), URL: client.URL()}
	begun := time.Now()
	err = answerTo(ctx, client, r, w, &answer)
	answer.At, answer.Took, answer.Requests = c.now(), time.Since(begun), client.Stats().Requests
	return answer, err
}

// answerTo writes an answer as a VOTable and counts it.
func answerTo(ctx context.Context, client *tap.Client, r tap.Request, w io.Writer, answer *ArchiveAnswer) error {
	var out *votable.Writer
	r.Begin = func(fields []votable.Field) {
		out, answer.Columns = votable.NewWriter(w, fields), len(fields)
	}
	err := client.RunEach(ctx, r, func(_ []votable.Field, cells []string) error {
		answer.Rows++
		return out.WriteText(cells)
	})
	switch {
	case out == nil:
		return err
	case errors.Is(err, votable.ErrOverflow):
		answer.Overflow = true
		return out.Close(votable.StatusOverflow, "")
	case err != nil && answer.Rows > 0:
		_ = out.Close(votable.StatusFailed, err.Error()) // the document says that it broke off, if it can still be written
		return err
	case err != nil:
		return err
	}
	return out.Close(votable.StatusOK, "")
}

// ArchiveCapabilities implements Archives.
func (c *Local) ArchiveCapabilities(ctx context.Context, q ArchiveRef) (ArchiveCapabilities, error) {
	client, err := c.archive(ctx, q)
	if err != nil {
		return ArchiveCapabilities{}, err
	}
	defer client.Close()
	answer := ArchiveCapabilities{Archive: client.Name(), URL: client.URL()}
	document, err := client.Capabilities(ctx)
	if err != nil {
		return answer, err
	}
	answer.Document = string(document)
	if answer.Limits, err = client.Limits(ctx); err != nil {
		return answer, err
	}
	answer.Available = true
	if err := client.Available(ctx); err != nil {
		if ctx.Err() != nil {
			return answer, err
		}
		answer.Available, answer.Unavailable = false, err.Error()
	}
	answer.At = c.now()
	return answer, nil
}

// ArchiveTables implements Archives.
func (c *Local) ArchiveTables(ctx context.Context, q ArchiveRef, table string) (ArchiveTables, error) {
	client, err := c.archive(ctx, q)
	if err != nil {
		return ArchiveTables{}, err
	}
	defer client.Close()
	answer := ArchiveTables{Archive: client.Name(), URL: client.URL(), Tables: []tap.SchemaTable{}}
	list, err := client.Tables(ctx)
	if err != nil {
		return answer, err
	}
	for _, t := range list {
		if table == "" || strings.EqualFold(plainName(t.Name), plainName(table)) {
			answer.Tables = append(answer.Tables, t)
		}
	}
	if len(answer.Tables) == 0 && table != "" {
		return answer, fault.New(fault.NotFound, fmt.Sprintf("ask %s for its tables: it lists no table %q", client.Name(), table),
			"see all: beampipe tap tables "+shellWord(q.Archive)+"\none that is not listed may be there all the same: beampipe tap query "+shellWord(q.Archive)+" 'SELECT * FROM TAP_SCHEMA.tables'")
	}
	answer.At = c.now()
	return answer, nil
}

// plainName takes the quotes of delimited identifiers off: who looks for a table need not type them.
func plainName(name string) string { return strings.ReplaceAll(name, `"`, "") }

// keptJobs gives those jobs of the ledger that are of an archive, in the order of their beginning.
func (c *Local) keptJobs(ctx context.Context, client *tap.Client, ref ArchiveRef) ([]ledger.ArchiveJob, error) {
	list := []ledger.ArchiveJob{}
	if c.ledger == nil {
		return list, nil
	}
	all, err := c.ledger.View(ctx).ArchiveJobs()
	for _, j := range all {
		named := j.Archive == ref.Archive && (ref.Project == "" || j.Project == ref.Project)
		if named || IsArchiveURL(ref.Archive) && sameHost(j.URL, client.URL()) {
			list = append(list, j)
		}
	}
	return list, err
}

func sameHost(a, b string) bool {
	first, err := url.Parse(a)
	second, failed := url.Parse(b)
	return err == nil && failed == nil && first.Host == second.Host
}
