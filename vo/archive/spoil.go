package archive

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"beampipe/vo/votable"
)

// How the archive misbehaves: see misbehave.go for the kinds.

// spoilRequest answers a request badly, where its misbehaviour is of that kind.
func (m Misbehaviour) spoilRequest(w http.ResponseWriter) (answered bool) {
	switch m.Kind {
	case RefuseUpload, Error400:
		serveErrorDocument(w, http.StatusBadRequest, m.words())
	case TooLarge:
		serveErrorDocument(w, http.StatusRequestEntityTooLarge, m.words())
	case HTML500:
		servePage(w, http.StatusInternalServerError, "Internal Server Error")
	case HTML200:
		servePage(w, http.StatusOK, "Please log in")
	case Busy503:
		after := m.Delay
		if after == 0 {
			after = time.Second
		}
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(after.Seconds()))))
		http.Error(w, m.words(), http.StatusServiceUnavailable)
	case Drop:
		abort()
	default:
		if m.Kind == "" || slices.Contains(answerKinds, m.Kind) || slices.Contains(jobKinds, m.Kind) {
			return false
		}
		serveErrorDocument(w, http.StatusBadRequest, fmt.Sprintf("there is no misbehaviour %q", m.Kind))
	}
	return true
}

func servePage(w http.ResponseWriter, code int, title string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, "<!DOCTYPE html>\n<html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", title, title) // an error: the client has gone
}

// spoil changes a result that has just begun.
func (r *result) spoil() {
	m := r.asked.spoilt
	switch m.Kind {
	case Empty:
		r.more = false
	case Overflow:
		if m.Rows > 0 {
			r.asked.limit = min(r.asked.limit, m.Rows)
		}
	case NewColumn:
		r.fields = append(r.fields, votable.Field{Name: newColumnName, Datatype: "char", Arraysize: "*"})
	case InBinary:
		r.asked.format = formats[1]
	case InBinary2:
		r.asked.format = formats[2]
	}
}

// serveCut writes a document up to the middle of its rows and breaks the connection.
func serveCut(w http.ResponseWriter, document []byte) {
	start := max(bytes.Index(document, []byte("<DATA>")), bytes.IndexByte(document, '\n'), 0)
	end := bytes.LastIndex(document, []byte("</DATA>"))
	if end < start {
		end = len(document)
	}
	_, _ = w.Write(document[:(start+end)/2]) // the connection breaks anyway
	_ = http.NewResponseController(w).Flush()
	abort()
}

// abort breaks the connection, as net/http has it: the server sees it and logs nothing.
func abort() { panic(http.ErrAbortHandler) }

// serveDocument copies an answer that is whole.
func serveDocument(w http.ResponseWriter, contentType string, document io.Reader) {
	w.Header().Set("Content-Type", contentType)
	_, _ = io.Copy(w, document) // an error here: the client has gone
}
