package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"beampipe/fault"
	"beampipe/provenance"
)

func TestAnExecutionIsFoundByWhatItWasMadeFrom(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"A", "B"} {
		f.discover(name, OutcomeChanged, "s1")
	}
	a := f.admit("A")
	both := f.admit("B")
	dataset, evaluation := Input{InputDataset, "beam00.ms"}, Input{InputEvaluation, "cal.tar"}
	f.write(func(tx *Tx) error {
		if err := tx.AddInputs(a.ID, []ExecutionInput{{dataset, a.Sources[0].SourceID}, {evaluation, a.Sources[0].SourceID}}); err != nil {
			return err
		}
		// The same dataset under two of its sources, and again: it is one execution of it all the same.
		list := []ExecutionInput{{dataset, 1}, {dataset, 2}, {dataset, 2}}
		return tx.AddInputs(both.ID, list)
	})
	for name, tt := range map[string]struct {
		in   Input
		want []string
	}{
		"an SBID of both": {Input{InputSBID, a.Sources[0].SBIDs[0]}, []string{both.ID, a.ID}},
		"a dataset":       {dataset, []string{both.ID, a.ID}},
		"an evaluation":   {evaluation, []string{a.ID}},
		"nobody's":        {Input{InputSBID, "9"}, nil},
	} {
		got, err := f.view().ExecutionsOf(tt.in, project, "", 10)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v %v, want %v", name, got, err, tt.want)
		}
		list, err := f.view().Executions(ExecutionFilter{Input: &tt.in, Project: project})
		if err != nil || len(list) != len(tt.want) {
			t.Errorf("%s: the list has %d, %v", name, len(list), err)
		}
	}
	if got, err := f.view().ExecutionsOf(dataset, "another", "", 10); len(got) != 0 || err != nil {
		t.Errorf("of another project: %v %v", got, err)
	}
	if got, err := f.view().ExecutionsOf(dataset, "", both.ID, 10); !slices.Equal(got, []string{a.ID}) || err != nil {
		t.Errorf("the next page: %v %v", got, err)
	}
	if list, err := f.view().Executions(ExecutionFilter{Input: &dataset, Source: "A"}); err != nil || len(list) != 1 || list[0].ID != a.ID {
		t.Errorf("with a source: %v %v", list, err)
	}
	if list, err := f.view().Inputs(a.ID); err != nil || len(list) != 3 || list[0].Input != dataset || list[2].Kind != InputSBID {
		t.Errorf("%v %v", list, err)
	}
	_, err := f.view().ExecutionsOf(Input{"beam", "1"}, "", "", 1)
	wantKind(t, err, fault.Invalid, `"beam"`)
	_, err = f.view().ExecutionsOf(Input{InputSBID, ""}, "", "", 1)
	wantKind(t, err, fault.Invalid, "which sbid")
}

