package profiles

import (
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// What texts of a profile must be. A value ends up in a file name, an SSH argument, an INI file or a
// shell word, so control characters are refused everywhere but in texts that are meant to have lines.

const maxName = 50

var (
	namePattern     = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	hostPattern     = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$`)
	variablePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

var aName = rule{"1 to 50 letters, digits, dots, underscores or dashes", func(s string) bool {
	return len(s) <= maxName && namePattern.MatchString(s)
}}

var aSlot = rule{`a credential slot: 1 to 50 letters, digits, dots, underscores or dashes, without ".."`, func(s string) bool {
	return aName.ok(s) && s != "." && !strings.Contains(s, "..")
}}

var anAlgorithm = rule{AlgoMetis + " or " + AlgoMySarkar, func(s string) bool {
	return s == AlgoMetis || s == AlgoMySarkar
}}

var aURL = rule{"an http or https URL with a host and without a user or password", func(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
}}

var aHost = rule{"a host name or an IP address", func(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return len(s) <= 253 && hostPattern.MatchString(s)
}}

// A leading dash would be read as an option, an @ as a second host.
var aUser = rule{"a user name: one word that does not begin with a dash and has no @", func(s string) bool {
	return aWord.ok(s) && !strings.Contains(s, "@")
}}

var aWord = rule{"one word: no blanks, no control characters, not beginning with a dash", func(s string) bool {
	return oneLine.ok(s) && !strings.ContainsFunc(s, unicode.IsSpace) && !strings.HasPrefix(s, "-")
}}

var aPath = rule{"an absolute path without control characters", func(s string) bool {
	return oneLine.ok(s) && path.IsAbs(s)
}}

var aPathBelowRoot = rule{"an absolute path without control characters, not /", func(s string) bool {
	return aPath.ok(s) && path.Clean(s) != "/"
}}

var aWorkDir = rule{"a folder without control characters, absolute or relative to the ledger's folder", func(s string) bool {
	return s == "" || oneLine.ok(s)
}}

var aVariable = rule{"the name of an environment variable", variablePattern.MatchString}

var oneLine = rule{"a text on one line, not blank, without control characters", func(s string) bool {
	return strings.TrimSpace(s) != "" && !strings.ContainsFunc(s, unicode.IsControl)
}}

var anyText = rule{"a text without control characters other than newline and tab", func(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r'
	})
}}
