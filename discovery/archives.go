package discovery

import (
	"context"
	"net/http"
	"sync"
	"time"

	"beampipe/configs"
	"beampipe/vo/tap"
)

// Archives gives the client for an archive by the name that a project's queries use.
type Archives interface {
	Client(project *configs.Project, name string) (*tap.Client, error)
}

// ArchiveOptions say how archives are reached. The zero value is right for production.
type ArchiveOptions struct {
	Overrides map[string]string                                // archive name to URL, before anything a project says (--archive NAME=URL)
	Transport func(url string) http.RoundTripper               // asked once per URL; nil, or giving nil = a pooled one per URL
	UserAgent string                                           // "" = tap's default
	Wait      func(ctx context.Context, d time.Duration) error // between attempts; nil = a timer
}

// ArchiveSet is the Archives of one process. All clients of one URL share their connections. It is
// safe for concurrent use; Close it at the end.
type ArchiveSet struct {
	options ArchiveOptions

	mu         sync.Mutex
	transports map[string]http.RoundTripper
	clients    map[clientKey]*tap.Client
}

// clientKey is all that can differ between the clients of two projects.
type clientKey struct {
	name, url        string
	timeout, retries int
}

var _ Archives = (*ArchiveSet)(nil)

// idlePerArchive is how many connections to one archive are kept for the next query.
const idlePerArchive = 16

// NewArchives makes an empty set. Clients are made when they are first asked for.
func NewArchives(o ArchiveOptions) *ArchiveSet {
	return &ArchiveSet{options: o, transports: map[string]http.RoundTripper{}, clients: map[clientKey]*tap.Client{}}
}

// Client gives the client for an archive with the project's timeout and retries. A name without a
// URL, or a malformed URL, is fault.Invalid.
func (s *ArchiveSet) Client(project *configs.Project, name string) (*tap.Client, error) {
	url, err := project.AdapterURL(name, s.options.Overrides)
	if err != nil {
		return nil, err
	}
	patience := project.Adapters.Tap
	key := clientKey{name: name, url: url, timeout: patience.TimeoutSeconds, retries: patience.Retries}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.clients[key]; ok {
		return c, nil
	}
	c, err := tap.New(tap.Options{
		Name: name, URL: url, Transport: s.transport(url), UserAgent: s.options.UserAgent, Wait: s.options.Wait,
		Timeout: time.Duration(patience.TimeoutSeconds) * time.Second, Retries: min(patience.Retries, tap.MaxRetries),
	})
	if err != nil {
		return nil, err
	}
	s.clients[key] = c
	return c, nil
}

func (s *ArchiveSet) transport(url string) http.RoundTripper {
	if t, ok := s.transports[url]; ok {
		return t
	}
	var t http.RoundTripper
	if s.options.Transport != nil {
		t = s.options.Transport(url)
	}
	if shared, ok := http.DefaultTransport.(*http.Transport); ok && t == nil {
		own := shared.Clone()
		own.MaxIdleConnsPerHost = idlePerArchive
		t = own
	}
	s.transports[url] = t
	return t
}

// Stats adds up what the clients did, by archive name.
func (s *ArchiveSet) Stats() map[string]tap.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	sums := map[string]tap.Stats{}
	for key, c := range s.clients {
		one, sum := c.Stats(), sums[key.name]
		sums[key.name] = tap.Stats{Requests: sum.Requests + one.Requests, Retries: sum.Retries + one.Retries, Bytes: sum.Bytes + one.Bytes}
	}
	return sums
}

// Close closes the connections that wait for another query.
func (s *ArchiveSet) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		c.Close()
	}
}
