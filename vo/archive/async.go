package archive

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The resources of asynchronous jobs (TAP 1.1 section 2, UWS 1.1 section 2.2.2).

const (
	jobsPath      = "/tap/async"
	elsewherePath = "/run/async" // of jobs, with Options.Elsewhere
)

func (a *Archive) handleAsync(mux *http.ServeMux) {
	for _, path := range []string{jobsPath, elsewherePath} {
		mux.HandleFunc("POST "+path, a.createJob)
		mux.HandleFunc("GET "+path, a.serveJobs)
		mux.HandleFunc("GET "+path+"/{id}", a.serveJob)
		mux.HandleFunc("POST "+path+"/{id}", a.postJob)
		mux.HandleFunc("DELETE "+path+"/{id}", a.deleteJob)
		mux.HandleFunc("GET "+path+"/{id}/{part}", a.serveJobPart)
		mux.HandleFunc("POST "+path+"/{id}/{part}", a.postJobPart)
		mux.HandleFunc("GET "+path+"/{id}/results/result", a.serveResult)
	}
	for _, path := range []string{"/files/{id}", "/tap/files/{id}"} {
		mux.HandleFunc("GET "+path, a.serveFile)
	}
}

// jobsURL is where the jobs are, for the client of this request.
func (a *Archive) jobsURL(r *http.Request) string {
	if a.options.Elsewhere {
		return rootOf(r) + elsewherePath
	}
	return rootOf(r) + jobsPath
}

func redirect(w http.ResponseWriter, url string) {
	w.Header().Set("Location", url)
	w.WriteHeader(http.StatusSeeOther)
}

func refuseBusy(format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), http.StatusServiceUnavailable}
}

func noSuchJob(id string) error {
	return &refusal{fmt.Sprintf("there is no job %.80q", id), http.StatusNotFound}
}

// createJob makes a job, which waits in PENDING until it is told to run.
func (a *Archive) createJob(w http.ResponseWriter, r *http.Request) {
	params, err := a.readParameters(w, r)
	if err != nil {
		serveError(w, err)
		return
	}
	m := a.trouble.next(params, true)
	if m.spoilRequest(w) {
		return
	}
	if _, err := a.readUploads(params, false); err != nil {
		serveError(w, err)
		return
	}
	now := a.options.Now()
	j := &job{
		id: a.options.NewID(), runID: params.get("RUNID"), params: params, phase: phasePending, spoilt: m,
		created: now, destruction: now.Add(a.options.Limits.Retention), duration: a.options.Limits.ExecutionDuration,
	}
	if err := a.jobs.add(j, a.options.Limits.Jobs); err != nil {
		serveError(w, err)
		return
	}
	if a.options.RunAtCreate && strings.EqualFold(params.get("PHASE"), "RUN") {
		a.jobs.mu.Lock()
		a.run(j)
		a.jobs.mu.Unlock()
	}
	redirect(w, a.jobsURL(r)+"/"+j.id)
}

// withJob gives the job of a request to f, under the lock, and answers with f's error.
func (a *Archive) withJob(w http.ResponseWriter, r *http.Request, f func(j *job) error) bool {
	id := r.PathValue("id")
	a.jobs.mu.Lock()
	j := a.jobs.find(id, a.options.Now())
	err := noSuchJob(id)
	if j != nil {
		err = f(j)
	}
	a.jobs.mu.Unlock()
	if err != nil {
		serveError(w, err)
	}
	return err == nil
}

// serveJob describes a job. With WAIT it does so when the phase changes, or after that time.
func (a *Archive) serveJob(w http.ResponseWriter, r *http.Request) {
	if !a.awaitJob(w, r) {
		return
	}
	var doc jobDoc
	if a.withJob(w, r, func(j *job) error {
		doc = describe(j, a.seen(j), a.jobsURL(r))
		return nil
	}) {
		serveXML(w, doc)
	}
}

// awaitJob blocks as WAIT and PHASE ask (UWS 1.1 section 2.2.1.2): while the job is in an active
// phase, and in PHASE where that is given. It reports whether the request goes on.
func (a *Archive) awaitJob(w http.ResponseWriter, r *http.Request) bool {
	params, err := a.readParameters(w, r)
	if err == nil && params.get("WAIT") == "" {
		return true
	}
	var wait time.Duration
	if err == nil {
		wait, err = readWait(params.get("WAIT"))
	}
	if err != nil {
		serveError(w, err)
		return false
	}
	var changed chan struct{}
	if !a.withJob(w, r, func(j *job) error {
		seen := params.get("PHASE")
		hidden := j.spoilt.Kind == JobUnknown && j.reads > 0
		if active(j.phase) && !hidden && (seen == "" || seen == j.phase) {
			changed = j.changed
		}
		return nil
	}) {
		return false
	}
	if changed == nil {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
		return false
	case <-a.jobs.ctx.Done():
	case <-changed:
	case <-timer.C:
	}
	return true
}

func readWait(text string) (time.Duration, error) {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < -1:
		return 0, refuse("WAIT %q is not a number of seconds, or -1", text)
	case n == -1 || n > int(longestWait/time.Second):
		return longestWait, nil
	}
	return time.Duration(n) * time.Second, nil
}

