package tap_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"beampipe/fault"
	"beampipe/vo/tap"

	"github.com/google/go-cmp/cmp"
)

// recorded gives the directory of the answers that a real service gave.
func recorded(t testing.TB) string {
	t.Helper()
	shared := os.Getenv("BEAMPIPE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(shared, "rigs", "tap", "samples", "http")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the recorded answers are not here: %v", err)
	}
	return dir
}

func TestTheLimitsOfTheRealServiceAreRead(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(recorded(t), "vosi-capabilities.xml"))
	if err != nil {
		t.Fatal(err)
	}
	f := newFake(t)
	f.capabilities = string(raw)
	got, err := f.client(tap.Options{}).Limits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mode := tap.ModeLimits{
		Output: tap.Limit{Default: 20000, Hard: 20000000, Unit: "row"}, Uploads: tap.Limit{Hard: 20000000, Unit: "byte"},
		ExecutionDuration: tap.TimeLimit{Default: time.Hour}, Retention: tap.TimeLimit{Default: 48 * time.Hour},
	}
	if !got.TAP || !got.Async || !got.Upload || !got.ReadAt.Equal(f.now) {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]tap.ModeLimits{mode, mode}, []tap.ModeLimits{got.Sync, got.AsyncJobs}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"ADQL-2.0", "ADQL-2.1"}, got.Languages); diff != "" {
		t.Error(diff)
	}
	if len(got.Functions) != 25 || got.Functions[0] != "gavo_getauthority(ivoid TEXT) -> TEXT" || len(got.Formats) != 16 || got.Features[0] != "adqlgeo BOX" {
		t.Errorf("%d functions %q, %d formats, features %q", len(got.Functions), got.Functions, len(got.Formats), got.Features)
	}
}

