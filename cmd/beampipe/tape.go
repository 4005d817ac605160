package main

import (
	"errors"
	"net/http"

	"github.com/spf13/cobra"

	"beampipe/vo/replay"
)

// tape says where archives' answers are kept, or taken from; at most one is set.
type tape struct{ record, replay string }

// tapeFlags lets a command that asks archives keep their answers, or run from kept ones.
func (a *app) tapeFlags(cmd *cobra.Command) {
	cmd.Flags().Var((*folder)(&a.tape.record), "record", "keep every answer of an archive in folder `DIR`")
	cmd.Flags().Var((*folder)(&a.tape.replay), "replay", "take every answer from folder `DIR`; no archive is asked")
	exclusive(cmd, "record", "replay")
}

// folder is a flag's value that cannot be blank: a tape that was meant and not named would ask the archives.
type folder string

func (f *folder) String() string { return string(*f) }
func (f *folder) Type() string   { return "string" }

func (f *folder) Set(text string) error {
	if text == "" {
		return errors.New("a folder is expected")
	}
	*f = folder(text)
	return nil
}

// check finds out whether the tape can be used, before anything is asked.
func (t tape) check() error {
	around := t.around()
	if around == nil {
		return nil
	}
	_, err := around(nil)
	return err
}

// around gives what is put around the transports that ask archives; nil for nothing.
func (t tape) around() func(next http.RoundTripper) (http.RoundTripper, error) {
	switch {
	case t.record != "":
		return func(next http.RoundTripper) (http.RoundTripper, error) { return replay.Record(t.record, next) }
	case t.replay != "":
		return func(http.RoundTripper) (http.RoundTripper, error) { return replay.Replay(t.replay) }
	}
	return nil
}
