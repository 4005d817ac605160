package tap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"beampipe/fault"
	"beampipe/vo/uws"
)

// Jobs keeps the addresses of jobs that run, so that a later process goes on with them. Its errors
// end the question that they meet.
type Jobs interface {
	// Job gives the address kept for a key, "" for none.
	Job(ctx context.Context, key string) (url string, err error)
	// Keep is called before a job runs. It replaces what was kept for the key.
	Keep(ctx context.Context, key, archive, url string) error
	// Forget is called when a job is of no use any more. A key that is not kept is no error.
	Forget(ctx context.Context, key string) error
}

// lookUp finds the job that an earlier process left for a question, where it can still be used: one that
// is still at work, or that ended no longer than MaxWait ago.
func (c *Client) lookUp(ctx context.Context, q *question) error {
	q.looked = true
	if c.options.Jobs == nil {
		return nil
	}
	what := fmt.Sprintf("look for a job of %s", c.Name())
	address, err := c.options.Jobs.Job(ctx, q.key)
	if err != nil {
		return fault.Wrap(kindOr(err, fault.Unavailable), err, what, "")
	}
	if address == "" {
		return nil
	}
	job, err := c.uws.Get(ctx, address)
	switch {
	case stopped(ctx, err):
		return err
	case errors.Is(err, fault.Unavailable): // it may well be there: Await has the patience
		q.job, q.resumed = address, true
		return nil
	case err != nil, job.Phase == uws.Archived, job.Phase == uws.Aborted: // gone, or not ours any more
		return c.forget(ctx, q, what)
	case !q.isOf(job), c.outdated(job):
		c.discard(ctx, address, job.Phase)
		return c.forget(ctx, q, what)
	}
	q.job, q.resumed = address, true
	return nil
}

func (c *Client) forget(ctx context.Context, q *question, what string) error {
	err := c.options.Jobs.Forget(ctx, q.key)
	return fault.Wrap(kindOr(err, fault.Unavailable), err, what, "")
}

func kindOr(err error, other fault.Kind) fault.Kind {
	if kind := fault.KindOf(err); kind != "" {
		return kind
	}
	return other
}

// isOf holds unless a job says that it runs another query: then one key was used for two requests.
func (q *question) isOf(job uws.Job) bool {
	query, said := job.Parameter("QUERY")
	return !said || strings.TrimSpace(query) == "" || flat(query) == flat(q.adql)
}

// outdated holds for the result of a job that ended too long ago to be an answer to a question asked now.
func (c *Client) outdated(job uws.Job) bool {
	return job.Phase == uws.Completed && job.Ended != nil && c.options.Now().Sub(*job.Ended) > c.options.MaxWait
}

// attemptAsync asks with a job: makes it or goes on with the one there is, waits for its end, reads
// its result, and deletes it.
func (c *Client) attemptAsync(ctx context.Context, q *question, s sink) (given bool, err error) {
	if q.job == "" {
		if failed := c.create(ctx, q); failed != nil {
			return false, failed
		}
	}
	begun := c.options.Now()
	job, err := c.uws.Await(ctx, q.job, c.options.MaxWait, nil)
	if err != nil {
		return false, c.jobLost(ctx, q, err)
	}
	if job.Phase != uws.Completed {
		return false, c.jobFailed(ctx, q, job)
	}
	if !q.resumed {
		c.lately.answered(c.options.Now().Sub(begun), c.options.Timeout, false)
	}
	given, err = c.result(ctx, q, job, s)
	var failed *failure
	switch {
	case errors.As(err, &failed) && (failed.code == http.StatusNotFound || failed.code == http.StatusGone):
		err = c.jobLost(ctx, q, fault.Wrap(fault.NotFound, failed.err, "its result is not there", ""))
	case failed != nil && failed.transient, stopped(ctx, err):
		// The job stays: the next attempt only needs its result.
	default:
		c.drop(ctx, q, job.Phase)
	}
	return given, err
}

// create makes a job, keeps its address, and runs it.
//
// The job is kept before it runs, and never run by the request that makes it: when the answer with
// its address is lost, or we are stopped before it is kept, the service has a job that nobody ran,
// which costs it nothing and which it deletes in time. So no question ever runs twice at once.
func (c *Client) create(ctx context.Context, q *question) *failure {
	what := c.doing(Async)
	contentType, body, err := q.form(c.options.Serialization)
	if err != nil {
		return &failure{err: fault.Wrap(fault.Invalid, err, what, "")}
	}
	address, err := c.uws.Create(ctx, c.base+"/async", contentType, body)
	if err != nil {
		return c.notCreated(q, err, what)
	}
	if c.options.Jobs != nil {
		if err := c.options.Jobs.Keep(ctx, q.key, c.Name(), address); err != nil {
			c.discard(ctx, address, uws.Pending)
			return &failure{err: fault.Wrap(kindOr(err, fault.Unavailable), err, what+": keep the job's address; nothing was run", "")}
		}
	}
	q.job, q.resumed = address, false
	// Whether this wish arrived, the job's phase tells: Await runs a job that is still pending.
	_ = c.uws.Run(ctx, address)
	return nil
}

// notCreated judges why there is no job.
func (c *Client) notCreated(q *question, err error, what string) *failure {
	var refusal *uws.AnswerError
	if !errors.As(err, &refusal) {
		transient := errors.Is(err, fault.Unavailable) && !errors.Is(err, ErrCircuitOpen)
		return &failure{err: fault.Wrap(kindOr(err, fault.Unavailable), err, what, nothingKnown), transient: transient}
	}
	if refusal.Code >= 200 && refusal.Code < 300 {
		return c.refusedInWords(uws.Words(refusal.Body), q, what)
	}
	f := c.judge(refusal.Code, refusal.Header, refusal.Body, q, what)
	switch refusal.Code {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		f.noAsync = true
	}
	return f
}