// serveJobPart gives one of the things that are in a job.
func (a *Archive) serveJobPart(w http.ResponseWriter, r *http.Request) {
	part := r.PathValue("part")
	if part == "phase" && !a.awaitJob(w, r) {
		return
	}
	var answer func()
	if a.withJob(w, r, func(j *job) error {
		text := func(s string) { answer = func() { serveDocument(w, "text/plain", strings.NewReader(s)) } }
		switch part {
		case "phase":
			text(a.seen(j))
		case "executionduration":
			text(strconv.Itoa(int(j.duration / time.Second)))
		case "destruction":
			text(timeText(j.destruction))
		case "quote", "owner":
			text("")
		case "error":
			answer = func() { serveDocument(w, "text/plain", http.NoBody) }
			if words := j.words; words != "" {
				answer = func() { serveErrorDocument(w, http.StatusOK, words) }
			}
		case "parameters":
			doc := parametersDoc{Space: uwsSpace, List: parameterDocs(j)}
			answer = func() { serveXML(w, doc) }
		case "results":
			doc := resultsDoc{Space: uwsSpace, Link: linkSpace, List: resultDocs(j, a.jobsURL(r))}
			answer = func() { serveXML(w, doc) }
		default:
			return &refusal{fmt.Sprintf("a job has no %.80q", part), http.StatusNotFound}
		}
		return nil
	}) {
		answer()
	}
}

// postJob deletes a job for clients that can only POST.
func (a *Archive) postJob(w http.ResponseWriter, r *http.Request) {
	params, err := a.readParameters(w, r)
	if err == nil && params.get("ACTION") != "DELETE" {
		err = refuse("ACTION %q is not supported; expected DELETE", params.get("ACTION"))
	}
	if err != nil {
		serveError(w, err)
		return
	}
	a.deleteJob(w, r)
}

// deleteJob stops and forgets a job; the answer leads to the list of jobs.
func (a *Archive) deleteJob(w http.ResponseWriter, r *http.Request) {
	if a.withJob(w, r, func(j *job) error {
		a.jobs.destroy(j)
		return nil
	}) {
		redirect(w, a.jobsURL(r))
	}
}

// postJobPart changes a job; the answer leads to it.
func (a *Archive) postJobPart(w http.ResponseWriter, r *http.Request) {
	params, err := a.readParameters(w, r)
	if err != nil {
		serveError(w, err)
		return
	}
	if a.withJob(w, r, func(j *job) error { return a.change(j, r.PathValue("part"), params) }) {
		redirect(w, a.jobsURL(r)+"/"+r.PathValue("id"))
	}
}

// change sets one of the things that are in a job. The caller holds the lock.
func (a *Archive) change(j *job, part string, params parameters) error {
	limits := a.options.Limits
	switch part {
	case "phase":
		return a.changePhase(j, params.get("PHASE"))
	case "executionduration":
		n, err := strconv.ParseUint(params.get("EXECUTIONDURATION"), 10, 31)
		if err != nil {
			return refuse("EXECUTIONDURATION %q is not a number of seconds", params.get("EXECUTIONDURATION"))
		}
		j.duration = time.Duration(n) * time.Second
		if n == 0 || j.duration > limits.ExecutionDuration { // 0 is: as long as it takes
			j.duration = limits.ExecutionDuration
		}
	case "destruction":
		at, err := time.Parse(time.RFC3339, params.get("DESTRUCTION"))
		if err != nil {
			return refuse("DESTRUCTION %q is not a time such as 2026-11-20T04:00:00Z", params.get("DESTRUCTION"))
		}
		if last := j.created.Add(limits.Retention); at.After(last) {
			at = last
		}
		j.destruction = at
	case "parameters":
		return a.changeParameters(j, params)
	default:
		return &refusal{fmt.Sprintf("a job has no %.80q that can be set", part), http.StatusNotFound}
	}
	return nil
}

// changePhase takes RUN and ABORT. On a job that has ended they do nothing, as with DaCHS.
func (a *Archive) changePhase(j *job, wish string) error {
	switch strings.ToUpper(wish) {
	case "RUN":
		a.run(j)
	case "ABORT":
		if j.cancel != nil {
			j.cancel()
		}
		a.end(j, phaseAborted, "")
	default:
		return refuse("PHASE %q is not supported; expected RUN or ABORT", wish)
	}
	return nil
}

// changeParameters replaces parameters of a job that is not yet told to run.
func (a *Archive) changeParameters(j *job, params parameters) error {
	if j.phase != phasePending {
		return refuse("the job is %s; its parameters can be set while it is PENDING", j.phase)
	}
	before, values := j.size(), j.params.values
	j.params.values = maps.Clone(values)
	maps.Copy(j.params.values, params.values)
	grown := j.size() - before
	if len(j.params.values) > maxParameters || a.jobs.kept+grown > maxKeptBytes {
		j.params.values = values
		return refuse("there is no room for these parameters")
	}
	a.jobs.kept += grown
	return nil
}

// serveResult gives the result of a job, or says where it is.
func (a *Archive) serveResult(w http.ResponseWriter, r *http.Request) {
	if !a.options.Elsewhere {
		a.serveFile(w, r)
		return
	}
	if a.withJob(w, r, hasResult) {
		redirect(w, rootOf(r)+"/files/"+r.PathValue("id"))
	}
}

func hasResult(j *job) error {
	if j.result == nil {
		return &refusal{fmt.Sprintf("job %s is %s and has no result", j.id, j.phase), http.StatusNotFound}
	}
	return nil
}

// serveFile gives the document of a result.
func (a *Archive) serveFile(w http.ResponseWriter, r *http.Request) {
	var document []byte
	var contentType string
	cut := false
	if !a.withJob(w, r, func(j *job) error {
		document, contentType = j.result, j.resultType
		cut = j.spoilt.Kind == Cut && !j.cutShown && document != nil
		j.cutShown = j.cutShown || cut
		return hasResult(j)
	}) {
		return
	}
	if cut {
		w.Header().Set("Content-Type", contentType)
		serveCut(w, document)
	}
	serveDocument(w, contentType, bytes.NewReader(document))
}
