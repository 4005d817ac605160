package local

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

func known(name string) bool { return name == "in" || name == "out" || name == "n" }

func TestPlaceholdersAreFoundWhereTheShellHasNoOtherUseForThem(t *testing.T) {
	for text, want := range map[string]string{
		"cat {in} > {out}":                "in out",
		"{in}":                            "in",
		"echo ${in} {other} {a,b} \\{in}": "",
		"awk '{print $1}' {in}":           "in",
		"{{in}}":                          "in",
		"{in":                             "",
		"{}{ in}{in}":                     "in",
		`echo "{in}" '{out}'`:             "in out",
	} {
		if got := strings.Join(parseCommand(text, known).names(), " "); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// nasty are values that would do harm if the shell read anything into them.
var nasty = []string{
	"plain", "", "two words", "it's", `say "hi"`, "$HOME", "$(echo pwned)", "`echo pwned`", "a; echo pwned", "a\necho pwned",
	"*", "~", `back\slash`, `trailing\`, "&& echo pwned", "# no comment", "{in}", "ünïcode ✓", "-n", "!history", "'; echo pwned; '",
}

func TestEveryValueReachesTheCommandAsItIs(t *testing.T) {
	for _, form := range []string{"printf '%%s|' {in}", `printf '%%s|' "{in}"`, "printf '%%s|' '{in}'", `printf '%%s|' x"{in}"y'{in}'{in}`} {
		form = strings.ReplaceAll(form, "%%", "%")
		for _, word := range nasty {
			text, err := parseCommand(form, known).fill(func(string) (value, error) { return value{words: []string{word}}, nil })
			if err != nil {
				t.Fatalf("%s with %q: %v", form, word, err)
			}
			out, err := exec.CommandContext(t.Context(), bash(), "-c", text).Output()
			want := word + "|"
			if strings.Contains(form, "x\"") {
				want = "x" + word + "y" + word + word + "|"
			}
			if err != nil || string(out) != want {
				t.Errorf("%s with %q ran as %s and gave %q, %v", form, word, text, out, err)
			}
		}
	}
}

func TestValuesThatCannotBeQuotedAreRefused(t *testing.T) {
	for _, form := range []string{"echo $(cat {in})", "echo `cat {in}`", "cat <<EOF\n{in}\nEOF", "echo $'{in}'", "(({in}))", "echo x # {in}", `echo "$(cat {in})"`} {
		fill := func(word string) (string, error) {
			return parseCommand(form, known).fill(func(string) (value, error) { return value{words: []string{word}}, nil })
		}
		if text, err := fill("a; echo pwned"); err == nil || !strings.Contains(err.Error(), "{in}") {
			t.Errorf("%q became %q, %v", form, text, err)
		}
		if text, err := fill("/safe/path.fits"); err != nil || !strings.Contains(text, "/safe/path.fits") {
			t.Errorf("%q became %q, %v", form, text, err)
		}
	}
	for _, word := range []string{"nul\x00", "\xff\xfe"} {
		if _, err := parseCommand("echo {in}", known).fill(func(string) (value, error) { return value{words: []string{word}}, nil }); err == nil {
			t.Errorf("%q was taken", word)
		}
	}
}

func TestSeveralValuesBecomeSeveralWordsAndParametersStayAsTheyAre(t *testing.T) {
	c := parseCommand("cat {in} {n} > {out}", known)
	got, err := c.fill(func(name string) (value, error) {
		return map[string]value{"in": {words: []string{"/a", "/b c"}}, "n": {raw: "-v --x='1 2'"}, "out": {words: []string{"/out"}}}[name], nil
	})
	if want := "cat /a '/b c' -v --x='1 2' > /out"; err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestACommandThatIsTooLongIsRefused(t *testing.T) {
	_, err := parseCommand("echo {in}", known).fill(func(string) (value, error) {
		return value{words: []string{strings.Repeat("x", maxCommandBytes)}}, nil
	})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(maxCommandBytes)) {
		t.Errorf("got %v", err)
	}
}

// FuzzFill: whatever the command and the value, filling gives an error or a command with the literal text in it.
func FuzzFill(f *testing.F) {
	for _, word := range nasty {
		f.Add("cat '{in}' \"{in}\" {in}", word)
	}
	f.Add("echo \\", "x")
	f.Add("{in}{out}{n}#'\"", "'")
	f.Fuzz(func(t *testing.T, text, word string) {
		c := parseCommand(text, known)
		whole := ""
		for _, p := range c.pieces {
			if whole += p.literal; p.name != "" {
				whole += "{" + p.name + "}"
			}
		}
		if whole != text {
			t.Fatalf("%q was split into %q", text, whole)
		}
		filled, err := c.fill(func(string) (value, error) { return value{words: []string{word}}, nil })
		if err == nil && len(c.names()) > 0 && !utf8.ValidString(word) {
			t.Fatalf("%q took %q", filled, word)
		}
	})
}

// FuzzParseStat: no stat line makes it panic, and what it takes has the fields.
func FuzzParseStat(f *testing.F) {
	f.Add("1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 33 1 2")
	f.Add("7 (a) b) c) R 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99")
	f.Add("")
	f.Fuzz(func(t *testing.T, line string) {
		if stat, err := parseStat(7, line); err == nil && (stat.pid != 7 || stat.state == 0) {
			t.Fatalf("%q gave %+v", line, stat)
		}
	})
}

func TestStatLinesWithOddCommandsAreRead(t *testing.T) {
	stat, err := parseStat(7, "7 (a) b) (c) R 1 7 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0")
	if err != nil || stat.session != 42 || stat.started != 99 || stat.state != 'R' {
		t.Errorf("got %+v, %v", stat, err)
	}
}
