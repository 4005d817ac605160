package tap

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/vo/uws"
)

// Limit is a size that an archive advertises. 0 is not said.
type Limit struct {
	Default int64  `json:"default,omitempty"`
	Hard    int64  `json:"hard,omitempty"`
	Unit    string `json:"unit,omitempty"` // "row" or "byte"
}

// TimeLimit is a time that an archive advertises. 0 is not said.
type TimeLimit struct {
	Default time.Duration `json:"default,omitempty"`
	Hard    time.Duration `json:"hard,omitempty"`
}

// ModeLimits are those of one mode.
type ModeLimits struct {
	Output            Limit     `json:"output"` // of an answer
	Uploads           Limit     `json:"uploads"`
	ExecutionDuration TimeLimit `json:"execution_duration"` // how long a query may run
	Retention         TimeLimit `json:"retention"`          // how long a job is kept
}

// Limits is what an archive's capabilities say about its TAP service (TAPRegExt 1.0 and 1.1). What
// they do not say is zero: parts are missing in practice, and a limit can be lower than advertised.
type Limits struct {
	TAP       bool       `json:"tap"`    // there is a TAP capability; otherwise nothing else is known
	Async     bool       `json:"async"`  // jobs are offered; TAP says always, so true unless the interfaces listed say otherwise
	Upload    bool       `json:"upload"` // inline VOTable uploads are offered
	Sync      ModeLimits `json:"sync_limits"`
	AsyncJobs ModeLimits `json:"async_limits"`
	Languages []string   `json:"languages,omitempty"` // "ADQL-2.0"
	Functions []string   `json:"functions,omitempty"` // of the archive's own, as it declares them
	Features  []string   `json:"features,omitempty"`  // optional ones of ADQL, such as "adqlgeo POINT"
	Formats   []string   `json:"formats,omitempty"`   // MIME types of answers
	ReadAt    time.Time  `json:"read_at"`
}

// Of gives the limits of a mode; those of Auto are Sync's.
func (l Limits) Of(m Mode) ModeLimits {
	if m == Async {
		return l.AsyncJobs
	}
	return l.Sync
}

// Limits reads the archive's capabilities, at most once in DocumentFresh. Errors are
// fault.Unavailable.
func (c *Client) Limits(ctx context.Context) (Limits, error) {
	return c.limits.get(ctx, c.options.Now, func(ctx context.Context) (Limits, error) {
		raw, err := c.Capabilities(ctx)
		if err != nil {
			return Limits{}, err
		}
		l, err := readLimits(raw)
		if err != nil {
			return Limits{}, fault.Wrap(fault.Unavailable, err, fmt.Sprintf("ask %s (%s/capabilities)", c.Name(), c.base), c.tryAddress())
		}
		l.ReadAt = c.options.Now().UTC()
		return l, nil
	})
}

// capabilitiesDoc is the part of a capabilities document that is looked at.
type capabilitiesDoc struct {
	Capabilities []capability `xml:"capability"`
}

type capability struct {
	StandardID string `xml:"standardID,attr"`
	Interfaces []struct {
		Type      string `xml:"http://www.w3.org/2001/XMLSchema-instance type,attr"`
		AccessURL []struct {
			Use string `xml:"use,attr"`
			URL string `xml:",chardata"`
		} `xml:"accessURL"`
	} `xml:"interface"`
	Languages []struct {
		Name     string    `xml:"name"`
		Versions []string  `xml:"version"`
		Features []feature `xml:"languageFeatures"`
	} `xml:"language"`
	Formats []struct {
		MIME string `xml:"mime"`
	} `xml:"outputFormat"`
	Uploads []struct {
		ID string `xml:"ivo-id,attr"`
	} `xml:"uploadMethod"`
	Retention []modeLimit `xml:"retentionPeriod"`
	Execution []modeLimit `xml:"executionDuration"`
	Output    []modeLimit `xml:"outputLimit"`
	Upload    []modeLimit `xml:"uploadLimit"`
}

type feature struct {
	Type  string   `xml:"type,attr"`
	Forms []string `xml:"feature>form"`
}

type modeLimit struct {
	ForMode string     `xml:"forMode,attr"` // TAPRegExt 1.1; "" is for both
	Default limitValue `xml:"default"`
	Hard    limitValue `xml:"hard"`
}

type limitValue struct {
	Unit  string `xml:"unit,attr"`
	Value string `xml:",chardata"`
}

// readCapabilities reads a capabilities document (VOSI 1.1).
func readCapabilities(raw []byte) (capabilitiesDoc, error) {
	var doc capabilitiesDoc
	err := uws.Decode(bytes.NewReader(raw), maxVOSIBytes, "capabilities", &doc)
	return doc, err
}

