package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// measureCommand runs experiments, and writes the results and the tables after
// each.
func measureCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("measure", flag.ContinueOnError)
	var names []string
	for _, e := range experiments {
		names = append(names, e.name)
	}
	only := flags.String("only", "", "the `experiments` to run, of "+strings.Join(names, ",")+"; all if left out")
	rounds := flags.Int("rounds", 5, "how often each run is made; the curve's at most 3 times")
	var w window
	flags.DurationVar(&w.duration, "duration", 6*time.Second, "how long each run measures")
	flags.DurationVar(&w.warmup, "warmup", time.Second, "how long it waits before, when all clients are there")
	tickerd := flags.String("tickerd", "", "the `program`; built from ./cmd/tickerd if left out")
	results := flags.String("results", resultsPath, "the `file` of results, of which those measured anew are replaced")
	document := flags.String("document", documentPath, "the `file` whose tables are filled; none if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	two, err := cores()
	if err != nil {
		return err
	}
	list, err := readResults(*results)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tickerd-performance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := find(ctx, *tickerd, dir)
	if err != nil {
		return err
	}
	l := &laboratory{binaries: b, machine: machine(), cores: two, window: w}
	for _, e := range chosen {
		fresh, err := l.measure(ctx, e, *rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		list = replace(list, e.name, fresh)
		if err := writeResults(*results, list); err != nil {
			return err
		}
		if *document != "" {
			if err := tabulateFile(*document, list); err != nil {
				return err
			}
		}
		fmt.Printf("%s\n\n%s\n", e.name, e.table(list))
	}
	return nil
}

// A laboratory is what all experiments have in common.
type laboratory struct {
	*binaries
	machine string
	cores   []int // two
	window  window
}

// measure runs an experiment.
func (l *laboratory) measure(ctx context.Context, e experiment, rounds int) (list []result, err error) {
	steps := e.plan(rounds)
	began := time.Now()
	for i, s := range steps {
		fmt.Fprintf(os.Stderr, "%s %d/%d, round %d, after %.0f s: %s, %s\n",
			e.name, i+1, len(steps), s.round, time.Since(began).Seconds(), s.server, s.load)
		r, err := l.run(ctx, e, s)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", s.server, s.load, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// run makes one run: a server is started, and clients come, are counted, and leave.
func (l *laboratory) run(ctx context.Context, e experiment, s step) (r result, err error) {
	r = result{
		Date:       time.Now().UTC().Truncate(time.Second),
		Machine:    l.machine,
		Revision:   l.revision,
		Experiment: e.name,
		Server:     s.server,
		Load:       s.load,
		Round:      s.round,
	}
	serverOn, clientsOn := l.cores, l.cores
	if e.apart {
		serverOn, clientsOn = l.cores[:1], l.cores[1:]
	}
	p, err := l.start(ctx, s.server, s.load, serverOn)
	if err != nil {
		return r, err
	}
	defer p.stop()
	if r.ReadyRSS, err = rssOf(p.pid); err != nil {
		return r, err
	}
	watched := make(chan error, 1)
	began := false
	r.Bench, err = l.crowd(ctx, p, s.load, l.window, clientsOn, func() {
		began = true
		go func() { watched <- r.watch(p.pid, l.window.duration) }()
	})
	switch {
	case began:
		err = errors.Join(err, <-watched)
	case err == nil:
		err = errNoWindow
	}
	return r, err
}

var errNoWindow = errors.New("the clients have not said when their window began")

// watch measures the server's process for the time of the window.
func (r *result) watch(pid int, duration time.Duration) error {
	before, err := cpuTimeOf(pid)
	if err != nil {
		return err
	}
	time.Sleep(duration)
	after, err := cpuTimeOf(pid)
	if err != nil {
		return err
	}
	r.CPU = after.since(before)
	r.RSS, err = rssOf(pid)
	return err
}

// String names a load: "900 clients, 100 stuck".
func (l load) String() string {
	s := grouped(float64(l.Conns)) + " clients"
	if l.Slow > 0 {
		s += fmt.Sprintf(", %d stuck", l.Slow)
	}
	if l.Interval > 0 {
		s += fmt.Sprintf(", every %v", l.Interval)
	}
	if l.Churn {
		s += ", coming and going"
	}
	if l.Deflate {
		s += ", compressed"
	}
	return s
}
