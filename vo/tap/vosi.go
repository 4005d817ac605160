package tap

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"beampipe/fault"
)

// maxVOSIBytes bounds an availability or capabilities document.
const maxVOSIBytes = 8 << 20

// Available asks once whether the service is up (VOSI 1.1). A service that has no availability
// resource is asked for its capabilities instead. Errors are fault.Unavailable, with the service's
// own note where it says that it is down.
func (c *Client) Available(ctx context.Context) error {
	raw, code, err := c.get(ctx, "/availability")
	if err != nil {
		return err
	}
	if code == http.StatusNotFound {
		_, err := c.Capabilities(ctx)
		return err
	}
	what := fmt.Sprintf("ask %s (%s/availability)", c.Name(), c.base)
	if code != http.StatusOK {
		return fault.New(fault.Unavailable, fmt.Sprintf("%s: HTTP %d: %s", what, code, firstWords(raw)), c.tryAddress())
	}
	var doc struct {
		XMLName   xml.Name `xml:"availability"`
		Available string   `xml:"available"`
		Note      []string `xml:"note"`
	}
	if err := xml.NewDecoder(bytes.NewReader(raw)).Decode(&doc); err != nil {
		return fault.New(fault.Unavailable, fmt.Sprintf("%s: not an availability document; the answer begins: %s", what, firstWords(raw)), c.tryAddress())
	}
	switch strings.TrimSpace(doc.Available) {
	case "true", "1":
		return nil
	}
	return fault.New(fault.Unavailable, fmt.Sprintf("%s: the service says that it is not available: %s", what, firstWords([]byte(strings.Join(doc.Note, "; ")))), "it is asked again later")
}

// Capabilities gives the service's capabilities document as it is, at most 8 MiB. Errors are
// fault.Unavailable.
func (c *Client) Capabilities(ctx context.Context) ([]byte, error) {
	raw, code, err := c.get(ctx, "/capabilities")
	if err != nil {
		return nil, err
	}
	if code != http.StatusOK {
		return nil, fault.New(fault.Unavailable, fmt.Sprintf("ask %s (%s/capabilities): HTTP %d: %s", c.Name(), c.base, code, firstWords(raw)), c.tryAddress())
	}
	return raw, nil
}

// get reads a resource beside the service.
func (c *Client) get(ctx context.Context, path string) (body []byte, code int, err error) {
	return c.fetch(ctx, c.base+path, maxVOSIBytes)
}

// fetch reads a document of at most limit bytes.
func (c *Client) fetch(ctx context.Context, address string, limit int64) (body []byte, code int, err error) {
	what := fmt.Sprintf("ask %s (%s)", c.Name(), address)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, fault.Wrap(fault.Invalid, err, what, c.tryAddress())
	}
	req.Header.Set("Accept", "text/xml, application/xml;q=0.9, */*;q=0.1")
	x, err := c.send(ctx, c.http, req, c.options.Timeout, min(limit, c.options.MaxBody))
	if x == nil {
		return nil, 0, err
	}
	if err != nil {
		return nil, 0, c.unread(x, err, what)
	}
	body, err = io.ReadAll(x.body)
	var long *limitError
	switch {
	case errors.As(err, &long):
		x.close(nil)
		return nil, 0, fault.New(fault.Unavailable, fmt.Sprintf("%s: the answer is longer than %d bytes", what, long.limit), c.tryAddress())
	case err != nil:
		return nil, 0, c.unread(x, err, what)
	}
	x.closeAs(byStatus(x.resp, c.retryAfter(x.resp.Header.Get("Retry-After")), what))
	return body, x.resp.StatusCode, nil
}

// unread ends an exchange whose document did not come. A redirect that is not followed, and a
// credential that cannot be sent, leave as little known as silence.
func (c *Client) unread(x *exchange, err error, what string) error {
	f := c.notAnswered(x, err, what)
	x.close(f)
	if fault.KindOf(f.err) != fault.Unavailable {
		return fault.Wrap(fault.Unavailable, f.err, "ask "+c.Name(), c.tryAddress())
	}
	return f.err
}
