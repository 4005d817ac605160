package uws

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"beampipe/fault"
)

// How long a document may be, in bytes.
const (
	MaxJobBytes  = 8 << 20 // one job: its query is among its parameters
	MaxListBytes = 32 << 20
)

const tryDocument = "check that the address is that of a UWS service; it may also be down for maintenance"

// ReadJob reads a job document. One that is longer than MaxJobBytes, is not well-formed, or is not
// a job is fault.Unavailable, with how it begins.
func ReadJob(r io.Reader) (Job, error) {
	var doc jobDoc
	if err := Decode(r, MaxJobBytes, "job", &doc); err != nil {
		return Job{}, err
	}
	if doc.Phase.text() == "" {
		return Job{}, fault.New(fault.Unavailable, "read a job document: it has no phase", tryDocument)
	}
	return doc.job(), nil
}

// ReadJobs reads a list of jobs, at most MaxListBytes. Errors are those of ReadJob.
func ReadJobs(r io.Reader) ([]JobRef, error) {
	var doc struct {
		Refs []struct {
			ID      string  `xml:"id,attr"`
			Href    string  `xml:"href,attr"`
			Phase   element `xml:"phase"`
			RunID   element `xml:"runId"`
			Created element `xml:"creationTime"`
		} `xml:"jobref"`
	}
	if err := Decode(r, MaxListBytes, "jobs", &doc); err != nil {
		return nil, err
	}
	refs := make([]JobRef, 0, len(doc.Refs))
	for _, d := range doc.Refs {
		refs = append(refs, JobRef{
			ID: strings.TrimSpace(d.ID), URL: strings.TrimSpace(d.Href), RunID: d.RunID.text(),
			Phase: readPhase(d.Phase.text()), Created: readTime(d.Created),
		})
	}
	return refs, nil
}

// element is one that may be xsi:nil.
type element struct {
	Nil   string `xml:"http://www.w3.org/2001/XMLSchema-instance nil,attr"`
	Value string `xml:",chardata"`
}

func (e element) text() string {
	if n := strings.TrimSpace(e.Nil); n == "true" || n == "1" {
		return ""
	}
	return strings.TrimSpace(e.Value)
}

// jobDoc is a job document. Names are looked for in any namespace: services differ in the version
// that theirs names.
type jobDoc struct {
	ID          element `xml:"jobId"`
	RunID       element `xml:"runId"`
	Owner       element `xml:"ownerId"`
	Phase       element `xml:"phase"`
	Quote       element `xml:"quote"`
	Created     element `xml:"creationTime"`
	Started     element `xml:"startTime"`
	Ended       element `xml:"endTime"`
	Duration    element `xml:"executionDuration"`
	Destruction element `xml:"destruction"`
	Parameters  []struct {
		ID          string `xml:"id,attr"`
		ByReference string `xml:"byReference,attr"`
		Value       string `xml:",chardata"`
	} `xml:"parameters>parameter"`
	Results []struct {
		ID   string `xml:"id,attr"`
		Href string `xml:"href,attr"`
		MIME string `xml:"mime-type,attr"`
		Size string `xml:"size,attr"`
	} `xml:"results>result"`
	Error struct {
		HasDetail string  `xml:"hasDetail,attr"`
		Message   element `xml:"message"`
	} `xml:"errorSummary"`
}

func (d *jobDoc) job() Job {
	j := Job{
		ID: d.ID.text(), RunID: d.RunID.text(), Owner: d.Owner.text(), Phase: readPhase(d.Phase.text()),
		Created: readTime(d.Created), Started: readTime(d.Started), Ended: readTime(d.Ended),
		Destruction: readTime(d.Destruction), Quote: readTime(d.Quote), ExecutionDuration: readSeconds(d.Duration),
		Error: d.Error.Message.text(), ErrorDetail: readBool(d.Error.HasDetail),
	}
	for _, p := range d.Parameters {
		j.Parameters = append(j.Parameters, Parameter{ID: strings.TrimSpace(p.ID), Value: p.Value, ByReference: readBool(p.ByReference)})
	}
	for _, r := range d.Results {
		size, err := strconv.ParseInt(strings.TrimSpace(r.Size), 10, 64)
		if err != nil || size < 0 {
			size = 0
		}
		j.Results = append(j.Results, Result{ID: strings.TrimSpace(r.ID), Href: strings.TrimSpace(r.Href), MIMEType: strings.TrimSpace(r.MIME), Size: size})
	}
	return j
}

func readBool(text string) bool {
	text = strings.TrimSpace(text)
	return text == "true" || text == "1"
}

func readPhase(text string) Phase {
	switch p := Phase(strings.ToUpper(text)); p {
	case Pending, Queued, Executing, Completed, Error, Aborted, Held, Suspended, Archived:
		return p
	}
	return Unknown
}

// timeLayouts are how services write times. One without a zone is UTC (UWS 1.1 section 2.1).
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"}

func readTime(e element) *time.Time {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, e.text()); err == nil {
			t = t.UTC()
			return &t
		}
	}
	return nil
}

// readSeconds reads a duration; what is no positive number of at most 100 years is 0.
func readSeconds(e element) time.Duration {
	const most = 100 * 365 * 24 * 3600
	seconds, err := strconv.ParseFloat(e.text(), 64)
	if err != nil || !(seconds > 0 && seconds <= most) {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// Decode reads a small XML document of the Virtual Observatory (UWS, VOSI) whose root element has a
// local name, of at most limit bytes, into a value with tags of encoding/xml. Errors are
// fault.Unavailable: an answer that is no such document tells nothing.
func Decode(r io.Reader, limit int64, root string, into any) error {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	what := fmt.Sprintf("read a %s document", root)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, what, "nothing is known; ask again")
	}
	if int64(len(raw)) > limit {
		return fault.New(fault.Unavailable, fmt.Sprintf("%s: it is longer than %d bytes", what, limit), tryDocument)
	}
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.CharsetReader = charset
	start, err := firstElement(d)
	if err == nil && start.Name.Local != root {
		return fault.New(fault.Unavailable, fmt.Sprintf("%s: it is something else: %s", what, Words(raw)), tryDocument)
	}
	if err == nil {
		err = d.DecodeElement(into, &start)
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, fmt.Sprintf("%s that begins: %s", what, clip(oneLine(string(raw)), 80)), tryDocument)
	}
	return nil
}

func firstElement(d *xml.Decoder) (xml.StartElement, error) {
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return xml.StartElement{}, io.ErrUnexpectedEOF
		}
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := token.(xml.StartElement); ok {
			return start, nil
		}
	}
}

// charset lets documents be in Latin-1 besides UTF-8.
func charset(label string, input io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "us-ascii", "ascii":
		return input, nil
	case "iso-8859-1", "latin1", "latin-1":
	default:
		return nil, fmt.Errorf("unsupported encoding %q", label)
	}
	raw, err := io.ReadAll(input) // bounded by Decode
	if err != nil {
		return nil, err
	}
	runes := make([]rune, len(raw))
	for i, b := range raw {
		runes[i] = rune(b)
	}
	return strings.NewReader(string(runes)), nil
}
