package uws

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"beampipe/fault"
)

const formContent = "application/x-www-form-urlencoded"

// Create makes a job at endpoint (TAP's …/async) from a form, and gives its address. The form must
// not hold PHASE=RUN: some services ignore it there, and a job should be kept before it runs.
//
// The answer is a redirect, which may lead to another path or host. An error does not say that
// there is no job, but a job that nobody ran costs the service nothing and is deleted by it in time.
func (c *Client) Create(ctx context.Context, endpoint, contentType string, body []byte) (jobURL string, err error) {
	what := fmt.Sprintf("create a job at %s", endpoint)
	a, err := c.send(ctx, question{what: what, method: http.MethodPost, url: endpoint, contentType: contentType, body: body})
	if err != nil {
		return "", err
	}
	switch a.code {
	case http.StatusSeeOther, http.StatusFound, http.StatusCreated:
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return "", fault.Wrap(fault.Invalid, a.refusal(), what, "the service has moved: give its present address")
	default:
		return "", a.refused(what)
	}
	to, err := location(a)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, what, "the service made a job, but its address cannot be used")
	}
	return to.String(), nil
}

// Run lets a job begin. Asking again is harmless.
func (c *Client) Run(ctx context.Context, jobURL string) error { return c.phase(ctx, jobURL, "RUN") }

// Abort stops a job. Its phase may become ABORTED only after a while.
func (c *Client) Abort(ctx context.Context, jobURL string) error {
	return c.phase(ctx, jobURL, "ABORT")
}

// phase posts a wish. The answer's redirect leads to the job and is not followed.
func (c *Client) phase(ctx context.Context, jobURL, wish string) error {
	what := fmt.Sprintf("send PHASE=%s to job %s", wish, jobURL)
	address, err := below(jobURL, "phase")
	if err != nil {
		return fault.Wrap(fault.Invalid, err, what, "")
	}
	a, err := c.send(ctx, question{what: what, method: http.MethodPost, url: address, contentType: formContent, body: []byte("PHASE=" + wish)})
	return c.done(a, err, what)
}

// Delete takes a job and its results off the service. The answer's redirect leads to the list of
// all jobs and is not followed.
func (c *Client) Delete(ctx context.Context, jobURL string) error {
	what := "delete job " + jobURL
	a, err := c.send(ctx, question{what: what, method: http.MethodDelete, url: jobURL})
	return c.done(a, err, what)
}

func (c *Client) done(a *reply, err error, what string) error {
	if err != nil {
		return err
	}
	if a.code >= 400 {
		return a.refused(what)
	}
	return nil
}

// Get asks what a job is doing.
func (c *Client) Get(ctx context.Context, jobURL string) (Job, error) {
	return c.poll(ctx, jobURL, "", 0)
}

// poll asks for a job. Where block is at least a second, the service may keep the answer back for
// that long, or until the job leaves a phase (UWS 1.1 section 2.2.1.2).
func (c *Client) poll(ctx context.Context, jobURL string, seen Phase, block time.Duration) (Job, error) {
	q := question{what: "ask for job " + jobURL, url: jobURL, limit: MaxJobBytes, timeout: c.options.Timeout}
	if block >= time.Second {
		address, err := url.Parse(jobURL)
		if err != nil {
			return Job{}, fault.Wrap(fault.Invalid, err, q.what, "")
		}
		query := address.Query()
		query.Set("WAIT", strconv.Itoa(int(block/time.Second)))
		query.Set("PHASE", string(seen))
		address.RawQuery = query.Encode()
		q.url, q.timeout = address.String(), q.timeout+block
	}
	a, err := c.get(ctx, q)
	if err != nil {
		return Job{}, err
	}
	job, err := ReadJob(bytes.NewReader(a.body))
	if err != nil {
		return Job{}, fault.Wrap(fault.Unavailable, err, q.what, "")
	}
	job.URL = jobURL
	for i, r := range job.Results {
		if r.Href == "" {
			continue
		}
		to, err := resolve(a.url, r.Href)
		if err != nil {
			return Job{}, fault.Wrap(fault.Invalid, err, fmt.Sprintf("%s: result %q", q.what, r.ID), "")
		}
		job.Results[i].Href = to.String()
	}
	return job, nil
}

// List gives the jobs that a service shows to this client, in its order.
func (c *Client) List(ctx context.Context, endpoint string) ([]JobRef, error) {
	what := "list the jobs at " + endpoint
	a, err := c.get(ctx, question{what: what, url: endpoint, limit: MaxListBytes})
	if err != nil {
		return nil, err
	}
	refs, err := ReadJobs(bytes.NewReader(a.body))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, what, "")
	}
	for i, ref := range refs {
		if ref.URL == "" {
			ref.URL, err = below(endpoint, url.PathEscape(ref.ID))
			if err != nil {
				return nil, fault.Wrap(fault.Invalid, err, what, "")
			}
		}
		to, err := resolve(a.url, ref.URL)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, fmt.Sprintf("%s: job %q", what, ref.ID), "")
		}
		refs[i].URL = to.String()
	}
	return refs, nil
}

// ErrorText gives a failed job's words from its error resource, "" where it has none or cannot be
// asked. For a job without an error, services answer with nothing.
func (c *Client) ErrorText(ctx context.Context, jobURL string) string {
	address, err := below(jobURL, "error")
	if err != nil {
		return ""
	}
	a, err := c.get(ctx, question{what: "ask for the error of job " + jobURL, url: address})
	if err != nil || len(bytes.TrimSpace(a.body)) == 0 {
		return ""
	}
	return Words(a.body)
}

// below gives the address of a resource under another.
func below(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("the address of a job cannot be read")
	}
	u.RawQuery, u.Fragment = "", ""
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/") + "/" + name
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return "", fmt.Errorf("the address of a job cannot be read")
	}
	return u.String(), nil
}