// jobLost judges an error of waiting for a job.
func (c *Client) jobLost(ctx context.Context, q *question, err error) *failure {
	what := c.doing(Async)
	if stopped(ctx, err) {
		return &failure{err: fault.Wrap(fault.Unavailable, err, what, nothingKnown)}
	}
	if errors.Is(err, fault.NotFound) {
		c.drop(ctx, q, uws.Archived)
		return &failure{err: fault.Wrap(fault.Unavailable, err, what+": the archive lost the job", nothingKnown), transient: true}
	}
	c.drop(ctx, q, uws.Unknown)
	return &failure{err: fault.Wrap(kindOr(err, fault.Unavailable), err, what, "")}
}

// jobFailed judges a job that ended without a result, and takes it off the service.
func (c *Client) jobFailed(ctx context.Context, q *question, job uws.Job) *failure {
	what := fmt.Sprintf("%s: job %s is %s", c.doing(Async), job.URL, job.Phase)
	words := job.Error
	if words == "" || job.ErrorDetail {
		if text := c.uws.ErrorText(ctx, job.URL); text != "" {
			words = text
		}
	}
	c.drop(ctx, q, job.Phase)
	switch job.Phase {
	case uws.Error:
		return c.refusedInWords(uws.Words([]byte(words)), q, what)
	case uws.Aborted:
		what += ", stopped by the archive or by another client"
	case uws.Archived:
		what += ": its result is deleted"
	}
	if words != "" {
		what += ": " + uws.Words([]byte(words))
	}
	return &failure{err: fault.New(fault.Unavailable, what, nothingKnown)}
}

// result reads what a completed job gives.
func (c *Client) result(ctx context.Context, q *question, job uws.Job, s sink) (given bool, err error) {
	address := strings.TrimRight(job.URL, "/") + "/results/result" // where TAP has it, for a job that does not tell
	if r, ok := job.Result("result"); ok && r.Href != "" {
		address = r.Href
	}
	what := fmt.Sprintf("query %s (%s)", c.Name(), address)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false, &failure{err: fault.Wrap(fault.Unavailable, err, what, nothingKnown)}
	}
	return c.read(ctx, req, q, s, what)
}

// leave ends what a question leaves behind: a job that nobody can go on with. One whose address is
// kept stays, be it that we are stopped or that its result could not be read yet.
func (c *Client) leave(ctx context.Context, q *question) {
	if q.job != "" && c.options.Jobs == nil {
		c.drop(ctx, q, uws.Unknown)
	}
}

// drop takes a question's job off the service and forgets it. What fails of it is no error: the
// service deletes old jobs by itself, and a kept address without a job is found out when it is used.
func (c *Client) drop(ctx context.Context, q *question, phase uws.Phase) {
	address := q.job
	q.job, q.resumed = "", false
	if phase != uws.Archived {
		c.discard(ctx, address, phase)
	}
	if c.options.Jobs != nil {
		ctx, cancel := c.afterwards(ctx)
		defer cancel()
		_ = c.options.Jobs.Forget(ctx, q.key)
	}
}

// discard stops a job that has not ended, and deletes it.
func (c *Client) discard(ctx context.Context, address string, phase uws.Phase) {
	ctx, cancel := c.afterwards(ctx)
	defer cancel()
	if !phase.Terminal() {
		_ = c.uws.Abort(ctx, address)
	}
	_ = c.uws.Delete(ctx, address)
}

// cleanUpTime bounds what is done for a job that is not needed any more.
const cleanUpTime = 10 * time.Second

// afterwards gives a context that lasts a little after ctx.
func (c *Client) afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
}

// ListJobs gives the jobs that the archive shows to this client.
func (c *Client) ListJobs(ctx context.Context) ([]uws.JobRef, error) {
	refs, err := c.uws.List(ctx, c.base+"/async")
	return refs, fault.Wrap(kindOr(err, fault.Unavailable), err, fmt.Sprintf("ask %s", c.Name()), "")
}

// AbortJob stops a job of the archive; one that is not there is fault.NotFound.
func (c *Client) AbortJob(ctx context.Context, url string) error {
	err := c.uws.Abort(ctx, url)
	return fault.Wrap(kindOr(err, fault.Unavailable), err, fmt.Sprintf("ask %s", c.Name()), "")
}

// DeleteJob takes a job off the archive; one that is not there is fault.NotFound.
func (c *Client) DeleteJob(ctx context.Context, url string) error {
	err := c.uws.Delete(ctx, url)
	return fault.Wrap(kindOr(err, fault.Unavailable), err, fmt.Sprintf("ask %s", c.Name()), "")
}

// doJob sends one request about jobs within the budget (uws.Options.Do).
func (c *Client) doJob(req *http.Request, timeout time.Duration) (*http.Response, error) {
	x, err := c.send(req.Context(), c.direct, req, timeout, uws.MaxListBytes+1)
	if err != nil {
		if x == nil {
			return nil, err
		}
		failed := c.notAnswered(x, err, "ask "+c.Name())
		x.close(failed)
		return nil, failed.err
	}
	// How long the answer takes says nothing: the archive may have been asked to WAIT.
	e := byStatus(x.resp, c.retryAfter(x.resp.Header.Get("Retry-After")), fmt.Sprintf("ask %s about a job", c.Name()))
	x.resp.Body = &jobBody{answer: x.body, end: func() { x.closeAs(e) }}
	return x.resp, nil
}

// jobBody is the body of an answer about a job. Closing it ends the exchange.
type jobBody struct {
	*answer
	end func()
}

// Close ends the exchange.
func (b *jobBody) Close() error {
	b.end()
	return nil
}
