package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"beampipe/configs"
	"beampipe/fault"
)

// MaxSecretBytes bounds a secret.
const MaxSecretBytes = 64 << 10

// envCredentials names the folder where systemd puts a service's credentials.
const envCredentials = "CREDENTIALS_DIRECTORY"

// ReadSecret gives what a reference of a config's credentials refers to, without the line end behind
// it: env:NAME, an environment variable; file:/PATH, a file that others cannot read; credential:NAME, a
// systemd credential. What is not there is fault.Unavailable: it may be, the next time; what must be
// corrected first is fault.Invalid. No error shows the secret.
func ReadSecret(_ context.Context, reference string) (string, error) {
	if !configs.SecretReference(reference) {
		return "", fault.New(fault.Invalid, "read a secret: not a reference (its text is not shown)", "write env:NAME, file:/absolute/path or credential:NAME")
	}
	kind, name, _ := strings.Cut(reference, ":")
	what := fmt.Sprintf("read the secret %q", reference)
	switch kind {
	case "env":
		text, ok := os.LookupEnv(name)
		if !ok {
			return "", fault.New(fault.Unavailable, what+": the environment variable is not set", "set it where beampipe is started")
		}
		return secretText(what, text)
	case "credential":
		dir := os.Getenv(envCredentials)
		if dir == "" {
			return "", fault.New(fault.Unavailable, what+": "+envCredentials+" is not set", "start beampipe as a systemd service with LoadCredential="+name+":PATH")
		}
		name = filepath.Join(dir, name)
	}
	text, err := secretFile(what, name)
	if err != nil {
		return "", err
	}
	return secretText(what, text)
}

func secretFile(what, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		kind := fault.Invalid
		if errors.Is(err, fs.ErrNotExist) {
			kind = fault.Unavailable
		}
		return "", fault.Wrap(kind, err, what, "put the secret there, readable by the user that beampipe runs as")
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fault.Wrap(fault.Unavailable, err, what, "")
	case !info.Mode().IsRegular():
		return "", fault.New(fault.Invalid, what+": it is not a file", "")
	case info.Mode().Perm()&0o007 != 0:
		return "", fault.New(fault.Invalid, fmt.Sprintf("%s: others on this machine can open the file (mode %04o)", what, info.Mode().Perm()), "chmod o= "+path)
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxSecretBytes+1))
	return string(text), fault.Wrap(fault.Unavailable, err, what, "")
}

func secretText(what, text string) (string, error) {
	text = strings.TrimRight(text, "\r\n")
	switch {
	case len(text) > MaxSecretBytes:
		return "", fault.New(fault.Invalid, fmt.Sprintf("%s: it is longer than %d bytes", what, MaxSecretBytes), "")
	case text == "":
		return "", fault.New(fault.Invalid, what+": it is empty", "put the secret there")
	case strings.ContainsAny(text, "\r\n\x00"):
		return "", fault.New(fault.Invalid, what+": it has more than one line", "put the secret there alone")
	}
	return text, nil
}
