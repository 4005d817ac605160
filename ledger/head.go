package ledger

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"beampipe/fault"
)

// hashDigits is the length of an event's hash as text.
const hashDigits = 64

// String writes a head as "seq:hash", the form in which it is kept elsewhere. That of an empty log is "0:".
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

// ParseHead reads what String writes.
func ParseHead(text string) (Head, error) {
	invalid := func(why string) (Head, error) {
		return Head{}, fault.New(fault.Invalid, fmt.Sprintf("head %.100q: %s", text, why), "give it as it was printed by: beampipe provenance head")
	}
	number, hash, ok := strings.Cut(strings.TrimSpace(text), ":")
	if !ok {
		return invalid("expected NUMBER:HASH")
	}
	seq, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil || seq < 0 || strconv.FormatInt(seq, 10) != number:
		return invalid("its number is not that of an event")
	case seq == 0 && hash == "":
		return Head{}, nil
	case seq == 0:
		return invalid("event 0 has no hash")
	case len(hash) != hashDigits:
		return invalid(fmt.Sprintf("its hash has %d characters, expected %d", len(hash), hashDigits))
	case strings.ToLower(hash) != hash:
		return invalid("its hash is not written in small letters")
	}
	if _, err := hex.DecodeString(hash); err != nil {
		return invalid("its hash is not hexadecimal")
	}
	return Head{Seq: seq, Hash: hash}, nil
}
