package tap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"beampipe/fault"
	"beampipe/vo/votable"
)

// Mode says how a query is asked.
type Mode string

// The modes. Auto asks synchronously, and asynchronously where the archive's limits or its last
// answers say that it will be needed.
const (
	Auto  Mode = ""
	Sync  Mode = "sync"
	Async Mode = "async"
)

// Upload is a table that goes with a query, which names it TAP_UPLOAD.Name.
type Upload struct {
	Name   string // a regular ADQL identifier, at most 64 letters, digits and _; no parameter's name
	Fields []votable.Field
	Rows   [][]string // one text per field, null as ""
}

// Request is one query.
type Request struct {
	ADQL    string
	Uploads []Upload // at most MaxUploads, of at most MaxUploadBytes together
	MaxRec  int      // MAXREC; 0: Options.MaxRec
	Mode    Mode     // Auto: Options.Mode
	Key     string   // names the job in Options.Jobs; "": a digest of service, ADQL and uploads. Two requests of one Key must be the same

	// Begin is told the columns by RunEach before the first row, also where no row comes. When the query
	// is tried again it is told again. nil: nobody is.
	Begin func(fields []votable.Field)
}

// The bounds of a Request.
const (
	MaxUploads     = 16
	MaxUploadBytes = 64 << 20
)

// question is a Request that was checked, and what happened to it so far.
type question struct {
	adql     string
	uploads  []upload
	size     int64 // bytes of the uploads
	rows     int64 // of the uploads
	mode     Mode  // as wished
	raise    bool  // an OVERFLOW asks again with a higher maxRec
	maxRec   int
	key      string
	attempts int

	forced  Mode   // what was found to be needed; Auto: nothing yet
	used    Mode   // of the last attempt
	looked  bool   // Jobs was asked
	job     string // URL of the job that runs
	resumed bool   // the job is one of an earlier process
}

// upload is a table as it is sent.
type upload struct {
	name string
	body []byte
}

// regular is a regular identifier of ADQL 2.0.
var regular = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// parameters are the names that an uploaded table must not have: the part that holds it is named
// like it, and names of parameters have no case.
var parameters = map[string]bool{
	"REQUEST": true, "LANG": true, "QUERY": true, "FORMAT": true, "RESPONSEFORMAT": true, "MAXREC": true,
	"UPLOAD": true, "PHASE": true, "RUNID": true, "VERSION": true, "WAIT": true, "ACTION": true,
}

// question checks a Request.
func (c *Client) question(r Request, raise bool) (*question, error) {
	q := &question{adql: r.ADQL, mode: r.Mode, maxRec: r.MaxRec, key: r.Key, raise: raise}
	if q.mode == Auto {
		q.mode = c.options.Mode
	}
	if q.maxRec == 0 {
		q.maxRec = c.options.MaxRec
	}
	invalid := func(format string, args ...any) error {
		return fault.New(fault.Invalid, fmt.Sprintf("query %s: ", c.Name())+fmt.Sprintf(format, args...), "correct the request")
	}
	if err := checkMode(q.mode); err != nil {
		return nil, invalid("%s", err)
	}
	if q.maxRec < 0 {
		return nil, invalid("MAXREC %d is negative", q.maxRec)
	}
	if len(r.Uploads) > MaxUploads {
		return nil, invalid("%d uploads; at most %d", len(r.Uploads), MaxUploads)
	}
	seen := map[string]bool{}
	for _, u := range r.Uploads {
		upper := strings.ToUpper(u.Name)
		switch {
		case !regular.MatchString(u.Name):
			return nil, invalid("upload %q: a table's name is a letter and then letters, digits and _, at most 64", u.Name)
		case parameters[upper]:
			return nil, invalid("upload %q has the name of a parameter", u.Name)
		case seen[upper]:
			return nil, invalid("two uploads are named %q", u.Name)
		}
		seen[upper] = true
		body, err := encodeUpload(u, MaxUploadBytes-q.size)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("query %s: upload %q", c.Name(), u.Name), "correct the uploaded table")
		}
		q.uploads = append(q.uploads, upload{name: u.Name, body: body})
		q.size += int64(len(body))
		q.rows += int64(len(u.Rows))
	}
	if q.key == "" {
		q.key = q.digest(c.base)
	}
	return q, nil
}