func TestLimitsThatAreNotSaidAreZero(t *testing.T) {
	const xsi = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`
	for _, tt := range []struct {
		name, doc string
		want      tap.Limits
	}{
		{"nothing", `<capabilities/>`, tap.Limits{}},
		{"no TAP", `<capabilities><capability standardID="ivo://ivoa.net/std/SSA"><uploadMethod ivo-id="x#upload-inline"/></capability></capabilities>`, tap.Limits{}},
		{"TAP alone", `<capabilities><capability standardID=" IVO://ivoa.net/std/TAP "/></capabilities>`, tap.Limits{TAP: true, Async: true}},
		{"a version in its name", `<capabilities><capability standardID="ivo://ivoa.net/std/TAP#aux-1.1"/></capabilities>`, tap.Limits{TAP: true, Async: true}},
		{"a namespace of another version", `<c:capabilities xmlns:c="http://www.ivoa.net/xml/VOSICapabilities/v9.9"><capability standardID="ivo://ivoa.net/std/TAP"/></c:capabilities>`, tap.Limits{TAP: true, Async: true}},
		{"interfaces one by one", `<capabilities` + xsi + `><capability standardID="ivo://ivoa.net/std/TAP"><interface xsi:type="uws:Sync"/><interface xsi:type="uws:Async"/></capability></capabilities>`, tap.Limits{TAP: true, Async: true}},
		{"synchronous ones alone", `<capabilities` + xsi + `><capability standardID="ivo://ivoa.net/std/TAP"><interface xsi:type="uws:Sync"/></capability></capabilities>`, tap.Limits{TAP: true}},
		{"nonsense", `<capabilities><capability standardID="ivo://ivoa.net/std/TAP"><outputLimit><default unit="row">many</default><hard unit="row">-1</hard></outputLimit><retentionPeriod/><executionDuration><hard>99999999999999999999</hard></executionDuration></capability></capabilities>`, tap.Limits{TAP: true, Async: true}},
		{
			"modes of their own", `<capabilities><capability standardID="ivo://ivoa.net/std/TAP"><outputLimit forMode="sync"><hard unit="byte">7</hard></outputLimit><outputLimit><default>5</default></outputLimit><uploadLimit forMode="ASYNC"><hard>9</hard></uploadLimit><executionDuration forMode="sync"><default>60</default></executionDuration></capability></capabilities>`,
			tap.Limits{
				TAP: true, Async: true,
				Sync:      tap.ModeLimits{Output: tap.Limit{Hard: 7, Unit: "byte"}, ExecutionDuration: tap.TimeLimit{Default: time.Minute}},
				AsyncJobs: tap.ModeLimits{Output: tap.Limit{Default: 5, Unit: "row"}, Uploads: tap.Limit{Hard: 9, Unit: "byte"}},
			},
		},
	} {
		f := newFake(t)
		f.capabilities = tt.doc
		got, err := f.client(tap.Options{}).Limits(t.Context())
		tt.want.ReadAt = f.now
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, diff)
		}
		if got.Of(tap.Auto) != got.Sync || got.Of(tap.Async) != got.AsyncJobs {
			t.Error("limits of another mode")
		}
	}
}

func TestLimitsAreReadOnceADayAndFailuresOnceAMinute(t *testing.T) {
	f := newFake(t)
	c := f.client(tap.Options{})
	for range 3 {
		_, err := c.Limits(t.Context())
		wantKind(t, err, fault.Unavailable, "HTTP 404")
	}
	f.capabilities = "<html><title>Login</title></html>"
	f.now = f.now.Add(time.Minute)
	_, err := c.Limits(t.Context())
	wantKind(t, err, fault.Unavailable, "Login")
	f.capabilities = capabilities()
	f.now = f.now.Add(time.Minute)
	for range 3 {
		if _, err := c.Limits(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.now = f.now.Add(7 * time.Hour)
	}
	if n := f.count("GET /tap/capabilities"); n != 3 {
		t.Errorf("asked %d times", n)
	}
	f.now = f.now.Add(4 * time.Hour)
	if _, err := c.Limits(t.Context()); err != nil || f.count("GET /tap/capabilities") != 4 {
		t.Error(err)
	}
}

func TestCallersThatWantTheLimitsAtOnceAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{canned: canned{code: 200, body: []byte(capabilities())}, open: make(chan struct{})}
		c, err := tap.New(tap.Options{URL: "http://a/tap", Transport: g})
		if err != nil {
			t.Fatal(err)
		}
		hasty, stop := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := c.Limits(hasty); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 5 {
			wait.Go(func() {
				if l, err := c.Limits(t.Context()); err != nil || !l.TAP {
					t.Errorf("%+v, %v", l, err)
				}
			})
		}
		synctest.Wait()
		stop() // the first one's haste is its own affair
		synctest.Wait()
		close(g.open)
		wait.Wait()
		if s := c.Stats(); s.Requests != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTheTablesOfTheRealServiceAreRead(t *testing.T) {
	f := newFake(t)
	f.other = func(r *http.Request) (reply, bool) {
		raw, err := os.ReadFile(filepath.Join(recorded(t), "vosi-tables.xml"))
		if err != nil {
			t.Fatal(err)
		}
		return reply{body: string(raw)}, r.URL.Path == "/tap/tables"
	}
	c := f.client(tap.Options{})
	var got []tap.SchemaTable
	for range 2 {
		var err error
		if got, err = c.Tables(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.asked) != 1 {
		t.Errorf("asked %q", f.asked)
	}
	names := map[string]int{}
	for _, table := range got {
		names[table.Schema+" "+table.Name] = len(table.Columns)
	}
	if names["casda casda.observation_evaluation_file"] != 5 || names["ivoa ivoa.obscore"]+names["ivoa ivoa.ObsCore"] < 20 {
		t.Errorf("%v", names)
	}
	want := []tap.SchemaColumn{
		{Name: "sbid", Description: "Scheduling block", UCD: "meta.id", Datatype: "long", Flags: []string{"indexed"}},
		{Name: "format", Description: "Kind of file", UCD: "meta.code", Datatype: "char", Arraysize: "*", Flags: []string{"nullable"}},
	}
	if diff := cmp.Diff(want, got[0].Columns[:2]); diff != "" {
		t.Error(diff)
	}
}

func TestTablesMayBeElsewhereOrNotAtAll(t *testing.T) {
	const list = `<v:tableset xmlns:v="x"><schema><table><name>t</name><title>T  t</title></table></schema></v:tableset>`
	elsewhere := func(url string) string {
		return fmt.Sprintf(`<capabilities><capability standardID="ivo://ivoa.net/std/VOSI#tables-1.1"><interface><accessURL use="full"> %s </accessURL></interface></capability></capabilities>`, url)
	}
	for _, tt := range []struct {
		name, capabilities string
		tables             reply
		words              string // "" is a list
	}{
		{"beside the service", "", reply{body: list}, ""},
		{"elsewhere", elsewhere("http://archive.example/there"), reply{code: 404}, ""},
		{"nowhere", "<capabilities/>", reply{code: 404}, "does not list its tables"},
		{"in a file", elsewhere("file:///etc/passwd"), reply{code: 404}, "does not list its tables"},
		{"no capabilities", "", reply{code: 404}, "HTTP 404"},
		{"failing", "", reply{code: 500, body: "oops"}, "HTTP 500: oops"},
		{"a web page", "", reply{body: "<html><title>Login</title></html>"}, "begins: Login"},
		{"cut", "", reply{body: list[:40]}, "not a tables document"},
		{"empty", "", reply{}, "unexpected EOF"},
	} {
		f := newFake(t)
		f.capabilities = tt.capabilities
		f.other = func(r *http.Request) (reply, bool) {
			if r.URL.Path == "/there" {
				return reply{body: list}, true
			}
			return tt.tables, r.URL.Path == "/tap/tables"
		}
		got, err := f.client(tap.Options{}).Tables(t.Context())
		if tt.words != "" {
			wantKind(t, err, fault.Unavailable, tt.words)
			continue
		}
		if diff := cmp.Diff([]tap.SchemaTable{{Name: "t", Description: "T t", Columns: []tap.SchemaColumn{}}}, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, diff)
		}
	}
}

// FuzzDocuments holds that what an archive says about itself is read or refused, never more.
func FuzzDocuments(f *testing.F) {
	f.Add([]byte(capabilities(inline, `<outputLimit><hard unit="row">7</hard></outputLimit>`)))
	f.Add([]byte(`<tableset><schema><name>s</name><table type="view"><name>t</name><column><name>c</name><dataType arraysize="*">char</dataType></column></table></schema></tableset>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		c, err := tap.New(tap.Options{URL: "http://archive.invalid/tap", Transport: canned{code: 200, body: doc}})
		if err != nil {
			t.Fatal(err)
		}
		l, err := c.Limits(t.Context())
		if err != nil && !errors.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		for _, m := range []tap.ModeLimits{l.Sync, l.AsyncJobs} {
			if m.Output.Hard < 0 || m.Uploads.Hard < 0 || m.ExecutionDuration.Hard < 0 || m.Retention.Default < 0 {
				t.Errorf("%+v", m)
			}
		}
		if _, err := c.Tables(t.Context()); err != nil && (!errors.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%q", err)
		}
	})
}
