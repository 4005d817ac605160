package discovery

import (
	"sync"
	"time"
)

const (
	// noUploadFor is how long an archive that refused an upload is not given another.
	noUploadFor = time.Hour
	// maxFormRefusals is how often a form may be refused in a tick before it is left for the rest of it,
	// so that a refusal does not cost every request another one.
	maxFormRefusals = 3
	// maxLastFormRefusals is the same for a form that nothing can take the place of: a refused set of
	// that is halved until the value that is refused stands alone.
	maxLastFormRefusals = 64
)

// ProblemNoUpload is the code of the health problem that an archive takes no uploads; its subject is the
// archive's name.
const ProblemNoUpload = "discovery_archive_no_upload"

// formLog counts how often the forms of the queries were refused in a tick.
type formLog struct {
	mu      sync.Mutex
	refused map[formID]int
}

// formID is a form of a query, as an inquiry counts queries.
type formID struct{ query, form int }

// refuse counts a refusal and gives how many there are.
func (l *formLog) refuse(id formID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused == nil {
		l.refused = map[formID]int{}
	}
	l.refused[id]++
	return l.refused[id]
}

func (l *formLog) count(id formID) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused[id]
}

// uploadLog remembers which archives take no uploads, by address.
type uploadLog struct {
	mu    sync.Mutex
	until map[string]time.Time // zero: it takes them
}

// refuses reports whether an upload was refused lately.
func (l *uploadLog) refuses(url string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Before(l.until[url])
}

// refuse remembers a refusal; news says that the one before was none.
func (l *uploadLog) refuse(url string, now time.Time) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	news = l.until[url].IsZero()
	l.set(url, now.Add(noUploadFor))
	return news
}

// accept remembers that an upload was taken; news says that this was not known.
func (l *uploadLog) accept(url string) (news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, known := l.until[url]
	l.set(url, time.Time{})
	return !known || !before.IsZero()
}

func (l *uploadLog) set(url string, until time.Time) {
	if l.until == nil {
		l.until = map[string]time.Time{}
	}
	l.until[url] = until
}
