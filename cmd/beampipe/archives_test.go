package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnArchiveOnTheCommandLineComesBeforeTheEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name  string
		env   string
		flags []string
		want  map[string]string // nil = refused
	}{
		{name: "nothing", want: map[string]string{}},
		{name: "the environment", env: "casda=http://a/tap  vizier=http://b/tap?x=1", want: map[string]string{"casda": "http://a/tap", "vizier": "http://b/tap?x=1"}},
		{name: "both", env: "casda=http://a/tap mine=http://m/tap", flags: []string{"casda=http://c/tap"}, want: map[string]string{"casda": "http://c/tap", "mine": "http://m/tap"}},
		{name: "twice in the environment", env: "casda=http://a casda=http://b"},
		{name: "twice on the command line", flags: []string{"casda=http://a", "casda=http://b"}},
		{name: "without an address", env: "casda="},
		{name: "without a name", flags: []string{"=http://a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &app{archives: tt.flags, getenv: func(name string) string {
				if name == archivesVariable {
					return tt.env
				}
				return ""
			}}
			got, err := a.archiveURLs()
			if (err != nil) != (tt.want == nil) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}
