package configs

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
)

func TestErrShowsTheFileTheLineAndTheMark(t *testing.T) {
	_, report := Load([]byte(edit(t, "transform: present", "transform: absent")), "survey.yaml")
	want := "survey.yaml:35:54: error unknown_transform: discovery.prepare_metadata.discovery_flags.found.transform: no transform is named \"absent\"\n" +
		"   35 |       found: {from: enrichments.position, transform: absent}\n" +
		"      |                                                      ^\n"
	if err := report.Err(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "load project config survey.yaml: 1 error") {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestExcerptIsSafeForATerminal(t *testing.T) {
	_, report := Load([]byte("a: \"\x1b[31m\"\tx\n"+strings.Repeat("y", 500)), "x.yaml")
	if d := report.Errors[0]; strings.ContainsAny(d.String(), "\x1b\t") || len(d.Excerpt) > 300 {
		t.Errorf("%q", d.Excerpt)
	}
}

func TestAPasswordInAURLIsNotShown(t *testing.T) {
	for _, replacement := range []string{
		"[casda]\n  casda_tap_url: https://me:secret@host/tap",
		"[casda]\n  tap: https://me:secret@host/tap",
		"[casda]\ngraph_: http://me:secret@host",
		"[casda]\n  tap_url: {x: 'https://me:secret@host/tap'}",
	} {
		_, report := Load([]byte(edit(t, "[casda]", replacement)), "test.yaml")
		for _, d := range append(report.Errors, report.Warnings...) {
			if strings.Contains(d.String(), "me:secret") {
				t.Errorf("shown: %v", d)
			}
		}
	}
}

func TestBrokenFilesGiveOneErrorEach(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "the file is empty"},
		{"only a comment", "# nothing\n", ""},
		{"a text", "hello", "expected an object with apiVersion"},
		{"a list", "- a", "expected an object with apiVersion"},
		{"two documents", small + "---\na: 1\n", "second document"},
		{"not UTF-8", "a: x\nb: \xff\n", "x.yaml:2:4:"},
		{"brackets", strings.Repeat("[", 40_000), "nested deeper than 100 levels"},
		{"dashes", strings.Repeat("- ", 40_000), "nested deeper than 100 levels"},
		{"many keys", strings.Repeat("a: b\n", 20_000), "more than 50000 YAML tokens"},
		{"nothing but brackets", strings.Repeat("[", 1<<20), "more than 500000 YAML indicator characters"},
		{"too large", strings.Repeat("#", MaxFileBytes+1), "expected at most 4194304"},
		{"alias bomb", "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n", "more than 100000 values"},
		{"alias of itself", "a: &a [*a]", "names no anchor before it"},
		{"a tag", "a: !!binary aaaa", "the tag !!binary is not supported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, report := Load([]byte(tt.text), "x.yaml")
			err := report.Err()
			if p != nil || !errors.Is(err, fault.Invalid) || len(report.Errors) != 1 || len(report.SpecSHA256) != 64 {
				t.Fatalf("got %v, %v", p, report)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "x.yaml") {
				t.Errorf("got %.300v, want …%s…", err, tt.want)
			}
		})
	}
}

func TestTheProjectIDIsGivenForAFileThatDoesNotLoad(t *testing.T) {
	p, report := Load([]byte(edit(t, "  id: small", "  id: small\n  typo: 1")), "x.yaml")
	if p != nil || report.ProjectID != "small" || report.SpecSHA256 == "" {
		t.Errorf("%v", report)
	}
}

func TestAnchorsAndQuotedTextWork(t *testing.T) {
	p := mustLoad(t, edit(t, "dataset_id: {from: filename}", "dataset_id: &f {from: filename}\n      visibility_filename: *f\n      other: {from: !!str 5}"))
	fields := p.Discovery.PrepareMetadata.FieldMap
	if fields["visibility_filename"].From != "filename" || fields["other"].From != "5" {
		t.Errorf("%+v", fields)
	}
}

func TestV1IsReadAsThePredecessorReadIt(t *testing.T) {
	text := strings.Replace(small, "beampipe.dev/v2", "beampipe.dev/v1", 1)
	text = strings.Replace(text, "  sha256: 56faf68f4e22bab5a5976c081f54ad8c2dd4c17c71d02c9b6843c531d2f9a47b\n", "", 1)
	text = strings.Replace(text, "      dataset_id: {from: filename}\n", "      dataset_id: filename\n      scan_id: {from: did, transform: extract_scan_id}\n      odd: 5\n", 1)
	text = strings.Replace(text, "  id: small", "  id: small\n  owner: me", 1)
	p, report := Load([]byte(text), "old.yaml")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	wantWarnings := []string{CodeLegacyAPIVersion, CodeIgnoredKey, CodeUnpinnedGraph, CodeIgnoredKey, CodeIgnoredKey}
	if diff := cmp.Diff(wantWarnings, codes(report.Warnings)); diff != "" {
		t.Error(diff)
	}
	fields := p.Discovery.PrepareMetadata.FieldMap
	if _, ok := fields["odd"]; ok || fields["dataset_id"].From != "filename" {
		t.Errorf("%+v", fields)
	}
	if v, ok := p.Map(fields["scan_id"], "ivo://x/y#z"); !ok || v != "z" {
		t.Errorf("the alias gives %v %v", v, ok)
	}
}
