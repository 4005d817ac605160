package archive

import (
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
)

// zips compresses answers for clients that accept gzip; net/http's own transport asks for it by
// itself. Its writers are large, so they are used again.
type zips struct{ pool sync.Pool }

func (z *zips) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !acceptsGzip(r.Header.Get("Accept-Encoding")) {
			next.ServeHTTP(w, r)
			return
		}
		zw := &zipWriter{ResponseWriter: w, zips: z}
		next.ServeHTTP(zw, r) // when it breaks the connection, the stream has no end
		zw.end()
	})
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3).
func acceptsGzip(header string) bool {
	for _, one := range strings.Split(header, ",") {
		name, weight, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			weight = strings.ReplaceAll(weight, " ", "")
			return strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != "" || weight == ""
		}
	}
	return false
}

// zipWriter compresses a body, where there is one.
type zipWriter struct {
	http.ResponseWriter
	zips *zips
	gz   *gzip.Writer
	sent bool
}

func (w *zipWriter) WriteHeader(code int) {
	if !w.sent && code != http.StatusNoContent && code != http.StatusSeeOther {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Add("Vary", "Accept-Encoding")
		w.Header().Del("Content-Length")
		w.gz = w.zips.writer(w.ResponseWriter)
	}
	w.sent = true
	w.ResponseWriter.WriteHeader(code)
}

func (w *zipWriter) Write(p []byte) (int, error) {
	if !w.sent {
		w.WriteHeader(http.StatusOK)
	}
	if w.gz == nil {
		return w.ResponseWriter.Write(p)
	}
	return w.gz.Write(p)
}

// FlushError sends what there is, for http.ResponseController.
func (w *zipWriter) FlushError() error {
	if w.gz != nil {
		if err := w.gz.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// end closes the stream. An error there means that the client has gone.
func (w *zipWriter) end() {
	if w.gz != nil {
		_ = w.gz.Close()
		w.zips.pool.Put(w.gz)
	}
}

func (z *zips) writer(w http.ResponseWriter) *gzip.Writer {
	if gz, ok := z.pool.Get().(*gzip.Writer); ok {
		gz.Reset(w)
		return gz
	}
	gz, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return gzip.NewWriter(w) // never: the level exists
	}
	return gz
}
