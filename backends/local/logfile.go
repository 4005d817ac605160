package local

import (
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"beampipe/backends"
)

// maxTailBytes is how much of the end of a long output is kept; it is held in memory meanwhile.
const maxTailBytes = 64 << 10

// logFile is what an application wrote, at most about limit bytes of it: the beginning as it came, and
// the end, with a note of what is missing between.
type logFile struct {
	file *os.File
	head int64 // bytes that the beginning may still take
	room int   // bytes of the end to keep
	tail []byte
	cut  int64 // bytes between that were dropped
}

func createLog(path string, limit int64) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	room := min(limit/2, maxTailBytes)
	return &logFile{file: file, head: limit - room, room: int(room)}, nil
}

// Write never writes short: an application must not notice that its log is full.
func (l *logFile) Write(p []byte) (int, error) {
	n := len(p)
	if first := min(l.head, int64(len(p))); first > 0 {
		if _, err := l.file.Write(p[:first]); err != nil {
			return 0, err
		}
		l.head -= first
		p = p[first:]
	}
	if len(p) == 0 {
		return n, nil
	}
	// Twice the room before anything is dropped, so that small writes do not move the tail each time.
	l.tail = append(l.tail, p...)
	if len(l.tail) > 2*l.room {
		l.drop()
	}
	return n, nil
}

func (l *logFile) drop() {
	over := len(l.tail) - l.room
	if over <= 0 {
		return
	}
	l.cut += int64(over)
	l.tail = append(l.tail[:0], l.tail[over:]...)
}

// Close writes the end.
func (l *logFile) Close() error {
	l.drop()
	var err error
	if l.cut > 0 {
		_, err = fmt.Fprintf(l.file, "\n[beampipe: %d bytes were cut here, see deployment.max_log_bytes]\n", l.cut)
	}
	if err == nil {
		_, err = l.file.Write(l.tail)
	}
	if closed := l.file.Close(); err == nil {
		err = closed
	}
	return err
}

// logTail gives the last lines of a log for a report.
func logTail(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close() // only read from
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	from := max(info.Size()-backends.MaxLogTailBytes, 0)
	raw := make([]byte, info.Size()-from)
	n, err := file.ReadAt(raw, from)
	if n < len(raw) && err != nil {
		return "", err
	}
	text := strings.ToValidUTF8(string(raw), "")
	if _, rest, ok := strings.Cut(text, "\n"); ok && from > 0 && rest != "" {
		text = rest // the first line is only a part
	}
	return clip(text, backends.MaxLogTailBytes), nil
}

// clip cuts a text to at most limit bytes, between characters.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
