package tap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"beampipe/fault"
	"beampipe/vo/tap"
)

func TestACredentialIsSentToTheArchiveItselfAlone(t *testing.T) {
	for _, tt := range []struct {
		base, to string
		want     bool // to gets the credential too
	}{
		{"http://archive.example/tap", "/elsewhere", true},
		{"http://archive.example:80/tap", "http://ARCHIVE.example/x", true},
		{"http://archive.example/tap", "https://archive.example/x", true},
		{"http://archive.example/tap", "http://archive.example:8080/x", false},
		{"http://archive.example/tap", "https://archive.example:8443/x", false},
		{"http://archive.example/tap", "http://files.archive.example/x", false},
		{"http://archive.example/tap", "http://other.example/x", false},
	} {
		for _, mode := range []tap.Mode{tap.Sync, tap.Async} {
			f := newFake(t)
			sent := map[string]string{}
			f.other = func(r *http.Request) (reply, bool) {
				sent[r.URL.Path] = r.Header.Get("Authorization")
				switch {
				case r.URL.Path == "/tap/sync", strings.HasSuffix(r.URL.Path, "/result"):
					return reply{code: 303, header: map[string]string{"Location": tt.to}}, true
				case r.URL.Path == "/x" || r.URL.Path == "/elsewhere":
					return reply{body: good}, true
				}
				return reply{}, false
			}
			c := f.client(tap.Options{URL: tt.base, Mode: mode, Credentials: func(context.Context) (*tap.Credential, error) {
				return &tap.Credential{Kind: tap.BearerCredential, Secret: "hunter2"}, nil
			}})
			if _, err := c.Query(t.Context(), "q"); err != nil {
				t.Fatalf("%+v %s: %v", tt, mode, err)
			}
			if got := sent["/x"] + sent["/elsewhere"]; got != map[bool]string{true: "Bearer hunter2"}[tt.want] {
				t.Errorf("%+v %s: %q", tt, mode, got)
			}
			for path, got := range sent {
				if path != "/x" && got != "Bearer hunter2" {
					t.Errorf("%+v %s: %s got %q", tt, mode, path, got)
				}
			}
		}
	}
}

func TestEveryKindOfCredentialHasItsHeader(t *testing.T) {
	for _, tt := range []struct {
		credential *tap.Credential
		want       string
		words      string // of the refusal
	}{
		{&tap.Credential{Kind: "basic", User: "anna", Secret: "hunter2"}, "Basic YW5uYTpodW50ZXIy", ""},
		{&tap.Credential{Kind: "bearer", Secret: "hunter2"}, "Bearer hunter2", ""},
		{&tap.Credential{Kind: "cookie", Secret: "sid=hunter2"}, "sid=hunter2", ""},
		{nil, "", ""},
		{&tap.Credential{Kind: "bearer"}, "", "no secret"},
		{&tap.Credential{Kind: "bearer", Secret: "hunter2\n"}, "", "control character"},
		{&tap.Credential{Kind: "basic", User: "a:b", Secret: "hunter2"}, "", "colon"},
		{&tap.Credential{Kind: "cookie", Secret: "hunter2"}, "", "name=value"},
		{&tap.Credential{Kind: "digest", Secret: "hunter2"}, "", `"digest" is none of`},
	} {
		f := newFake(t)
		got := ""
		f.other = func(r *http.Request) (reply, bool) {
			got = r.Header.Get("Authorization") + r.Header.Get("Cookie")
			return reply{}, false
		}
		_, err := f.client(tap.Options{Retries: 2, Credentials: func(context.Context) (*tap.Credential, error) { return tt.credential, nil }}).Query(t.Context(), "q")
		if (err != nil) != (tt.words != "") || got != tt.want || err != nil && (!errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.words)) {
			t.Errorf("%v: %q, %v", tt.credential, got, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v %v", tt.credential, tt.credential, tt.credential, err), "hunter2") {
			t.Errorf("the secret is shown: %v", err)
		}
		if tt.words != "" && (len(f.asked) != 0 || len(f.waits) != 0) {
			t.Errorf("%v: asked %q, waited %v", tt.credential, f.asked, f.waits)
		}
	}
}

func TestACredentialThatCannotBeHadIsAnErrorAndNothingIsAsked(t *testing.T) {
	for _, tt := range []struct {
		err  error
		kind fault.Kind
	}{
		{errors.New("no such file"), fault.Invalid},
		{fault.New(fault.NotFound, "credential casda: the environment has no CASDA_TOKEN", "set it"), fault.NotFound},
	} {
		f := newFake(t)
		c := f.client(tap.Options{Retries: 2, Credentials: func(context.Context) (*tap.Credential, error) { return nil, tt.err }})
		_, err := c.Query(t.Context(), "q")
		if fault.KindOf(err) != tt.kind || !errors.Is(err, tt.err) || len(f.asked) != 0 || len(f.waits) != 0 {
			t.Errorf("%v, asked %q", err, f.asked)
		}
		if err := c.Available(t.Context()); !errors.Is(err, tt.err) {
			t.Error(err)
		}
	}
}

func TestASecretThatAnErrorPageShowsIsNotShownByUs(t *testing.T) {
	for _, tt := range []struct {
		credential tap.Credential
		mode       tap.Mode
		answer     reply
	}{
		{tap.Credential{Kind: "bearer", Secret: "hunter2"}, tap.Sync, reply{code: 400, body: "you sent Authorization: Bearer hunter2"}},
		{tap.Credential{Kind: "basic", User: "u", Secret: "hunter2"}, tap.Sync, reply{code: 500, body: "you sent dTpodW50ZXIy (hunter2)"}},
		{tap.Credential{Kind: "cookie", Secret: "sid=hunter2"}, tap.Async, reply{code: 403, body: "sid=hunter2 is too old"}},
		{tap.Credential{Kind: "bearer", Secret: "hunter2"}, tap.Sync, reply{body: "<html>Bearer hunter2 is too old", header: map[string]string{"Content-Type": "text/html"}}},
	} {
		f := newFake(t)
		f.other = func(*http.Request) (reply, bool) { return tt.answer, true }
		_, err := f.client(tap.Options{Mode: tt.mode, Credentials: func(context.Context) (*tap.Credential, error) { return &tt.credential, nil }}).Query(t.Context(), "q")
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "dTpodW50ZXIy") || !strings.Contains(err.Error(), "***") {
			t.Error(err)
		}
	}
}
