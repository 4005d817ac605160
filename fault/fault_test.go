package fault

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
)

func TestAnErrorTellsItsKindThroughWrapping(t *testing.T) {
	inner := New(NotFound, `there is no profile "x"`, "list them")
	for name, tt := range map[string]struct {
		err  error
		kind Kind
		is   []Kind
		text string
	}{
		"none":              {io.EOF, "", nil, "EOF"},
		"nil":               {nil, "", nil, ""},
		"a kind itself":     {Conflict, Conflict, []Kind{Conflict}, "conflict"},
		"plain":             {inner, NotFound, []Kind{NotFound}, `there is no profile "x"`},
		"wrapped by fmt":    {fmt.Errorf("submit: %w", inner), NotFound, []Kind{NotFound}, `submit: there is no profile "x"`},
		"wrapped by a kind": {Wrap(Invalid, inner, "load", ""), Invalid, []Kind{Invalid, NotFound}, `load: there is no profile "x"`},
		"joined":            {errors.Join(io.EOF, inner), NotFound, []Kind{NotFound}, "EOF\nthere is no profile \"x\""},
		"a cause":           {Wrap(Unavailable, io.EOF, "read", ""), Unavailable, []Kind{Unavailable}, "read: EOF"},
	} {
		if got := KindOf(tt.err); got != tt.kind {
			t.Errorf("%s: kind %q, want %q", name, got, tt.kind)
		}
		for _, kind := range []Kind{Invalid, NotFound, Conflict, Unavailable, Uncertain} {
			if got, want := errors.Is(tt.err, kind), slices.Contains(tt.is, kind); got != want {
				t.Errorf("%s: is %s: %v, want %v", name, kind, got, want)
			}
		}
		if tt.err != nil && tt.err.Error() != tt.text {
			t.Errorf("%s: text %q, want %q", name, tt.err, tt.text)
		}
	}
	if !errors.Is(Wrap(Unavailable, io.EOF, "read", ""), io.EOF) {
		t.Error("the cause is hidden")
	}
}

func TestWrappingNoErrorIsNoError(t *testing.T) {
	if err := Wrap(Invalid, nil, "load", "fix it"); err != nil {
		t.Errorf("%v", err)
	}
}

func TestHintsAreListedFromTheOutermostInwardsOnce(t *testing.T) {
	inner := New(NotFound, "no file", "name another file")
	for name, tt := range map[string]struct {
		err  error
		want []string
	}{
		"none":     {io.EOF, nil},
		"nil":      {nil, nil},
		"one":      {fmt.Errorf("load: %w", inner), []string{"name another file"}},
		"two":      {Wrap(Invalid, inner, "load", "fix it"), []string{"fix it", "name another file"}},
		"the same": {Wrap(Invalid, inner, "load", " name another file "), []string{"name another file"}},
		"empty":    {Wrap(Invalid, inner, "load", " "), []string{"name another file"}},
		"joined":   {fmt.Errorf("all: %w", errors.Join(New(Conflict, "a", "wait"), io.EOF, inner)), []string{"wait", "name another file"}},
	} {
		if got := Hints(tt.err); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
