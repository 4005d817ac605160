package uws

import (
	"bytes"
	"errors"
	"html"
	"regexp"
	"strings"

	"beampipe/vo/votable"
)

// MaxWordBytes bounds a service's own words in an error.
const MaxWordBytes = 512

// Words gives what an answer says to a person, on one line of at most MaxWordBytes bytes of valid
// UTF-8: the message of an ERROR document (DALI 1.1 section 4.4), the text of a web page, else the
// text itself; "(no text)" where there is none.
func Words(body []byte) string {
	text := Message(body)
	if text == "" {
		text = plain(body)
	}
	if text = clip(oneLine(text), MaxWordBytes); text == "" {
		return "(no text)"
	}
	return text
}

// Message gives the message of a DALI error document as it is, "" for anything else.
func Message(body []byte) string {
	if !bytes.Contains(body, []byte("QUERY_STATUS")) {
		return ""
	}
	rd, err := votable.NewReader(bytes.NewReader(body), votable.Limits{})
	for err == nil {
		err = rd.Next(nil)
	}
	var status *votable.StatusError
	if errors.As(err, &status) {
		return status.Message
	}
	return ""
}

var (
	unseen = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)\s*>|<!--.*?-->`)
	tag    = regexp.MustCompile(`(?s)<[!/a-zA-Z][^>]*>`)
)

// plain takes the markup out of a web page. Other text stays as it is.
func plain(body []byte) string {
	text := string(body)
	begin := strings.ToLower(strings.TrimSpace(text[:min(len(text), 4096)]))
	if !strings.Contains(begin, "<html") && !strings.HasPrefix(begin, "<!doctype html") {
		return text
	}
	text = tag.ReplaceAllString(unseen.ReplaceAllString(text, " "), " ")
	return html.UnescapeString(text)
}

// oneLine makes white space and control characters single blanks.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return strings.Join(strings.Fields(text), " ")
}

// clip cuts a text between two characters.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + " …"
}
