package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"beampipe/control"
	"beampipe/ledger"
)

// Limits of the listener.
const (
	webReadTimeout  = 5 * time.Second // of a request, and of what answers it
	webWriteTimeout = 30 * time.Second
	webHeaderBytes  = 16 << 10
	webAgain        = time.Minute // until a port that was taken is tried again
)

// web serves /metrics, /ready and /health. Without a listener it does nothing. Only one goroutine opens
// and stops it.
type web struct {
	addr    string
	handler http.Handler
	log     *slog.Logger

	server *http.Server // nil while the port could not be had
	wg     sync.WaitGroup
	tried  time.Time
}

func newWeb(addr string, reg *prometheus.Registry, ready func() Readiness, health func(ctx context.Context) control.Health, log *slog.Logger) *web {
	mux := http.NewServeMux()
	// What can be read is served, also while the ledger cannot be.
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		r := ready()
		answer(w, r.Ready, r)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), webReadTimeout)
		defer cancel()
		h := health(ctx)
		answer(w, !serious(h.Problems), h)
	})
	return &web{addr: addr, handler: mux, log: log}
}

// serious tells whether a problem of severity error is there.
func serious(problems []ledger.Problem) bool {
	for _, p := range problems {
		if p.Severity == "error" {
			return true
		}
	}
	return false
}

// answer writes JSON: 200 when all is well, else 503.
func answer(w http.ResponseWriter, well bool, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !well {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(body) // who asked has gone
}

// open listens, if it does not yet. A port that cannot be had is an error.
func (s *web) open() error {
	if s.addr == "off" || s.server != nil {
		return nil
	}
	s.tried = time.Now()
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.server = &http.Server{Handler: s.handler, ReadTimeout: webReadTimeout, WriteTimeout: webWriteTimeout, MaxHeaderBytes: webHeaderBytes}
	s.wg.Go(func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics listener", "address", s.addr, "error", err)
		}
	})
	return nil
}

// openSometimes tries again for a port that was taken, once per webAgain; false says that nothing was tried.
func (s *web) openSometimes() (tried bool, err error) {
	if s.addr == "off" || s.server != nil || time.Since(s.tried) < webAgain {
		return false, nil
	}
	return true, s.open()
}

func (s *web) stop() {
	if s.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), webReadTimeout)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	s.wg.Wait()
	s.server = nil
}

func portProblem(addr string, err error) ledger.Problem {
	return ledger.Problem{
		Code: codeMetrics, Subject: addr, Title: "Metrics are not served", Text: err.Error(), Severity: "warning",
		Todo: "free the port, which is tried again by itself, or choose another with --listen; everything else works",
	}
}
