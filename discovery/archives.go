package discovery

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"beampipe/configs"
	"beampipe/fault"
	"beampipe/vo/tap"
)

// Archives gives the client for an archive by the name that a project's queries use.
type Archives interface {
	Client(project *configs.Project, name string) (*tap.Client, error)
}

// ArchiveOptions say how archives are reached. The zero value is right for production, but that
// asynchronous jobs are not kept.
type ArchiveOptions struct {
	Overrides map[string]string                                           // archive name to URL, before anything a project says (--archive NAME=URL)
	Transport func(url string) http.RoundTripper                          // asked once per URL; nil, or giving nil = a pooled one per URL
	Tape      func(next http.RoundTripper) (http.RoundTripper, error)     // put around each transport, to record or to replay; nil = none
	UserAgent string                                                      // "" = tap's default
	Secrets   func(ctx context.Context, reference string) (string, error) // gives what a credential's reference refers to; nil = ReadSecret
	Jobs      tap.Jobs                                                    // keeps asynchronous jobs, see NewJobs; nil = they are not kept
	Wait      func(ctx context.Context, d time.Duration) error            // between attempts; nil = a timer
	Now       func() time.Time                                            // nil = time.Now
}

// ArchiveSet is the Archives of one process. All clients of one URL share their connections and their
// budget. It is safe for concurrent use; Close it at the end.
type ArchiveSet struct {
	options ArchiveOptions

	mu         sync.Mutex
	transports map[string]http.RoundTripper
	clients    map[clientKey]*tap.Client
	budgets    map[string]*archiveBudget // by address
}

// clientKey is all that can differ between two clients.
type clientKey struct {
	project, name, url string
	timeout, retries   int
	mode               string
	maxWait            time.Duration
	credential         configs.Credential
	budget             *tap.Budget
}

// archiveBudget is what an archive may be asked at a time: of what the projects say, the least.
type archiveBudget struct {
	budget *tap.Budget
	limits budgetLimits
	said   map[string]budgetLimits // by project
}

type budgetLimits struct {
	concurrency int
	perSecond   float64 // 0 = no limit
}

var _ Archives = (*ArchiveSet)(nil)

// idlePerArchive is how many connections to one archive are kept for the next query.
const idlePerArchive = 16

// NewArchives makes an empty set. Clients are made when they are first asked for.
func NewArchives(o ArchiveOptions) *ArchiveSet {
	if o.Secrets == nil {
		o.Secrets = ReadSecret
	}
	return &ArchiveSet{options: o, transports: map[string]http.RoundTripper{}, clients: map[clientKey]*tap.Client{}, budgets: map[string]*archiveBudget{}}
}

// Client gives the client for an archive as the project's adapters section says. A name without a URL,
// or a malformed URL, is fault.Invalid.
func (s *ArchiveSet) Client(project *configs.Project, name string) (*tap.Client, error) {
	url, err := project.AdapterURL(name, s.options.Overrides)
	if err != nil {
		return nil, err
	}
	patience := project.Adapters.Tap
	key := clientKey{
		name: name, url: url, timeout: patience.TimeoutSeconds, retries: patience.Retries,
		mode: patience.AskMode(), maxWait: patience.MaxWait(), credential: project.Adapters.Credentials[name],
	}
	jobs := s.options.Jobs
	if kept, ok := jobs.(*Jobs); ok {
		key.project, jobs = project.Metadata.ID, kept.Of(project.Metadata.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key.budget = s.budget(project.Metadata.ID, name, url, budgetLimits{patience.Concurrency(), patience.PerSecond()})
	if c, ok := s.clients[key]; ok {
		return c, nil
	}
	transport, err := s.transport(url)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "reach archive "+name, "")
	}
	c, err := tap.New(tap.Options{
		Name: name, URL: url, Transport: transport, UserAgent: s.options.UserAgent, Wait: s.options.Wait, Now: s.options.Now,
		Timeout: time.Duration(patience.TimeoutSeconds) * time.Second, Retries: min(patience.Retries, tap.MaxRetries),
		Mode: tapMode(key.mode), MaxWait: key.maxWait, Jobs: jobs, Budget: key.budget, Credentials: s.credentials(name, key.credential),
	})
	if err != nil {
		return nil, err
	}
	s.clients[key] = c
	return c, nil
}

func tapMode(mode string) tap.Mode {
	switch mode {
	case configs.ModeSync:
		return tap.Sync
	case configs.ModeAsync:
		return tap.Async
	}
	return tap.Auto
}

// budget gives the budget of an archive. When what the projects say comes to other limits than before,
// the archive gets another budget, and what was learned about it is learned anew.
func (s *ArchiveSet) budget(project, name, url string, said budgetLimits) *tap.Budget {
	address := strings.TrimRight(strings.TrimSuffix(strings.TrimRight(strings.TrimSpace(url), "/"), "/sync"), "/")
	b := s.budgets[address]
	if b == nil {
		b = &archiveBudget{said: map[string]budgetLimits{}}
		s.budgets[address] = b
	}
	b.said[project] = said
	limits := said
	for _, other := range b.said {
		limits.concurrency = min(limits.concurrency, other.concurrency)
		if other.perSecond > 0 && (limits.perSecond == 0 || other.perSecond < limits.perSecond) {
			limits.perSecond = other.perSecond
		}
	}
	if b.budget == nil || limits != b.limits {
		b.limits = limits
		b.budget = tap.NewBudget(tap.BudgetOptions{Name: name, MaxConcurrency: limits.concurrency, PerSecond: limits.perSecond, Now: s.options.Now})
	}
	return b.budget
}

// credentials gives what a client proves with who asks. The secret is read for each request, so that
// one that was renewed counts at once, and it is kept nowhere.
func (s *ArchiveSet) credentials(name string, c configs.Credential) func(ctx context.Context) (*tap.Credential, error) {
	if c.Secret == "" {
		return nil
	}
	return func(ctx context.Context) (*tap.Credential, error) {
		secret, err := s.options.Secrets(ctx, c.Secret)
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "prove to archive "+name+" who asks", "") // not the fault of the source that is asked about
		}
		return &tap.Credential{Kind: c.Kind, User: c.User, Secret: secret}, nil
	}
}

func (s *ArchiveSet) transport(url string) (http.RoundTripper, error) {
	if t, ok := s.transports[url]; ok {
		return t, nil
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
	if s.options.Tape != nil {
		var err error
		if t, err = s.options.Tape(t); err != nil {
			return nil, err
		}
	}
	s.transports[url] = t
	return t, nil
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

// States gives how each archive that was asked for is doing, by its name; where one name has several
// addresses, by name and address.
func (s *ArchiveSet) States() map[string]tap.BudgetState {
	s.mu.Lock()
	defer s.mu.Unlock()
	states, several := map[string]tap.BudgetState{}, map[string]int{}
	for address := range s.budgets {
		for _, name := range s.names(address) {
			several[name]++
		}
	}
	for address, b := range s.budgets {
		for _, name := range s.names(address) {
			if several[name] > 1 {
				name += " " + address
			}
			states[name] = b.budget.State()
		}
	}
	return states
}

// names gives the names under which an address was asked for.
func (s *ArchiveSet) names(address string) []string {
	seen := map[string]bool{}
	for key := range s.clients {
		if key.budget == s.budgets[address].budget {
			seen[key.name] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Close closes the connections that wait for another query.
func (s *ArchiveSet) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clients {
		c.Close()
	}
}
