package provenance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// MaxArchiveLine bounds one line of an archive of events.
const MaxArchiveLine = 64 << 20

// Archive is what a file of events that were taken out of a log holds: First to Last, without a gap. Its
// hashes join it to what was before it and to what the log begins with now.
type Archive struct {
	First    int64     `json:"first_seq"`
	Last     int64     `json:"last_seq"`
	PrevHash string    `json:"prev_hash"` // the hash before the first event; "" where that is event 1
	Hash     string    `json:"hash"`      // of the last event
	From     time.Time `json:"from"`      // when the first one occurred
	To       time.Time `json:"to"`
}

// archiveLine is an event in an archive. The time is text, as it is hashed; the payload stays byte for byte.
type archiveLine struct {
	Seq         int64           `json:"seq"`
	OccurredAt  string          `json:"occurred_at"`
	Type        string          `json:"event_type"`
	Project     string          `json:"project_module,omitempty"`
	Source      string          `json:"source_identifier,omitempty"`
	Execution   string          `json:"execution_id,omitempty"`
	Actor       string          `json:"actor"`
	Correlation string          `json:"correlation_id,omitempty"`
	Payload     json.RawMessage `json:"payload,omitempty"`
	PrevHash    string          `json:"prev_hash"`
	Hash        string          `json:"hash"`
}

// WriteArchiveLine writes an event as one line of JSON.
func WriteArchiveLine(w io.Writer, e Event) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // the payload was hashed without
	if err := enc.Encode(archiveLine{
		e.Seq, e.OccurredAt.UTC().Format(TimeFormat), e.Type, e.Project, e.Source, e.Execution, e.Actor, e.Correlation, e.Payload, e.PrevHash, e.Hash,
	}); err != nil {
		return fmt.Errorf("archive event %d (%s): %w", e.Seq, e.Type, err)
	}
	return nil
}

// VerifyArchive reads JSON Lines as WriteArchiveLine writes them and checks that they are one unbroken part
// of a chain. each, which may be nil, is given every event. The error names the line.
func VerifyArchive(r io.Reader, each func(Event) error) (Archive, error) {
	var a Archive
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), MaxArchiveLine)
	number := 0
	for lines.Scan() {
		number++
		e, err := parseArchiveLine(lines.Bytes())
		if err == nil {
			err = a.add(e)
		}
		if err == nil && each != nil {
			err = each(e)
		}
		if err != nil {
			return a, fmt.Errorf("line %d: %w", number, err)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return a, fmt.Errorf("line %d: longer than %d bytes", number+1, MaxArchiveLine)
	case err != nil:
		return a, fmt.Errorf("line %d: %w", number+1, err)
	case number == 0:
		return a, errors.New("there are no events in it")
	}
	return a, nil
}

func parseArchiveLine(text []byte) (Event, error) {
	var l archiveLine
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return Event{}, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return Event{}, errors.New("more than one JSON object")
	}
	at, err := time.Parse(TimeFormat, l.OccurredAt)
	if err != nil {
		return Event{}, err
	}
	return Event{
		Seq: l.Seq, OccurredAt: at, Type: l.Type, Project: l.Project, Source: l.Source, Execution: l.Execution, Actor: l.Actor,
		Correlation: l.Correlation, Payload: l.Payload, PrevHash: l.PrevHash, Hash: l.Hash,
	}, nil
}

// add checks an event against those before it.
func (a *Archive) add(e Event) error {
	switch {
	case a.Last == 0 && e.Seq < 1:
		return fmt.Errorf("event %d: events are numbered from 1", e.Seq)
	case a.Last == 0:
		a.First, a.PrevHash, a.From = e.Seq, e.PrevHash, e.OccurredAt
	case e.Seq != a.Last+1:
		return fmt.Errorf("event %d (%s): follows event %d", e.Seq, e.Type, a.Last)
	case e.PrevHash != a.Hash:
		return fmt.Errorf("event %d (%s): its prev_hash is not the hash of event %d", e.Seq, e.Type, a.Last)
	}
	if e.ChainHash() != e.Hash {
		return fmt.Errorf("event %d (%s): its content does not match its hash", e.Seq, e.Type)
	}
	a.Last, a.Hash, a.To = e.Seq, e.Hash, e.OccurredAt
	return nil
}
