package archive

import (
	"bytes"
	"context"
	"net/http"
)

// serveSync answers a synchronous query (TAP 1.1 section 2).
func (a *Archive) serveSync(w http.ResponseWriter, r *http.Request) {
	a.queries.Add(1)
	params, err := a.readParameters(w, r)
	if err != nil {
		serveError(w, err)
		return
	}
	m := a.trouble.next(params, false)
	if m.spoilRequest(w) {
		return
	}
	if m.Kind == Error200 {
		serveErrorDocument(w, http.StatusOK, m.words())
		return
	}
	if linger(r.Context(), m.delay()) != nil {
		return // the client has gone
	}
	q, err := a.readQuestion(params, true)
	if err != nil {
		serveError(w, err)
		return
	}
	q.spoilt = m
	ctx, cancel := context.WithTimeout(r.Context(), longestQuery)
	defer cancel()
	a.answer(ctx, w, q)
}

// answer runs a query and writes its rows as they come.
func (a *Archive) answer(ctx context.Context, w http.ResponseWriter, q question) {
	res, err := a.ask(ctx, q)
	if err != nil {
		serveError(w, err)
		return
	}
	defer res.close()
	w.Header().Set("Content-Type", res.asked.format.mime)
	if q.spoilt.Kind == Cut {
		var whole bytes.Buffer
		if res.writeTo(&whole) == nil {
			serveCut(w, whole.Bytes())
		}
		abort()
	}
	if res.writeTo(w) != nil {
		abort() // else what was written could be taken for the whole
	}
}
