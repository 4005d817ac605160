package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"beampipe/control"
	"beampipe/fault"
)

// Limits of what is read from files and from stdin.
const (
	maxConfigBytes = 4 << 20  // a project config or a profile
	maxGraphBytes  = 64 << 20 // a graph or a manifest
	maxImportBytes = 64 << 20 // a list of sources
)

// readInput reads a file, or stdin for "-". what names it in errors: "project config".
func (a *app) readInput(ctx context.Context, path, what string, limit int64) ([]byte, error) {
	doing := fmt.Sprintf("read %s %s", what, path)
	if path == "-" {
		return readStdin(ctx, a.stdin, limit, fmt.Sprintf("read %s from stdin", what))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, openFileError(err, doing)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, plainCause(err), doing, "")
	}
	if info.IsDir() {
		return nil, fault.New(fault.Invalid, doing+": it is a folder", "name the file in it")
	}
	return readBounded(f, limit, doing)
}

func openFileError(err error, doing string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, doing+": there is no such file", "check the path")
	}
	return fault.Wrap(fault.Invalid, plainCause(err), doing, "check the path and its permissions")
}

// plainCause takes the operation and the path off an error of package os: the message names them.
func plainCause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

func readBounded(r io.Reader, limit int64, doing string) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, plainCause(err), doing, "")
	}
	if int64(len(content)) > limit {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: it is larger than the limit of %s", doing, bytesText(limit)), "split it, or check that it is the right file")
	}
	return content, nil
}

// readStdin reads beside the context: a terminal cannot be told to stop reading. The reader that is
// left behind on an interrupt ends with the process.
func readStdin(ctx context.Context, r io.Reader, limit int64, doing string) ([]byte, error) {
	type answer struct {
		content []byte
		err     error
	}
	done := make(chan answer, 1)
	go func() {
		content, err := readBounded(r, limit, doing)
		done <- answer{content, err}
	}()
	select {
	case got := <-done:
		return got.content, got.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
}

// projectFile reads a survey's YAML and, where it is named, its graph.
func (a *app) projectFile(ctx context.Context, path, graphPath string) (control.ProjectFile, error) {
	f := control.ProjectFile{Name: path, GraphName: graphPath}
	if path == "-" && graphPath == "-" {
		return f, usagef("-f - and --graph -: stdin can be read once")
	}
	var err error
	if f.Content, err = a.readInput(ctx, path, "project config", maxConfigBytes); err != nil {
		return f, err
	}
	base := path
	if path == "-" {
		f.Name, base = "stdin", "stdin" // relative paths in it refer to the current folder
	}
	absolute, err := filepath.Abs(base)
	if err != nil {
		return f, fault.Wrap(fault.Invalid, err, "find the folder of "+path, "")
	}
	f.Folder = filepath.Dir(absolute)
	if graphPath != "" {
		f.Graph, err = a.readInput(ctx, graphPath, "graph", maxGraphBytes)
	}
	return f, err
}
