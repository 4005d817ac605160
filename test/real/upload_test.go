package real

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
	"beampipe/vo/tap"
	"beampipe/vo/votable"
)

const join = "SELECT u.source, o.filename FROM TAP_UPLOAD.ids AS u JOIN ivoa.obscore AS o ON o.filename LIKE u.source || '\\_%'"

func upload(sources []string) tap.Upload {
	up := tap.Upload{Name: "ids", Fields: []votable.Field{{Name: "source", Datatype: "char", Arraysize: "*"}}}
	for _, source := range sources {
		up.Rows = append(up.Rows, []string{source})
	}
	return up
}

func TestAnUploadedTableIsJoinedSyncAndAsync(t *testing.T) {
	r := theRig(t)
	sources := r.mixed(100)
	want := map[string][]string{}
	for _, source := range sources {
		rows, _ := r.of(source)
		for _, o := range rows {
			want[source] = append(want[source], o.Filename)
		}
		slices.Sort(want[source])
	}
	maps.DeleteFunc(want, func(_ string, files []string) bool { return len(files) == 0 })
	for _, mode := range []tap.Mode{tap.Sync, tap.Async} {
		table, err := client(t, tap.Options{URL: r.url}).Run(t.Context(), tap.Request{ADQL: join, Uploads: []tap.Upload{upload(sources)}, Mode: mode})
		must(t, err)
		got := map[string][]string{}
		for _, row := range table.Rows {
			got[row[0]] = append(got[row[0]], row[1])
		}
		for source := range got {
			slices.Sort(got[source])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
	}
}

func TestAnUploadThatIsTooLargeIsRefusedByThatName(t *testing.T) {
	r := theRig(t)
	var many []string
	for i := range 25_000 { // some 800 kB; sync takes 500 kB
		many = append(many, fmt.Sprintf("HIPASSJ%08d", i))
	}
	adql := "SELECT COUNT(*) AS n FROM TAP_UPLOAD.ids"
	_, err := client(t, tap.Options{URL: r.url}).Run(t.Context(), tap.Request{ADQL: adql, Uploads: []tap.Upload{upload(many)}, Mode: tap.Sync})
	if !errors.Is(err, tap.ErrTooLarge) || !errors.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
	c := client(t, tap.Options{URL: r.url})
	for range 2 { // the first time it is learnt, at the cost of a request
		table, err := c.Run(t.Context(), tap.Request{ADQL: adql, Uploads: []tap.Upload{upload(many)}})
		if err != nil {
			t.Logf("auto: %v", err)
			continue
		}
		if table.Mode != "async" || table.Rows[0][0] != "25000" {
			t.Errorf("%s: %v", table.Mode, table.Rows)
		}
	}
}
