package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"beampipe/fault"
	"beampipe/vo/archive"
)

// DefaultArchiveListen is where ServeArchive listens when it is not told: this machine alone.
const DefaultArchiveListen = "127.0.0.1:8090"

// Limits of the archive's listener.
const (
	archiveReadTimeout = 30 * time.Second
	archiveHeaderBytes = 16 << 10
	archiveStopTimeout = 5 * time.Second
)

// ArchiveOptions are what ServeArchive is given.
type ArchiveOptions struct {
	Dir    string // keeps the archive's files and sources.txt; "" = a temporary one that is removed at the end
	Listen string // HOST:PORT; "" = DefaultArchiveListen, port 0 = a free one
	Later  bool   // with the new data that the demo's second round finds
	Ready  func(ArchiveServed)
}

// ArchiveServed says where an archive is served. Its JSON names are stable.
type ArchiveServed struct {
	URL         string `json:"url"`          // for --archive demo=URL
	SourcesFile string `json:"sources_file"` // one identifier per line, for "source import -f"
	Sources     int    `json:"sources"`
	Later       bool   `json:"later"` // whether the new data is there
}

// ServeArchive serves the demo's archive over HTTP until ctx ends, so that a survey in another process
// can ask it. Ready is told once it answers.
func ServeArchive(ctx context.Context, o ArchiveOptions) (err error) {
	listener, err := listen(o.Listen)
	if err != nil {
		return err
	}
	defer listener.Close() // closed already when the server has served
	dir, err := filepath.Abs(o.Dir)
	if o.Dir == "" {
		if dir, err = os.MkdirTemp("", "beampipe-archive-"); err == nil {
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		}
	}
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "make the demo archive's folder", "choose a folder with --dir")
	}
	a, served, err := o.fill(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	served.URL = "http://" + listener.Addr().String() + "/tap"
	return serveHTTP(ctx, listener, a.Handler(), func() {
		if o.Ready != nil {
			o.Ready(served)
		}
	})
}

func listen(addr string) (net.Listener, error) {
	if addr == "" {
		addr = DefaultArchiveListen
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "serve the demo's archive at "+addr, "free the port, or choose another with --listen 127.0.0.1:PORT")
	}
	return listener, nil
}

// fill makes the archive in dir and writes the list of its sources beside it.
func (o ArchiveOptions) fill(ctx context.Context, dir string) (*archive.Archive, ArchiveServed, error) {
	served := ArchiveServed{SourcesFile: filepath.Join(dir, "sources.txt"), Later: o.Later}
	objects, err := Objects()
	if err != nil {
		return nil, served, err
	}
	s := write(objects)
	served.Sources = len(s.sources)
	a, err := s.open(ctx, dir)
	if err != nil {
		return nil, served, err
	}
	if o.Later {
		err = fill(ctx, a, s.later)
	}
	if err == nil {
		err = os.WriteFile(served.SourcesFile, []byte(s.identifiers()), 0o644)
	}
	if err != nil {
		return nil, served, errors.Join(fmt.Errorf("fill the demo's archive: %w", err), a.Close())
	}
	return a, served, nil
}

// serveHTTP serves until ctx ends, and then lets requests under way come to their end.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler, ready func()) error {
	server := &http.Server{Handler: handler, ReadTimeout: archiveReadTimeout, MaxHeaderBytes: archiveHeaderBytes}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	ready()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the demo's archive: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), archiveStopTimeout)
	defer cancel()
	if server.Shutdown(stop) != nil {
		server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the demo's archive: %w", err)
	}
	return nil
}