func checkMode(m Mode) error {
	switch m {
	case Auto, Sync, Async:
		return nil
	}
	return fmt.Errorf("mode %q is none of \"\" (auto), sync and async", string(m))
}

// encodeUpload writes a table as a VOTable of at most limit bytes.
func encodeUpload(u Upload, limit int64) ([]byte, error) {
	if len(u.Fields) == 0 {
		return nil, errors.New("it has no columns")
	}
	var out bytes.Buffer
	w := votable.NewWriter(&out, u.Fields)
	for i, row := range u.Rows {
		if err := w.WriteText(row); err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		if int64(out.Len()) > limit {
			return nil, fmt.Errorf("row %d: the uploads are longer than %d bytes: %w", i+1, int64(MaxUploadBytes), ErrTooLarge)
		}
	}
	if err := w.Close(votable.StatusOK, ""); err != nil {
		return nil, err
	}
	if int64(out.Len()) > limit {
		return nil, fmt.Errorf("the uploads are longer than %d bytes: %w", int64(MaxUploadBytes), ErrTooLarge)
	}
	return out.Bytes(), nil
}

// digest names a question: the same service, ADQL and uploads have the same one.
func (q *question) digest(base string) string {
	h := sha256.New()
	part := func(text []byte) {
		fmt.Fprintf(h, "%d:", len(text)) // a hash takes everything
		h.Write(text)
	}
	part([]byte(base))
	part([]byte(q.adql))
	for _, u := range q.uploads {
		part([]byte(u.name))
		part(u.body)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// The formats that are asked for. What "application/x-votable+xml" alone gives is the service's
// choice, commonly BINARY; some refuse the name serialization=BINARY.
const (
	tableData = "application/x-votable+xml;serialization=TABLEDATA"
	binary    = "application/x-votable+xml"
	binary2   = "application/x-votable+xml;serialization=BINARY2"
)

const formContent = "application/x-www-form-urlencoded"

// form gives the parameters of a question and how they are encoded. The same question has the same
// bytes.
func (q *question) form(s votable.Serialization) (contentType string, body []byte, err error) {
	format := tableData
	switch s {
	case votable.Binary:
		format = binary
	case votable.Binary2:
		format = binary2
	}
	params := [][2]string{
		{"REQUEST", "doQuery"},
		{"LANG", "ADQL"},
		{"FORMAT", format},         // TAP 1.0
		{"RESPONSEFORMAT", format}, // TAP 1.1
		{"MAXREC", strconv.Itoa(q.maxRec)},
		{"QUERY", q.adql},
	}
	if len(q.uploads) == 0 {
		form := url.Values{}
		for _, p := range params {
			form.Set(p[0], p[1])
		}
		return formContent, []byte(form.Encode()), nil
	}
	// One UPLOAD for each table (TAP 1.1 section 2.7.6): not every service takes 1.0's list.
	for _, u := range q.uploads {
		params = append(params, [2]string{"UPLOAD", u.name + ",param:" + u.name})
	}
	return q.multipart(params)
}

// multipart encodes parameters and uploads. The boundary is a digest of what it divides, so that it
// is the same again and cannot be in it.
func (q *question) multipart(params [][2]string) (contentType string, body []byte, err error) {
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	if err := w.SetBoundary("beampipe-" + q.digest("boundary")[:32]); err != nil {
		return "", nil, err
	}
	for _, p := range params {
		if err := w.WriteField(p[0], p[1]); err != nil {
			return "", nil, err
		}
	}
	for _, u := range q.uploads {
		part, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s.vot"`, u.name, u.name)},
			"Content-Type":        {"application/x-votable+xml"},
		})
		if err != nil {
			return "", nil, err
		}
		if _, err := io.Copy(part, bytes.NewReader(u.body)); err != nil {
			return "", nil, err
		}
	}
	if err := w.Close(); err != nil {
		return "", nil, err
	}
	return w.FormDataContentType(), out.Bytes(), nil
}