// The names by which capabilities are known. They are compared in lower case, a version may follow.
const (
	tapStandard    = "ivo://ivoa.net/std/tap"
	tablesStandard = "ivo://ivoa.net/std/vosi#tables"
	inlineUpload   = "#upload-inline"
	functionsType  = "#features-udf"
)

// readLimits reads the limits of the first TAP capability.
func readLimits(raw []byte) (Limits, error) {
	doc, err := readCapabilities(raw)
	if err != nil {
		return Limits{}, err
	}
	for i := range doc.Capabilities {
		id := strings.ToLower(strings.TrimSpace(doc.Capabilities[i].StandardID))
		if id == tapStandard || strings.HasPrefix(id, tapStandard+"#") {
			return doc.Capabilities[i].limits(), nil
		}
	}
	return Limits{}, nil
}

func (c *capability) limits() Limits {
	l := Limits{TAP: true, Async: c.offersAsync()}
	for _, u := range c.Uploads {
		l.Upload = l.Upload || strings.HasSuffix(strings.ToLower(strings.TrimSpace(u.ID)), inlineUpload)
	}
	for _, f := range c.Formats {
		if mime := strings.TrimSpace(f.MIME); mime != "" {
			l.Formats = append(l.Formats, mime)
		}
	}
	for _, lang := range c.Languages {
		name := strings.TrimSpace(lang.Name)
		for _, version := range lang.Versions {
			l.Languages = append(l.Languages, name+"-"+strings.TrimSpace(version))
		}
		if len(lang.Versions) == 0 && name != "" {
			l.Languages = append(l.Languages, name)
		}
		for _, f := range lang.Features {
			l.addFeatures(f)
		}
	}
	for mode, to := range map[string]*ModeLimits{"sync": &l.Sync, "async": &l.AsyncJobs} {
		to.Output, to.Uploads = sizeFor(c.Output, mode, "row"), sizeFor(c.Upload, mode, "byte")
		to.ExecutionDuration, to.Retention = timeFor(c.Execution, mode), timeFor(c.Retention, mode)
	}
	return l
}

func (l *Limits) addFeatures(f feature) {
	for _, form := range f.Forms {
		form = strings.Join(strings.Fields(form), " ")
		if strings.HasSuffix(strings.ToLower(strings.TrimSpace(f.Type)), functionsType) {
			l.Functions = append(l.Functions, form)
			continue
		}
		_, kind, _ := strings.Cut(f.Type, "#features-")
		l.Features = append(l.Features, strings.TrimSpace(kind+" "+form))
	}
}

// offersAsync holds unless the interfaces are typed one by one and none is for jobs.
func (c *capability) offersAsync() bool {
	typed := false
	for _, i := range c.Interfaces {
		_, kind, _ := strings.Cut(i.Type, ":")
		switch strings.ToLower(kind) {
		case "async":
			return true
		case "sync":
			typed = true
		}
	}
	return !typed
}

// forMode gives the limit that is for a mode alone, else the one for both.
func forMode(list []modeLimit, mode string) modeLimit {
	var both modeLimit
	for _, l := range list {
		switch strings.ToLower(strings.TrimSpace(l.ForMode)) {
		case mode:
			return l
		case "":
			both = l
		}
	}
	return both
}

func sizeFor(list []modeLimit, mode, usualUnit string) Limit {
	m := forMode(list, mode)
	l := Limit{Default: m.Default.number(), Hard: m.Hard.number(), Unit: usualUnit}
	if l.Default == 0 && l.Hard == 0 {
		return Limit{}
	}
	for _, v := range []limitValue{m.Default, m.Hard} {
		if unit := strings.ToLower(strings.TrimSpace(v.Unit)); unit == "row" || unit == "byte" {
			l.Unit = unit
		}
	}
	return l
}

func timeFor(list []modeLimit, mode string) TimeLimit {
	m := forMode(list, mode)
	return TimeLimit{Default: m.Default.seconds(), Hard: m.Hard.seconds()}
}

// number reads a limit; what is no positive number is 0, not said.
func (v limitValue) number() int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(v.Value), 10, 64)
	if err != nil {
		return 0
	}
	return max(n, 0)
}

func (v limitValue) seconds() time.Duration {
	const most = 100 * 365 * 24 * 3600
	return time.Duration(min(v.number(), most)) * time.Second
}

// accessURL gives where a capability is, "" where the document does not say.
func (d capabilitiesDoc) accessURL(standard string) string {
	for _, c := range d.Capabilities {
		id := strings.ToLower(strings.TrimSpace(c.StandardID))
		if id != standard && !strings.HasPrefix(id, standard+"-") {
			continue
		}
		for _, i := range c.Interfaces {
			for _, a := range i.AccessURL {
				if u := strings.TrimSpace(a.URL); u != "" {
					return u
				}
			}
		}
	}
	return ""
}
