package archive

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The documents about jobs (UWS 1.1 appendix).

const (
	uwsSpace      = "http://www.ivoa.net/xml/UWS/v1.0"
	linkSpace     = "http://www.w3.org/1999/xlink"
	instanceSpace = "http://www.w3.org/2001/XMLSchema-instance"
)

type jobDoc struct {
	XMLName     xml.Name       `xml:"uws:job"`
	Version     string         `xml:"version,attr"`
	Space       string         `xml:"xmlns:uws,attr"`
	Link        string         `xml:"xmlns:xlink,attr"`
	Instance    string         `xml:"xmlns:xsi,attr"`
	ID          string         `xml:"uws:jobId"`
	RunID       string         `xml:"uws:runId,omitempty"`
	Owner       maybe          `xml:"uws:ownerId"`
	Phase       string         `xml:"uws:phase"`
	Quote       maybe          `xml:"uws:quote"`
	Created     maybe          `xml:"uws:creationTime"`
	Started     maybe          `xml:"uws:startTime"`
	Ended       maybe          `xml:"uws:endTime"`
	Duration    int            `xml:"uws:executionDuration"`
	Destruction maybe          `xml:"uws:destruction"`
	Parameters  []parameterDoc `xml:"uws:parameters>uws:parameter"`
	Results     []resultDoc    `xml:"uws:results>uws:result"`
	Error       *errorDoc      `xml:"uws:errorSummary"`
}

// maybe is a text that can be missing.
type maybe struct {
	Nil  string `xml:"xsi:nil,attr,omitempty"`
	Text string `xml:",chardata"`
}

type parameterDoc struct {
	ID   string `xml:"id,attr"`
	Text string `xml:",chardata"`
}

type resultDoc struct {
	ID   string `xml:"id,attr"`
	Link string `xml:"xlink:href,attr"`
	Type string `xml:"mime-type,attr"`
}

type errorDoc struct {
	Type      string `xml:"type,attr"`
	HasDetail bool   `xml:"hasDetail,attr"`
	Message   string `xml:"uws:message"`
}

type parametersDoc struct {
	XMLName xml.Name       `xml:"uws:parameters"`
	Space   string         `xml:"xmlns:uws,attr"`
	List    []parameterDoc `xml:"uws:parameter"`
}

type resultsDoc struct {
	XMLName xml.Name    `xml:"uws:results"`
	Space   string      `xml:"xmlns:uws,attr"`
	Link    string      `xml:"xmlns:xlink,attr"`
	List    []resultDoc `xml:"uws:result"`
}

type jobsDoc struct {
	XMLName  xml.Name `xml:"uws:jobs"`
	Version  string   `xml:"version,attr"`
	Space    string   `xml:"xmlns:uws,attr"`
	Link     string   `xml:"xmlns:xlink,attr"`
	Instance string   `xml:"xmlns:xsi,attr"`
	List     []jobRef `xml:"uws:jobref"`
}

type jobRef struct {
	ID      string `xml:"id,attr"`
	Link    string `xml:"xlink:href,attr"`
	Phase   string `xml:"uws:phase"`
	RunID   string `xml:"uws:runId,omitempty"`
	Owner   maybe  `xml:"uws:ownerId"`
	Created maybe  `xml:"uws:creationTime"`
}

// describe makes the document of a job that shows this phase. The caller holds the lock.
func describe(j *job, phase, jobsURL string) jobDoc {
	doc := jobDoc{
		Version: "1.1", Space: uwsSpace, Link: linkSpace, Instance: instanceSpace,
		ID: j.id, RunID: j.runID, Owner: maybeText(""), Phase: phase, Quote: maybeText(""),
		Created: maybeText(timeText(j.created)), Started: maybeText(timeText(j.started)), Ended: maybeText(timeText(j.ended)),
		Duration: int(j.duration / time.Second), Destruction: maybeText(timeText(j.destruction)),
		Parameters: parameterDocs(j), Results: resultDocs(j, jobsURL),
	}
	if j.words != "" {
		doc.Error = &errorDoc{Type: "fatal", HasDetail: true, Message: j.words}
	}
	return doc
}

func maybeText(text string) maybe {
	if text == "" {
		return maybe{Nil: "true"}
	}
	return maybe{Text: text}
}

// timeText writes a time as UWS has it, in UTC; "" for none.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// parameterDocs gives a job's parameters, uploads by the names of their parts.
func parameterDocs(j *job) []parameterDoc {
	var list []parameterDoc
	for _, name := range slices.Sorted(maps.Keys(j.params.values)) {
		if name == "PHASE" || name == "RUNID" {
			continue
		}
		for _, value := range j.params.values[name] {
			list = append(list, parameterDoc{ID: strings.ToLower(name), Text: value})
		}
	}
	return list
}

func resultDocs(j *job, jobsURL string) []resultDoc {
	if j.result == nil {
		return nil
	}
	return []resultDoc{{ID: "result", Link: jobsURL + "/" + j.id + "/results/result", Type: j.resultType}}
}

// serveJobs lists the jobs, oldest first: those in the PHASEs that are asked for, or all but the
// archived ones; those made after AFTER; of these the LAST ones (UWS 1.1 section 2.2.2.1).
func (a *Archive) serveJobs(w http.ResponseWriter, r *http.Request) {
	params, err := a.readParameters(w, r)
	if err != nil {
		serveError(w, err)
		return
	}
	last, after := -1, time.Time{}
	if v := params.get("LAST"); v != "" {
		if last, err = strconv.Atoi(v); err != nil || last < 1 {
			serveError(w, refuse("LAST %q is not a whole number of at least 1", v))
			return
		}
	}
	if v := params.get("AFTER"); v != "" {
		if after, err = time.Parse(time.RFC3339, v); err != nil {
			serveError(w, refuse("AFTER %q is not a time such as 2026-11-20T04:00:00Z", v))
			return
		}
	}
	doc := jobsDoc{Version: "1.1", Space: uwsSpace, Link: linkSpace, Instance: instanceSpace}
	doc.List = a.jobRefs(params.values["PHASE"], after, a.jobsURL(r))
	if last > 0 && len(doc.List) > last {
		doc.List = doc.List[len(doc.List)-last:]
	}
	serveXML(w, doc)
}

func (a *Archive) jobRefs(phases []string, after time.Time, jobsURL string) []jobRef {
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	a.jobs.destroyExpired(a.options.Now())
	var list []jobRef
	for _, j := range a.jobs.list {
		switch {
		case !j.created.After(after):
		case len(phases) == 0 && j.phase == phaseArchived:
		case len(phases) > 0 && !slices.Contains(phases, j.phase):
		default:
			list = append(list, jobRef{
				ID: j.id, Link: jobsURL + "/" + j.id, Phase: j.phase, RunID: j.runID,
				Owner: maybeText(""), Created: maybeText(timeText(j.created)),
			})
		}
	}
	return list
}
