package configs

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// credentialsPath is where no message and no excerpt shows what stands in the file.
const credentialsPath = "adapters.credentials"

const secretHint = "keep the secret out of this file and name where it is: env:NAME, file:/absolute/path or credential:NAME"

// credentials reads {adapter: {kind, user, secret}}. What is not a reference is refused before it
// becomes part of a Project.
func (r *reader) credentials(s *section) map[string]Credential {
	n := s.get("credentials")
	if n == nil {
		return nil
	}
	if n.kind != kindObject {
		r.structure(credentialsPath, "expected an object of adapter names", secretHint)
		return nil
	}
	all := map[string]Credential{}
	for _, m := range n.members {
		at := credentialsPath + "." + m.key
		if m.value.kind != kindObject {
			r.structure(at, "expected an object with kind and secret", secretHint)
			continue
		}
		c := r.section(m.value, at)
		all[m.key] = Credential{Kind: c.hidden("kind"), User: c.hidden("user"), Secret: c.hidden("secret")}
		c.done()
	}
	if len(all) == 0 {
		return nil
	}
	for _, name := range sortedKeys(all) {
		r.checkCredential(credentialsPath+"."+name, all[name])
	}
	return all
}

// hidden reads a text that no message shows.
func (s *section) hidden(key string) string {
	n := s.get(key)
	switch {
	case n == nil:
		return ""
	case n.kind != kindText:
		s.r.structure(s.at(key), "expected text", "put it in quotes")
		return ""
	}
	return n.text
}

func (r *reader) checkCredential(at string, c Credential) {
	switch c.Kind {
	case CredentialBasic:
		if strings.TrimSpace(c.User) == "" {
			r.fail(at+".user", CodeRequired, "missing or blank; basic needs the user", "")
		}
	case CredentialBearer, CredentialCookie:
		if c.User != "" {
			r.fail(at+".user", CodeInvalidChoice, "only kind basic has a user", "")
		}
	default:
		r.fail(at+".kind", CodeInvalidChoice, fmt.Sprintf("expected %s, %s or %s", CredentialBasic, CredentialBearer, CredentialCookie), "")
	}
	if !SecretReference(c.Secret) {
		r.fail(at+".secret", CodeSecretValue, "missing, or not a reference to a secret (its text is not shown)", secretHint)
	}
}

var (
	environmentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	credentialName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]*$`)
)

// SecretReference reports whether text says where a secret is: env: and the name of an environment
// variable, file: and an absolute path, credential: and the name of a systemd credential.
func SecretReference(text string) bool {
	kind, name, _ := strings.Cut(text, ":")
	switch kind {
	case "env":
		return environmentName.MatchString(name)
	case "file":
		return path.IsAbs(name) && path.Clean(name) == name && name != "/" && !strings.ContainsFunc(name, unicode.IsControl)
	case "credential":
		return len(name) <= maxCredentialName && credentialName.MatchString(name)
	}
	return false
}

// maxCredentialName is a file name's length: systemd keeps each credential in a file.
const maxCredentialName = 255

// adviseCredentials tells of credentials that nobody uses, and of those that anyone on the way can read.
func (p *Project) adviseCredentials(f *findings) {
	used := p.adapterNames()
	for _, name := range sortedKeys(p.Adapters.Credentials) {
		at := credentialsPath + "." + name
		if !contains(used, name) {
			f.warn(at, CodeUnusedCredential, fmt.Sprintf("no archive %.60q is asked", name), "use the name of an adapter")
			continue
		}
		if address, key, ok := p.declaredURL(name); ok && sentInClear(address) {
			f.warn(at, CodeClearCredential, "the credentials go to an http URL, "+key+", where anyone on the way can read them", "use https")
		}
	}
}

// sentInClear reports whether what is sent to a URL leaves this machine unencrypted.
func sentInClear(address string) bool {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "http" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
}
