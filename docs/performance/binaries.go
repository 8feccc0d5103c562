package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// binaries are the programs that are measured, and measure.
type binaries struct {
	tickerd  string
	self     string // serves the floors
	revision string // of tickerd; empty: not known
}

// build makes the real program as `make build` does, in dir.
func build(ctx context.Context, dir string) (path string, err error) {
	path = filepath.Join(dir, "tickerd")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=auto", "-ldflags=-s -w", "-o", path, "./cmd/tickerd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build tickerd (this is run from the root of the module): %w", err)
	}
	return path, nil
}

// find gives the binaries: a tickerd that is there, or else one built in dir.
func find(ctx context.Context, tickerd, dir string) (b *binaries, err error) {
	b = &binaries{tickerd: tickerd}
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if tickerd == "" {
		b.tickerd, err = build(ctx, dir)
	} else {
		b.tickerd, err = filepath.Abs(tickerd)
	}
	if err != nil {
		return nil, err
	}
	b.revision, err = revisionOf(b.tickerd)
	return b, err
}

// revisionOf is the state of the source that a program was built from.
func revisionOf(path string) (revision string, err error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "", err
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)] + revision
		case s.Key == "vcs.modified" && s.Value == "true":
			revision += "+"
		}
	}
	return revision, nil
}
