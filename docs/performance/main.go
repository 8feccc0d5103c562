// Performance measures tickerd beside floors, which are servers that do less, and
// writes what it finds into the tables and pictures of docs/performance.md. It is
// run from the root of the module:
//
//	go run ./docs/performance measure              everything, in 20 to 25 minutes
//	go run ./docs/performance measure -only idle   one experiment, or some: idle,joins
//	go run ./docs/performance plot                 the tables and pictures anew
//	go run ./docs/performance floor -mode log      a floor, until Ctrl-C
//	go run ./docs/performance cluster              what several nodes cost each other, as root; see docs/scaling.md
//	go run ./docs/performance million              a million connections, as root; see docs/scaling.md
//
// Measure builds the program, and starts it, or a floor, anew for each run. The
// clients are those of tickerd bench, in a process of their own. A round is one run
// of everything that an experiment compares, so that what disturbs the machine
// disturbs all alike; a figure is the median of the rounds. Each run is a line of
// results.jsonl, and the tables say nothing else than that file does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	end()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "performance:", err)
		os.Exit(1)
	}
}

// run carries out a command line.
func run(ctx context.Context, args []string) error {
	command := ""
	if len(args) > 0 {
		command, args = args[0], args[1:]
	}
	switch command {
	case "measure":
		return measureCommand(ctx, args)
	case "plot":
		return plotCommand(args)
	case "floor":
		return floorCommand(ctx, args)
	case "million":
		return millionCommand(ctx, args)
	case "cluster":
		return clusterCommand(ctx, args)
	}
	return errors.New("say measure, plot, floor, cluster or million, and -help for more")
}

// Where things are, from the root of the module.
const (
	resultsPath  = "docs/performance/results.jsonl"
	documentPath = "docs/performance.md"
	picturesPath = "docs/performance"
)
