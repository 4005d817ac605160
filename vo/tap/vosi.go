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
	what := fmt.Sprintf("ask %s (%s%s)", c.Name(), c.base, path)
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, 0, fault.Wrap(fault.Invalid, err, what, c.tryAddress())
	}
	req.Header.Set("User-Agent", c.options.UserAgent)
	c.stats.requests.Add(1)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, fault.Wrap(fault.Unavailable, err, what, c.tryAddress())
	}
	defer resp.Body.Close()
	limited := &answer{src: resp.Body, limit: min(maxVOSIBytes, c.options.MaxBody), read: &c.stats.bytes}
	body, err = io.ReadAll(limited)
	var tooLarge *limitError
	if errors.As(err, &tooLarge) {
		return nil, 0, fault.New(fault.Unavailable, fmt.Sprintf("%s: the answer is longer than %d bytes", what, limited.limit), c.tryAddress())
	}
	if err != nil {
		return nil, 0, fault.Wrap(fault.Unavailable, err, what, c.tryAddress())
	}
	return body, resp.StatusCode, nil
}
