package archive_test

import (
	"fmt"
	"strings"
	"testing"

	"beampipe/vo/archive"
	"beampipe/vo/tap"
	"beampipe/vo/votable"

	"github.com/google/go-cmp/cmp"
)

// TestTheSameRowsComeInEveryWay asks with the project's own client: with an upload and a list, at once
// and as a job, in every serialization.
func TestTheSameRowsComeInEveryWay(t *testing.T) {
	a := open(t, archive.Options{Elsewhere: true})
	fill(t, a)
	upload := tap.Upload{Name: "s", Fields: sourceField, Rows: [][]string{{"HIPASSJ0324-21"}, {"no 'such' one"}}}
	const columns = "SELECT o.filename, o.filesize, o.s_region, o.s_dec FROM "
	asked := map[string]tap.Request{
		"upload": {ADQL: columns + "TAP_UPLOAD.s u JOIN ivoa.obscore o ON o.target_name = u.source_identifier ORDER BY o.filename", Uploads: []tap.Upload{upload}},
		"list":   {ADQL: columns + "ivoa.obscore o WHERE o.target_name IN ('HIPASSJ0324-21', 'no ''such'' one') ORDER BY o.filename"},
	}
	want := [][]string{
		{"HIPASSJ0324-21_A_beam00_10arc_split.ms.tar", "1234567", "", "-0.5"},
		{"HIPASSJ0324-21_A_beam01_10arc_split.ms.tar", "1234567", "", "-0.5"},
	}
	for way, request := range asked {
		for _, mode := range []tap.Mode{tap.Sync, tap.Async} {
			for _, form := range []votable.Serialization{votable.TableData, votable.Binary, votable.Binary2} {
				name := fmt.Sprintf("%s, %s, %s", way, mode, form)
				request.Mode = mode
				table, err := clientOf(t, a, tap.Options{Serialization: form}).Run(t.Context(), request)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if diff := cmp.Diff(want, table.Rows); diff != "" || !strings.EqualFold(table.Mode, string(mode)) {
					t.Errorf("%s: %s %s", name, table.Mode, diff)
				}
			}
		}
	}
	if a.Jobs() != 6 {
		t.Errorf("%d jobs, want 6", a.Jobs())
	}
}
