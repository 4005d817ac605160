package uws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"beampipe/fault"
	"beampipe/vo/uws"

	"github.com/google/go-cmp/cmp"
)

const theJob = "http://a/jobs/7"

func TestAJobIsAwaitedThroughEveryPhase(t *testing.T) {
	for _, tt := range []struct {
		name   string
		phases []string
		want   uws.Phase
		asked  []string // after "GET http://a/jobs/7", the first
	}{
		{"done already", []string{"COMPLETED"}, uws.Completed, nil},
		{"failed already", []string{"ERROR"}, uws.Error, nil},
		{"archived", []string{"ARCHIVED"}, uws.Archived, nil},
		{"executing", []string{"EXECUTING", "COMPLETED"}, uws.Completed, []string{"GET ?PHASE=EXECUTING&WAIT=50"}},
		{"queued, then aborted", []string{"QUEUED", "EXECUTING", "ABORTED"}, uws.Aborted, []string{"GET ?PHASE=QUEUED&WAIT=50", "GET ?PHASE=EXECUTING&WAIT=50"}},
		{"never run", []string{"PENDING", "EXECUTING", "COMPLETED"}, uws.Completed, []string{"POST /phase PHASE=RUN", "GET ?PHASE=PENDING&WAIT=50", "GET ?PHASE=EXECUTING&WAIT=50"}},
		{"held", []string{"HELD", "EXECUTING", "COMPLETED"}, uws.Completed, []string{"POST /phase PHASE=RUN", "GET", "GET ?PHASE=EXECUTING&WAIT=50"}},
		{"suspended", []string{"SUSPENDED", "SUSPENDED", "COMPLETED"}, uws.Completed, []string{"GET", "GET"}},
		{"unknown", []string{"UNKNOWN", "RUNNING", "COMPLETED"}, uws.Completed, []string{"GET", "GET"}},
	} {
		s, c := newService(t, phases(tt.phases...))
		var seen []uws.Phase
		got, err := c.Await(t.Context(), theJob, time.Hour, func(j uws.Job) { seen = append(seen, j.Phase) })
		if err != nil || got.Phase != tt.want || seen[len(seen)-1] != tt.want || len(seen) != len(tt.phases) {
			t.Errorf("%s: %s, %v, seen %v", tt.name, got.Phase, err, seen)
		}
		want := []string{"GET " + theJob}
		for _, a := range tt.asked {
			method, rest, _ := strings.Cut(a, " ")
			want = append(want, method+" "+theJob+rest)
		}
		if diff := cmp.Diff(want, s.asked); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestAServiceThatAnswersEarlyIsNotAskedInALoop(t *testing.T) {
	s, c := newService(t, always(job("EXECUTING")))
	_, err := c.Await(t.Context(), theJob, 10*time.Minute, nil)
	if !errors.Is(err, uws.ErrTooLong) || !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "is EXECUTING after 10m0s") {
		t.Error(err)
	}
	if len(s.asked) > 30 {
		t.Errorf("asked %d times in 10 minutes", len(s.asked))
	}
	var sum time.Duration
	for _, w := range s.waits {
		sum += w
	}
	if sum != 10*time.Minute {
		t.Errorf("waited %s", sum)
	}

	flip := 0 // a service that changes its mind with every answer
	s, c = newService(t, func(int, *http.Request) reply {
		flip++
		return job([]string{"QUEUED", "EXECUTING"}[flip%2])
	})
	if _, err := c.Await(t.Context(), theJob, 10*time.Minute, nil); !errors.Is(err, uws.ErrTooLong) || len(s.asked) > 650 {
		t.Errorf("%v, asked %d times", err, len(s.asked))
	}
}

func TestAServiceThatBlocksIsAskedAgainAtOnceWithinTheBudget(t *testing.T) {
	s, c := newService(t, func(_ int, r *http.Request) reply {
		a := job("EXECUTING")
		var seconds int
		_, _ = fmt.Sscan(r.URL.Query().Get("WAIT"), &seconds)
		a.took = time.Duration(seconds) * time.Second
		return a
	})
	if _, err := c.Await(t.Context(), theJob, 2*time.Minute, nil); !errors.Is(err, uws.ErrTooLong) {
		t.Error(err)
	}
	want := []string{"GET " + theJob, "GET " + theJob + "?PHASE=EXECUTING&WAIT=50", "GET " + theJob + "?PHASE=EXECUTING&WAIT=50", "GET " + theJob + "?PHASE=EXECUTING&WAIT=20"}
	if diff := cmp.Diff(want, s.asked); diff != "" || len(s.waits) != 0 {
		t.Errorf("waits %v\n%s", s.waits, diff)
	}
}

func TestTheLongestPollIsSixtySeconds(t *testing.T) {
	s, _ := newService(t, phases("EXECUTING", "COMPLETED"))
	c := uws.New(uws.Options{Transport: s, MaxPoll: time.Hour})
	if _, err := c.Await(t.Context(), theJob, time.Hour, nil); err != nil || !strings.HasSuffix(s.asked[1], "WAIT=60") {
		t.Errorf("%v, %q", err, s.asked)
	}
}

func TestARequestHasMoreTimeThanTheServiceMayWait(t *testing.T) {
	s, _ := newService(t, phases("EXECUTING", "COMPLETED"))
	var times []time.Duration
	c := uws.New(uws.Options{Timeout: 7 * time.Second, Do: func(r *http.Request, timeout time.Duration) (*http.Response, error) {
		times = append(times, timeout)
		return s.RoundTrip(r)
	}})
	if _, err := c.Await(t.Context(), theJob, time.Hour, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Duration{7 * time.Second, 57 * time.Second}, times); diff != "" {
		t.Error(diff)
	}
}

func TestFailuresThatPassDoNotLoseTheJob(t *testing.T) {
	for name, trouble := range map[string]reply{
		"503":             {code: 503, body: "busy"},
		"429":             {code: 429},
		"a broken line":   {err: errors.New("connection reset by peer")},
		"a web page":      {body: "<html>login</html>"},
		"an ERROR":        {body: `<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">try later</INFO></RESOURCE></VOTABLE>`},
		"a cut document":  {body: "<job><phase>EXEC"},
		"one lost answer": {code: 404},
	} {
		times := 20
		if name == "one lost answer" {
			times = 1
		}
		_, c := newService(t, func(n int, _ *http.Request) reply {
			switch {
			case n == 1:
				return job("EXECUTING")
			case n <= 1+times:
				return trouble
			}
			return job("COMPLETED")
		})
		if got, err := c.Await(t.Context(), theJob, time.Hour, nil); err != nil || got.Phase != uws.Completed {
			t.Errorf("%s: %s, %v", name, got.Phase, err)
		}
	}
}

func TestAJobThatIsGoneIsNotFound(t *testing.T) {
	for _, code := range []int{404, 410} {
		s, c := newService(t, always(reply{code: code}))
		if _, err := c.Await(t.Context(), theJob, time.Hour, nil); !errors.Is(err, fault.NotFound) || len(s.asked) != 2 {
			t.Errorf("%d: %v, asked %d times", code, err, len(s.asked))
		}
	}
}

func TestARefusalEndsTheWaiting(t *testing.T) {
	s, c := newService(t, always(reply{code: 403, body: "not yours"}))
	if _, err := c.Await(t.Context(), theJob, time.Hour, nil); !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "not yours") || len(s.asked) != 1 {
		t.Errorf("%v, asked %d times", err, len(s.asked))
	}
}

