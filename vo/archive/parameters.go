package archive

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// refusal is an error that the client can do something about.
type refusal struct {
	why  string
	code int // HTTP status
}

func (r *refusal) Error() string { return r.why }

func refuse(format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), http.StatusBadRequest}
}

func refuseTooLarge(format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), http.StatusRequestEntityTooLarge}
}

// parameters are those of a request by their names in upper case (DALI 1.1 section 3: names have no
// case), and the parts of its body by their names as they are.
type parameters struct {
	values map[string][]string
	parts  map[string][]byte
	size   int64 // bytes of the body
}

// get gives the first value of a parameter, or "".
func (p parameters) get(name string) string {
	if v := p.values[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// readParameters reads the parameters from the address, and from the body of a POST: a form, or
// multipart/form-data.
func (a *Archive) readParameters(w http.ResponseWriter, r *http.Request) (parameters, error) {
	p := parameters{values: map[string][]string{}, parts: map[string][]byte{}}
	inURL, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return p, refuse("read the parameters: %s", err)
	}
	if r.Method == http.MethodPost {
		if err := a.readBody(&p, w, r); err != nil {
			return p, tooLarge(err)
		}
	}
	if err := p.add(inURL); err != nil {
		return p, err
	}
	if len(p.get("QUERY")) > a.options.Limits.QueryBytes {
		return p, refuseTooLarge("the query is longer than %d bytes", a.options.Limits.QueryBytes)
	}
	return p, nil
}

func (a *Archive) readBody(p *parameters, w http.ResponseWriter, r *http.Request) error {
	kind, options, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Header.Get("Content-Type") == "":
		return nil
	case err != nil:
		return refuse("read the Content-Type: %s", err)
	case kind == "multipart/form-data":
		return p.readParts(http.MaxBytesReader(w, r.Body, a.options.Limits.multipartBytes()), options["boundary"])
	case kind != "application/x-www-form-urlencoded":
		return refuse("Content-Type %q is not supported; expected a form or multipart/form-data", kind)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.options.Limits.formBytes()))
	if err != nil {
		return refuseUnless(err, "read the form")
	}
	p.size = int64(len(raw))
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return refuse("read the form: %s", err)
	}
	return p.add(form)
}

// add takes a form's values; those that are there stay before them.
func (p *parameters) add(form url.Values) error {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		upper := strings.ToUpper(name)
		p.values[upper] = append(p.values[upper], form[name]...)
	}
	if len(p.values) > maxParameters {
		return refuse("more than %d parameters", maxParameters)
	}
	return nil
}

// readParts reads multipart/form-data. Each part is both a value and a part, because UPLOAD may name
// any of them.
func (p *parameters) readParts(body io.Reader, boundary string) error {
	reader := multipart.NewReader(body, boundary)
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return refuseUnless(err, "read the parts of the request")
		}
		raw, err := io.ReadAll(part)
		if err != nil {
			return refuseUnless(err, "read a part of the request")
		}
		p.size += int64(len(raw))
		if len(p.parts) == maxParameters {
			return refuse("more than %d parts", maxParameters)
		}
		name := part.FormName()
		p.parts[name] = raw
		if part.FileName() == "" {
			upper := strings.ToUpper(name)
			p.values[upper] = append(p.values[upper], string(raw))
		}
	}
}

// refuseUnless refuses what cannot be read; a body past its limit stays what it is.
func refuseUnless(err error, what string) error {
	var past *http.MaxBytesError
	if errors.As(err, &past) {
		return err
	}
	return refuse("%s: %s", what, err)
}

// tooLarge makes a refusal of a body past its limit.
func tooLarge(err error) error {
	var past *http.MaxBytesError
	if errors.As(err, &past) {
		return refuseTooLarge("the request is larger than %d bytes", past.Limit)
	}
	return err
}
