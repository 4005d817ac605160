package configs

import "time"

// Values of Tap.Mode.
const (
	ModeAuto  = "auto" // by the archive's limits and how long its last answers took
	ModeSync  = "sync"
	ModeAsync = "async"
)

const (
	defaultConcurrency = 8
	maxConcurrency     = 64
	maxPerSecond       = 1000
	defaultWaitMinutes = 30
	maxWaitMinutes     = 7 * 24 * 60
)

// Concurrency gives how many requests may be under way at one archive; 8 without max_concurrency.
func (t Tap) Concurrency() int { return orDefault(t.MaxConcurrency, defaultConcurrency) }

// PerSecond gives how many requests may begin at one archive in a second; 0, without
// requests_per_second, is no limit.
func (t Tap) PerSecond() float64 { return orDefault(t.RequestsPerSecond, 0) }

// AskMode gives ModeAuto (without mode), ModeSync or ModeAsync.
func (t Tap) AskMode() string { return orDefault(t.Mode, ModeAuto) }

// MaxWait bounds a whole asynchronous job; 30 minutes without max_wait_minutes.
func (t Tap) MaxWait() time.Duration {
	return time.Duration(orDefault(t.MaxWaitMinutes, defaultWaitMinutes)) * time.Minute
}

// Values of Credential.Kind.
const (
	CredentialBasic  = "basic"  // User, and the secret is the password
	CredentialBearer = "bearer" // the secret is the token
	CredentialCookie = "cookie" // the secret is the whole "name=value"
)

// Credential says who asks an archive, and where the secret is that proves it. Secret is a reference and
// never the secret itself: "env:NAME", "file:/absolute/path" or "credential:NAME" (of systemd).
type Credential struct {
	Kind   string `json:"kind"`
	User   string `json:"user,omitempty"` // with CredentialBasic only
	Secret string `json:"secret"`
}
