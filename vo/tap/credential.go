package tap

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"beampipe/fault"
)

// The kinds of a Credential.
const (
	BasicCredential  = "basic"
	BearerCredential = "bearer"
	CookieCredential = "cookie"
)

// Credential is how a client proves who it is. Its secret is in no error of this package.
type Credential struct {
	Kind   string // BasicCredential, BearerCredential or CookieCredential
	User   string // of basic
	Secret string // basic: the password; bearer: the token; cookie: the whole "name=value"
}

// String keeps the secret out of logs.
func (c Credential) String() string { return fmt.Sprintf("%s credential of %q", c.Kind, c.User) }

// GoString keeps the secret out of logs.
func (c Credential) GoString() string { return c.String() }

// header gives the header that carries the credential.
func (c *Credential) header() (name, value string, err error) {
	problem := ""
	switch {
	case c.Secret == "":
		problem = "it has no secret"
	case strings.ContainsFunc(c.User+c.Secret, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		problem = "it holds a control character, such as the end of a line"
	case c.Kind == BasicCredential && strings.Contains(c.User, ":"):
		problem = "its user holds a colon"
	case c.Kind == BasicCredential:
		return "Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(c.User+":"+c.Secret)), nil
	case c.Kind == BearerCredential:
		return "Authorization", "Bearer " + c.Secret, nil
	case c.Kind == CookieCredential && strings.Contains(c.Secret, "="):
		return "Cookie", c.Secret, nil
	case c.Kind == CookieCredential:
		problem = "a cookie is name=value"
	default:
		problem = fmt.Sprintf("its kind %q is none of basic, bearer and cookie", c.Kind)
	}
	return "", "", fault.New(fault.Invalid, "the credential cannot be sent: "+problem, "correct the archive's credential")
}

// authorizer adds the credential to the requests to the archive's own host. It sees each hop of a
// redirect, so nothing can carry the credential elsewhere.
type authorizer struct {
	next        http.RoundTripper
	archive     *url.URL
	credentials func(ctx context.Context) (*Credential, error)
}

// credentialError says that a request was not sent.
type credentialError struct{ error }

func (e *credentialError) Unwrap() error { return e.error }

func (a *authorizer) RoundTrip(r *http.Request) (*http.Response, error) {
	if !ownHost(a.archive, r.URL) {
		return a.next.RoundTrip(r)
	}
	credential, err := a.credentials(r.Context())
	if err == nil && credential == nil {
		return a.next.RoundTrip(r)
	}
	var name, value string
	if err == nil {
		name, value, err = credential.header()
	}
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, &credentialError{err}
	}
	own := r.Clone(r.Context())
	own.Header.Set(name, value)
	resp, err := a.next.RoundTrip(own)
	if err != nil {
		return nil, err
	}
	return withoutEcho(resp, credential.Secret, value)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the real transport.
func (a *authorizer) CloseIdleConnections() {
	if c, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// ownHost holds for the archive's own host and port, also where it is asked over https instead.
func ownHost(archive, u *url.URL) bool {
	if !strings.EqualFold(archive.Hostname(), u.Hostname()) {
		return false
	}
	if u.Scheme == archive.Scheme {
		return port(archive) == port(u)
	}
	return u.Scheme == "https" && port(archive) == "80" && port(u) == "443"
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// withoutEcho takes secrets out of an error page: some show the request that they are about.
func withoutEcho(resp *http.Response, secrets ...string) (*http.Response, error) {
	if resp.StatusCode < 400 && !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		return resp, nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusalBytes))
	_ = resp.Body.Close()
	if err != nil && len(raw) == 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	for _, secret := range secrets {
		raw = bytes.ReplaceAll(raw, []byte(secret), []byte("***"))
		if _, token, ok := strings.Cut(secret, " "); ok && token != "" {
			raw = bytes.ReplaceAll(raw, []byte(token), []byte("***"))
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	resp.ContentLength = int64(len(raw))
	return resp, nil
}