func TestAWithdrawnProductIsMarkedAndNothingElse(t *testing.T) {
	f := newFixture(t)
	f.discover("A", OutcomeChanged, "s1")
	e := f.admit("A")
	made := []Product{{Path: "a.fits", SHA256: "aa", Bytes: 1, URI: "file:///runs/a.fits"}, {Path: "b.fits", SHA256: "bb", Bytes: 2}, {Path: "c.fits", SHA256: "aa", Bytes: 1}}
	f.write(func(tx *Tx) error { return tx.AddProducts(e.ID, 1, made) })
	f.write(func(tx *Tx) error { return tx.AddProducts(e.ID, 1, made) }) // again: no change
	list := func(filter ProductFilter) []Product {
		t.Helper()
		got, err := f.view().Products(filter)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	all := list(ProductFilter{Execution: e.ID})
	if len(all) != 3 || all[0].Path != "a.fits" || all[0].URI != made[0].URI {
		t.Fatalf("%+v", all)
	}
	mark := func(what func(tx *Tx) (int, error), want int) {
		t.Helper()
		f.write(func(tx *Tx) error {
			n, err := what(tx)
			if err == nil && n != want {
				err = fmt.Errorf("%d were marked, want %d", n, want)
			}
			return err
		})
	}
	withdraw := func(list []Product) func(tx *Tx) (int, error) {
		return func(tx *Tx) (int, error) {
			return tx.WithdrawProducts(list, map[string]any{"sbid": "1"}, "bad calibration", person)
		}
	}
	mark(withdraw(all[:1]), 1)
	mark(withdraw(all[:1]), 0)
	mark(withdraw(all), 2)
	if got := list(ProductFilter{Withdrawn: true}); len(got) != 3 || got[0].Withdrawn.By != person || got[0].Withdrawn.Reason != "bad calibration" {
		t.Errorf("%+v", got)
	}
	mark(func(tx *Tx) (int, error) { return tx.RestoreProducts(all, nil, "it was good", person) }, 3)
	if got := list(ProductFilter{Withdrawn: true}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	var told []string
	for _, kind := range []string{provenance.ProductWithdrawn, provenance.ProductRestored} {
		events, err := f.view().Events(EventFilter{Type: kind})
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range events {
			told = append(told, string(event.Payload))
		}
	}
	want := []string{
		`{"attempt":1,"paths":["a.fits"],"products":1,"reason":"bad calibration","sbid":"1"}`,
		`{"attempt":1,"paths":["b.fits","c.fits"],"products":2,"reason":"bad calibration","sbid":"1"}`,
		`{"all":true,"attempt":1,"products":3,"reason":"it was good"}`,
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := list(ProductFilter{SHA256: "aa", Newest: true, Limit: 1}); len(got) != 1 || got[0].Path != "c.fits" {
		t.Errorf("%+v", got)
	} else if got := list(ProductFilter{SHA256: "aa", Newest: true, After: &got[0]}); len(got) != 1 || got[0].Path != "a.fits" {
		t.Errorf("the next page: %+v", got)
	}
	verify(t, f.Ledger)
	_, err := f.view().Products(ProductFilter{Path: "nothing"})
	if err != nil {
		t.Error(err)
	}
	db := f.raw()
	for name, query := range map[string]string{
		"product: update": "UPDATE products SET sha256 = 'x'", "product: delete": "DELETE FROM products",
		"product: replace":   "REPLACE INTO products (execution, attempt, path, sha256, bytes) SELECT execution, attempt, path, 'x', 1 FROM products",
		"an input: update":   "UPDATE execution_inputs SET value = 'x'",
		"an input: delete":   "DELETE FROM execution_inputs",
		"an input of nobody": "INSERT INTO execution_inputs VALUES ('sbid', '1', 'nobody', 1)",
		"a kind of its own":  "INSERT INTO execution_inputs SELECT 'beam', '1', execution, 1 FROM execution_inputs",
	} {
		if n, err := rolledBack(t, db, query); err == nil {
			t.Errorf("%s: %d rows, want an error", name, n)
		}
	}
}

// secondDocuments are an execution of the second schema whose manifest and products stand in documents alone.
const secondDocuments = `
	INSERT INTO project_configs VALUES ('other', 1, 'c1', '{"discovery":{"prepare_metadata":{"evaluation":{"filename":"eval"},"field_map":{"more":{"from":"x","transform":["pick"]}}}},"definitions":{"transforms":{"pick":{"kind":"select_eval_file_by_size"}}}}', x'00', 'o.yaml', NULL, '', '2026-01-01T00:00:00.000Z', 'user:ada');
	INSERT INTO projects (project, revision, created_at) VALUES ('other', 1, '2026-01-01T00:00:00.000Z');
	INSERT INTO profile_revisions VALUES ('here', 1, 'p1', '{}', '2026-01-01T00:00:00.000Z', 'user:ada');
	INSERT INTO sources (id, project, identifier, registered_at, registered_by, next_due_at) VALUES (7, 'other', 'S', '2026-01-01T00:00:00.000Z', 'user:ada', '2026-01-06T00:00:00.000Z');`

func TestWhatStandsInDocumentsOfTheSecondSchemaIsReadOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "second.db")
	files := fstest.MapFS{}
	for _, name := range []string{"00001_ledger.sql", "00002_discovery.sql"} {
		script, err := migrationFiles.ReadFile("migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: script}
	}
	if err := migrateWith(context.Background(), path, Options{}, files); err != nil {
		t.Fatal(err)
	}
	const runs = fillLot + 1
	db, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(secondDocuments); err != nil {
		t.Fatal(err)
	}
	manifest := pack(t, `{"sources":[{"source_identifier":"S","sbids":[{"sbid":"100","datasets":[{"dataset_id":"d1","eval":"cal.tar"},{"visibility_filename":"d2","more":"more.tar"}]}]}]}`)
	products := pack(t, `{"products":[{"path":"a/b.fits","bytes":5,"sha256":"beef","drop":"oid"}]}`)
	damaged := pack(t, "damaged")
	damaged.data = []byte("junk")
	for _, p := range []Packed{manifest, products, damaged} {
		if _, err := db.Exec("INSERT INTO artifacts VALUES (?, ?, ?, ?, '2026-01-05T00:00:00.000Z')", p.SHA256, p.MediaType, p.Size, p.data); err != nil {
			t.Fatal(err)
		}
	}
	id := func(i int) string { return fmt.Sprintf("01930000-0000-7000-8000-%012d", i) }
	for i := range runs {
		if _, err := db.Exec(`INSERT INTO batch_execution_record (uuid, project, config_revision, profile, profile_revision, status, attempt, version, discovery_signature, created_at, created_by, updated_at)
			VALUES (?, 'other', 1, 'here', 1, 'pending', 1, 1, 'c', '2026-01-05T00:00:00.000Z', 'user:ada', '2026-01-05T00:00:00.000Z')`, id(i)); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`INSERT INTO execution_sources (execution, source_id, project, identifier, sbids, signature, active) VALUES (?, 7, 'other', 'S', '["100", "101"]', 's', 0)`, id(i)); err != nil {
			t.Fatal(err)
		}
	}
	for kind, attached := range map[string]string{ArtifactManifest: manifest.SHA256, ArtifactProducts: products.SHA256} {
		if _, err := db.Exec(`INSERT INTO execution_artifacts SELECT uuid, ?, 1, ?, '2026-01-05T00:00:00.000Z' FROM batch_execution_record WHERE uuid <> ?`, kind, attached, id(3)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Exec(`INSERT INTO execution_artifacts VALUES (?, 'manifest', 1, ?, '2026-01-05T00:00:00.000Z')`, id(3), damaged.SHA256); err != nil {
		t.Fatal(err)
	}
	db.Close()

	for range 2 { // the second time there is nothing to read
		l, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		v := l.View(context.Background())
		for value, want := range map[Input]int{
			{InputSBID, "100"}: runs, {InputSBID, "101"}: runs, {InputDataset, "d1"}: runs - 1, {InputDataset, "d2"}: runs - 1,
			{InputEvaluation, "cal.tar"}: runs - 1, {InputEvaluation, "more.tar"}: runs - 1, {InputDataset, "d3"}: 0,
		} {
			if got, err := v.ExecutionsOf(value, "other", "", 1000); len(got) != want || err != nil {
				t.Errorf("%v: %d executions, %v, want %d", value, len(got), err, want)
			}
		}
		list, err := v.Products(ProductFilter{SHA256: "beef"})
		if err != nil || len(list) != runs-1 || list[0].Path != "a/b.fits" || list[0].Drop != "oid" {
			t.Errorf("%d products, %v", len(list), err)
		}
		if _, unread, err := v.unreadAfter(); unread || err != nil {
			t.Errorf("not all was read: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
