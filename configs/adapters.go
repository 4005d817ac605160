package configs

import (
	"fmt"
	"net/url"
	"sort"
	"strings"

	"beampipe/fault"
)

// Adapters with a public endpoint of their own.
const (
	AdapterCasda  = "casda"
	AdapterVizier = "vizier"
)

var publicTapURL = map[string]string{
	AdapterCasda:  "https://casda.csiro.au/casda_vo_tools/tap",
	AdapterVizier: "https://tapvizier.cds.unistra.fr/TAPVizieR/tap",
}

// AdapterURL gives the TAP base URL of an adapter: from overrides (--archive NAME=URL, BEAMPIPE_ARCHIVES),
// else from the project, else the public one of casda and vizier. Any other name without a URL, and
// a URL that is not http or https or that holds a password, is fault.Invalid.
func (p *Project) AdapterURL(name string, overrides map[string]string) (string, error) {
	address, ok := overrides[name]
	from := "--archive " + name + "=URL"
	if !ok {
		address, from, ok = p.declaredURL(name)
	}
	if !ok {
		return "", fault.New(fault.Invalid, fmt.Sprintf("find archive %q: no TAP URL is known for it", name),
			fmt.Sprintf("set adapters.tap_url.%s in the project config, or give --archive %s=URL", name, name))
	}
	if err := checkURL(address); err != nil {
		return "", fault.Wrap(fault.Invalid, err, fmt.Sprintf("find archive %q: the URL from %s", name, from), "give an http or https URL")
	}
	return address, nil
}

// declaredURL gives the URL from the project or the public one, and the key it stands under.
func (p *Project) declaredURL(name string) (address, key string, ok bool) {
	switch {
	case name == AdapterCasda && p.Adapters.CasdaTapURL != nil:
		return *p.Adapters.CasdaTapURL, "adapters.casda_tap_url", true
	case name == AdapterVizier && p.Adapters.VizierTapURL != nil:
		return *p.Adapters.VizierTapURL, "adapters.vizier_tap_url", true
	}
	key = "adapters.tap_url." + name
	if address, ok = p.Adapters.TapURL[name]; ok {
		return address, key, true
	}
	address, ok = publicTapURL[name]
	return address, key, ok
}

// checkURL never shows the URL itself: what stands before an @ may be a password.
func checkURL(address string) error {
	u, err := url.Parse(strings.TrimSpace(address))
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return fmt.Errorf("expected an http or https URL with a host")
	case u.User != nil:
		return fmt.Errorf("a URL with a user or password is refused; secrets are given by reference")
	}
	return nil
}

// adapterNames gives every adapter the project uses, sorted.
func (p *Project) adapterNames() []string {
	seen := map[string]bool{}
	for _, q := range p.allQueries() {
		seen[q.Adapter] = true
	}
	for _, name := range p.Adapters.Required {
		seen[name] = true
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (p *Project) allQueries() []Query {
	all := append([]Query{}, p.Discovery.Queries...)
	return append(all, p.Discovery.Enrichments...)
}