func TestAServiceThatDoesNotTakeWAITIsAskedWithoutIt(t *testing.T) {
	n := 0
	s, c := newService(t, func(_ int, r *http.Request) reply {
		if r.URL.RawQuery != "" {
			return reply{code: 400, body: "unknown parameter WAIT"}
		}
		if n++; n == 4 {
			return job("COMPLETED")
		}
		return job("EXECUTING")
	})
	if got, err := c.Await(t.Context(), theJob, time.Hour, nil); err != nil || got.Phase != uws.Completed || len(s.asked) != 5 {
		t.Errorf("%s, %v, asked %q", got.Phase, err, s.asked)
	}
}

func TestLongAnswersThatGetCutAreAskedForShorter(t *testing.T) {
	var polls []string
	_, c := newService(t, func(n int, r *http.Request) reply {
		wait := r.URL.Query().Get("WAIT")
		polls = append(polls, wait)
		switch wait {
		case "50", "25":
			return reply{code: 504}
		case "12":
			return job("COMPLETED")
		}
		return job("EXECUTING")
	})
	if got, err := c.Await(t.Context(), theJob, time.Hour, nil); err != nil || got.Phase != uws.Completed {
		t.Errorf("%s, %v", got.Phase, err)
	}
	if diff := cmp.Diff([]string{"", "50", "25", "12"}, polls); diff != "" {
		t.Error(diff)
	}
}

func TestAJobThatStaysHeldIsGivenUp(t *testing.T) {
	for _, phase := range []string{"HELD", "PENDING"} {
		s, c := newService(t, func(_ int, r *http.Request) reply {
			if r.Method == http.MethodPost {
				return reply{code: 500, body: "no worker"}
			}
			return job(phase)
		})
		_, err := c.Await(t.Context(), theJob, time.Hour, nil)
		if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), phase+" after 10 times PHASE=RUN") || !strings.Contains(err.Error(), "no worker") {
			t.Error(err)
		}
		runs := 0
		for _, a := range s.asked {
			if strings.HasPrefix(a, "POST") {
				runs++
			}
		}
		if runs != 10 {
			t.Errorf("%s: run %d times", phase, runs)
		}
	}
}

func TestAnEndedContextEndsTheWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, c := newService(t, func(n int, _ *http.Request) reply {
		if n == 3 {
			cancel()
		}
		return job("SUSPENDED")
	})
	got, err := c.Await(ctx, theJob, time.Hour, nil)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, fault.Unavailable) || got.Phase != uws.Suspended {
		t.Errorf("%s, %v", got.Phase, err)
	}
}

func TestAClockThatStandsStillDoesNotStopTheBudget(t *testing.T) {
	s, _ := newService(t, always(job("SUSPENDED")))
	c := uws.New(uws.Options{Transport: s, Now: func() time.Time { return time.Time{} }, Wait: func(context.Context, time.Duration) error { return nil }})
	if _, err := c.Await(t.Context(), theJob, time.Hour, nil); !errors.Is(err, uws.ErrTooLong) {
		t.Error(err)
	}
}
