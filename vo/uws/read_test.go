package uws_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/vo/uws"

	"github.com/google/go-cmp/cmp"
)

func at(t *testing.T, text string) *time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return &v
}

// samples gives the directory of the answers that a real service gave.
func samples(t *testing.T) string {
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

func TestAJobDocumentIsReadWhateverItsPrefixAndItsNulls(t *testing.T) {
	for name, doc := range map[string]string{
		"prefixed": `<?xml version="1.0"?><?xml-stylesheet href='/x.xsl'?>
<uws:job version="1.1" xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<uws:jobId> 42 </uws:jobId><uws:runId>mine</uws:runId><uws:ownerId xsi:nil="true">x</uws:ownerId><uws:phase>EXECUTING</uws:phase>
<uws:quote xsi:nil="1"/><uws:creationTime>2026-11-20T19:41:08.25Z</uws:creationTime><uws:startTime>2026-11-20T19:41:09</uws:startTime>
<uws:endTime/><uws:executionDuration>30</uws:executionDuration><uws:destruction>2026-11-22T21:41:08+02:00</uws:destruction>
<uws:parameters><uws:parameter id="query">SELECT 'a' &lt; b</uws:parameter><uws:parameter id="upload" byReference="true">http://a/b</uws:parameter></uws:parameters>
<uws:results><uws:result id="result" xlink:href="results/result" mime-type="text/xml" size="17"/></uws:results></uws:job>`,
		"without namespaces, unknown elements between": `<job><jobInfo><a><phase>ERROR</phase></a></jobInfo><jobId>42</jobId><runId>mine</runId><phase>executing</phase><creationTime>2026-11-20T19:41:08.25</creationTime><startTime>2026-11-20 19:41:09</startTime><executionDuration>30.0</executionDuration><destruction>2026-11-22T19:41:08Z</destruction><quote>tomorrow</quote>
<parameters><parameter id="query"><![CDATA[SELECT 'a' < b]]></parameter><parameter id="upload" byReference="1">http://a/b</parameter></parameters><results><result id="result" href=" results/result " mime-type="text/xml" size="17"></result></results></job>`,
	} {
		got, err := uws.ReadJob(strings.NewReader(doc))
		want := uws.Job{
			ID: "42", RunID: "mine", Phase: uws.Executing, Created: at(t, "2026-11-20T19:41:08.25Z"), Started: at(t, "2026-11-20T19:41:09Z"),
			Destruction: at(t, "2026-11-22T19:41:08Z"), ExecutionDuration: 30 * time.Second,
			Parameters: []uws.Parameter{{ID: "query", Value: "SELECT 'a' < b"}, {ID: "upload", Value: "http://a/b", ByReference: true}},
			Results:    []uws.Result{{ID: "result", Href: "results/result", MIMEType: "text/xml", Size: 17}},
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
		if q, ok := got.Parameter("QUERY"); q != "SELECT 'a' < b" || !ok {
			t.Errorf("%s: parameter %q", name, q)
		}
	}
}

func TestAPhaseThatTheStandardDoesNotHaveIsUnknown(t *testing.T) {
	for text, want := range map[string]uws.Phase{"HELD": uws.Held, " suspended\n": uws.Suspended, "ARCHIVED": uws.Archived, "RUNNING": uws.Unknown, "UNKNOWN": uws.Unknown} {
		job, err := uws.ReadJob(strings.NewReader("<job><phase>" + text + "</phase></job>"))
		if err != nil || job.Phase != want {
			t.Errorf("%q: %q, %v", text, job.Phase, err)
		}
	}
	for _, p := range []uws.Phase{uws.Completed, uws.Error, uws.Aborted, uws.Archived} {
		if !p.Terminal() || p.Active() {
			t.Error(p)
		}
	}
	for _, p := range []uws.Phase{uws.Held, uws.Suspended, uws.Unknown} {
		if p.Terminal() || p.Active() {
			t.Error(p)
		}
	}
}

func TestTheResultIsTheNamedOneOrTheOnlyOne(t *testing.T) {
	one, two, result := uws.Result{ID: "1"}, uws.Result{ID: "2"}, uws.Result{ID: "result"}
	for _, tt := range []struct {
		have []uws.Result
		want string
		ok   bool
	}{
		{nil, "", false},
		{[]uws.Result{one}, "1", true},
		{[]uws.Result{one, two}, "", false},
		{[]uws.Result{one, result}, "result", true},
	} {
		if got, ok := (uws.Job{Results: tt.have}).Result("result"); got.ID != tt.want || ok != tt.ok {
			t.Errorf("%v: %v, %v", tt.have, got, ok)
		}
	}
}

func TestWhatIsNoJobDocumentIsUnavailableAndSaysHowItBegins(t *testing.T) {
	for name, tt := range map[string]struct{ doc, want string }{
		"nothing":         {"", "unexpected EOF"},
		"a web page":      {"<!DOCTYPE html><html><head><title>Down</title><style>a{}</style></head><body>for <b>maintenance</b></body></html>", "Down for maintenance"},
		"a page in XHTML": {`<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Down &amp; out</title></head></html>`, "something else: Down & out"},
		"an ERROR":        {`<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">no such job</INFO></RESOURCE></VOTABLE>`, "something else: no such job"},
		"a list":          {`<jobs/>`, "something else"},
		"no phase":        {`<job><jobId>1</jobId></job>`, "no phase"},
		"a null phase":    {`<job xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><phase xsi:nil="true">ERROR</phase></job>`, "no phase"},
		"cut":             {`<job><phase>COMPLETED</phase>`, "unexpected EOF"},
		"malformed":       {`<job><phase>COMPLETED</job>`, "syntax error"},
		"an entity":       {`<!DOCTYPE job [<!ENTITY a "b">]><job><phase>&a;</phase></job>`, "entity"},
		"too long":        {`<job><phase>ERROR</phase>` + strings.Repeat(" ", uws.MaxJobBytes), "longer than"},
		"another charset": {`<?xml version="1.0" encoding="EBCDIC"?><job><phase>ERROR</phase></job>`, "unsupported encoding"},
	} {
		_, err := uws.ReadJob(strings.NewReader(tt.doc))
		if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 1000 {
			t.Errorf("%s: %v; want %q", name, err, tt.want)
		}
	}
}

func TestALatin1DocumentIsRead(t *testing.T) {
	job, err := uws.ReadJob(strings.NewReader("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><job><phase>ERROR</phase><errorSummary hasDetail=\"true\"><message>pas trouv\xe9</message></errorSummary></job>"))
	if err != nil || job.Error != "pas trouvé" || !job.ErrorDetail {
		t.Errorf("%+v, %v", job, err)
	}
}

func TestAListOfJobsIsRead(t *testing.T) {
	got, err := uws.ReadJobs(strings.NewReader(`<u:jobs xmlns:u="http://www.ivoa.net/xml/UWS/v1.0" xmlns:l="http://www.w3.org/1999/xlink" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<u:jobref id="1" l:href="http://a/1"><u:phase>COMPLETED</u:phase><u:runId>r</u:runId><u:creationTime>2026-11-20T19:41:08Z</u:creationTime></u:jobref>
<u:jobref id="2"><u:phase xsi:nil="true"/></u:jobref></u:jobs>`))
	want := []uws.JobRef{{ID: "1", URL: "http://a/1", RunID: "r", Phase: uws.Completed, Created: at(t, "2026-11-20T19:41:08Z")}, {ID: "2", Phase: uws.Unknown}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err := uws.ReadJobs(strings.NewReader(`<jobs/>`)); err != nil || len(got) != 0 {
		t.Errorf("empty: %v, %v", got, err)
	}
}

func TestEveryJobOfTheRealServiceIsRead(t *testing.T) {
	dir := samples(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	phases := map[uws.Phase]int{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.Contains(string(raw), "<uws:job "):
			job, err := uws.ReadJob(strings.NewReader(string(raw)))
			if err != nil || job.ID == "" || job.Created == nil || job.Destruction == nil {
				t.Errorf("%s: %+v, %v", file, job, err)
			}
			if _, ok := job.Parameter("QUERY"); !ok {
				t.Errorf("%s: no query among %v", file, job.Parameters)
			}
			if job.Phase == uws.Error && job.Error == "" {
				t.Errorf("%s: no words", file)
			}
			if _, ok := job.Result("result"); job.Phase == uws.Completed && !ok {
				t.Errorf("%s: no result", file)
			}
			phases[job.Phase]++
		case strings.Contains(string(raw), "<uws:jobs "):
			if refs, err := uws.ReadJobs(strings.NewReader(string(raw))); err != nil || len(refs) != 1 || refs[0].Phase != uws.Completed {
				t.Errorf("%s: %v, %v", file, refs, err)
			}
			phases["list"]++
		case strings.Contains(string(raw), `value="ERROR"`):
			if _, err := uws.ReadJob(strings.NewReader(string(raw))); !errors.Is(err, fault.Unavailable) || uws.Message(raw) == "" {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	want := map[uws.Phase]int{uws.Pending: 1, uws.Completed: 3, uws.Executing: 1, uws.Aborted: 1, uws.Error: 2, "list": 1}
	if diff := cmp.Diff(want, phases); diff != "" {
		t.Error(diff)
	}
}

func FuzzReadJob(f *testing.F) {
	f.Add([]byte(`<u:job xmlns:u="x"><u:jobId>1</u:jobId><u:phase>ERROR</u:phase><u:errorSummary><u:message>m</u:message></u:errorSummary></u:job>`))
	f.Add([]byte(`<job><phase>COMPLETED</phase><executionDuration>1e400</executionDuration><results><result id="a" href="b" size="-1"/></results></job>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		job, err := uws.ReadJob(strings.NewReader(string(doc)))
		if (err == nil) == (job.Phase == "") || err != nil && !errors.Is(err, fault.Unavailable) {
			t.Errorf("%+v, %v", job, err)
		}
		if job.ExecutionDuration < 0 {
			t.Error(job.ExecutionDuration)
		}
	})
}

func FuzzReadJobs(f *testing.F) {
	f.Add([]byte(`<jobs><jobref id="1" href="x"><phase>ERROR</phase></jobref></jobs>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		refs, err := uws.ReadJobs(strings.NewReader(string(doc)))
		if err != nil && !errors.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		for _, ref := range refs {
			if ref.Phase == "" {
				t.Errorf("%+v", ref)
			}
		}
	})
}

func FuzzWords(f *testing.F) {
	f.Add([]byte("<html><script>x</script><b>a</b>"))
	f.Add([]byte(`<VOTABLE><RESOURCE><INFO name="QUERY_STATUS" value="ERROR">x</INFO></RESOURCE></VOTABLE>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if words := uws.Words(body); words == "" || len(words) > uws.MaxWordBytes+8 || strings.ContainsAny(words, "\n\r\x00") {
			t.Errorf("%q", words)
		}
	})
}
