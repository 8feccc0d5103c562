package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"tickerd/cmd/tickerd/bench"
)

// crowdTimeout is what a run of the clients may take besides its window: they come,
// warm up, wait for what is late, and leave.
const crowdTimeout = 2 * time.Minute

// sources are where the clients come from: the ports of one address are soon used up
// by those that come and go.
const sources = "127.0.0.1,127.0.0.2,127.0.0.3,127.0.0.4"

// A window is how long is measured, and how long is waited before.
type window struct {
	warmup   time.Duration
	duration time.Duration
}

// crowd has the clients of a load come to a server, and gives their report. At is
// called when the window begins.
func (b *binaries) crowd(ctx context.Context, p *process, l load, w window, cores []int, at func()) (r bench.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.warmup+w.duration+crowdTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.tickerd, append([]string{"bench", "--json",
		"--url", "http://" + p.addr, "--key", p.key, "--sources", sources,
		"--warmup", w.warmup.String(), "--duration", w.duration.String()}, l.flags()...)...)
	var report bytes.Buffer
	cmd.Stdout = &report
	progress, err := cmd.StderrPipe()
	if err == nil {
		err = startOn(cmd, cores)
	}
	if err != nil {
		return r, fmt.Errorf("bench: %w", err)
	}
	last := follow(progress, at)
	if err := cmd.Wait(); err != nil {
		return r, fmt.Errorf("bench: %w: %s", err, last)
	}
	if err := json.Unmarshal(report.Bytes(), &r); err != nil {
		return r, fmt.Errorf("bench: %w", err)
	}
	return r, complete(r)
}

// complete says what is wrong with a report of which no figure may be taken.
func complete(r bench.Report) error {
	switch {
	case r.Interrupted:
		return fmt.Errorf("bench: interrupted")
	case r.Handshakes.Failed > 0:
		return fmt.Errorf("bench: %d of %d handshakes failed: %+v", r.Handshakes.Failed, r.Handshakes.Attempted, r.Handshakes.Failures)
	case len(r.Disconnects) > 0:
		return fmt.Errorf("bench: the server ended connections: %+v", r.Disconnects)
	}
	return nil
}

// follow reads how far the clients are, calls at when their window begins, and
// gives the last line.
func follow(progress io.Reader, at func()) (last string) {
	begun := false
	lines := bufio.NewScanner(progress)
	for lines.Scan() {
		last = lines.Text()
		if !begun && strings.HasPrefix(last, "tickerd: measuring") {
			begun = true
			at()
		}
	}
	return last
}

// flags are those of tickerd bench.
func (l load) flags() []string {
	args := []string{"--conns", strconv.Itoa(l.Conns)}
	if l.Slow > 0 {
		args = append(args, "--slow", strconv.Itoa(l.Slow))
	}
	if l.Interval > 0 {
		args = append(args, "--interval", l.Interval.String())
	}
	if l.Churn {
		args = append(args, "--churn", "--connecting", strconv.Itoa(l.Conns))
	}
	if l.Deflate {
		args = append(args, "--deflate")
	}
	return args
}
