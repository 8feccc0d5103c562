package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tickerd/gateway/floor"
)

// The servers that are compared: the real one, and the floors.
const (
	serverTickerd = "tickerd"
	serverLog     = string(floor.Log)
	serverBare    = string(floor.Bare)
	serverUpgrade = string(floor.Upgrade)
)

// An experiment compares servers under some loads, and has a table of its own in
// the document, between marks of its name.
type experiment struct {
	name    string
	servers []string
	loads   []load
	apart   bool // server and clients have a core each; else they share two
	rounds  int  // at most so many; 0: as many as are asked for
	columns []column
}

// A load is what the clients do.
type load struct {
	Conns    int           `json:"conns"` // clients that read
	Slow     int           `json:"slow,omitempty"`
	Interval time.Duration `json:"interval_ns,omitempty"`
	Churn    bool          `json:"churn,omitempty"`
	Deflate  bool          `json:"deflate,omitempty"`
}

// mostConns is how many clients one process can be where it may open 20,000 files.
const mostConns = 19_000

// experiments are all, in the order in which they are measured.
var experiments = []experiment{
	{
		name:    "ticks",
		servers: []string{serverTickerd, serverLog, serverBare},
		loads:   clients(1_000, 2_000, 4_000),
		apart:   true,
		columns: slices.Concat(whichServer, delivery, delays, []column{
			ratio("× log", p99, sameLoad(serverLog)),
			ratio("× bare", p99, sameLoad(serverBare)),
			median("CPU per message", cpuPerMessage, microseconds),
			median("clients' CPU", clientsCPU, percent),
		}),
	},
	{
		name:    "shared",
		servers: []string{serverTickerd, serverLog},
		loads:   clients(10_000),
		columns: slices.Concat(whichServer, delivery, delays, []column{
			ratio("× log", p99, sameLoad(serverLog)),
			median("CPU per message", cpuPerMessage, microseconds),
		}),
	},
	{
		name:    "curve",
		servers: []string{serverTickerd, serverLog},
		loads:   clients(1_000, 2_000, 4_000, 7_000, 10_000, 13_000, 16_000, mostConns),
		rounds:  3,
		columns: slices.Concat(whichServer, delivery, delays, []column{
			ratio("× log", p99, sameLoad(serverLog)),
		}),
	},
	{
		name:    "idle",
		servers: []string{serverTickerd, serverUpgrade},
		loads:   []load{{Conns: mostConns, Interval: 20 * time.Second}},
		columns: slices.Concat(whichServer, []column{
			median("before the first", rssReady, megabytes),
			median("with all", rss, megabytes),
			median("per connection", rssPerConn, kibibytes),
			spread("lowest to highest", rssPerConn, kibibytes),
			ratio("× upgrade", rssPerConn, sameLoad(serverUpgrade)),
		}),
	},
	{
		name:    "stuck",
		servers: []string{serverTickerd},
		loads:   []load{{Conns: 900}, {Conns: 900, Slow: 100}},
		apart:   true,
		columns: slices.Concat([]column{
			{"reading", func(r row, _ rows) string { return grouped(float64(r.load.Conns)) }},
			{"stuck", func(r row, _ rows) string { return grouped(float64(r.load.Slow)) }},
		}, delivery, delays, []column{
			ratio("× without", p99, sameServer(load{Conns: 900})),
		}),
	},
	{
		name:    "joins",
		servers: []string{serverTickerd, serverUpgrade},
		loads:   []load{{Conns: 128, Churn: true}},
		apart:   true,
		columns: []column{
			server,
			median("joins a second", joinsPerSecond, grouped),
			spread("lowest to highest", joinsPerSecond, grouped),
			ratio("× upgrade", joinsPerSecond, sameLoad(serverUpgrade)),
			median("p50", joinP50, milliseconds),
			median("p99", joinP99, milliseconds),
			median("CPU per join", cpuPerJoin, microseconds),
			median("clients' CPU", clientsCPU, percent),
		},
	},
	{
		name:    "deflate",
		servers: []string{serverTickerd},
		loads:   []load{{Conns: 1_000}, {Conns: 1_000, Deflate: true}},
		apart:   true,
		columns: slices.Concat([]column{
			{"compressed", func(r row, _ rows) string { return map[bool]string{false: "no", true: "yes"}[r.load.Deflate] }},
		}, delivery, []column{
			median("bytes a second", bytesPerSecond, megabytes),
		}, delays, []column{
			ratio("× without", p99, sameServer(load{Conns: 1_000})),
			median("CPU per message", cpuPerMessage, microseconds),
		}),
	},
}

func clients(counts ...int) (loads []load) {
	for _, n := range counts {
		loads = append(loads, load{Conns: n})
	}
	return loads
}

// choose gives the experiments of a list of names; all, if it is empty.
func choose(list string) ([]experiment, error) {
	if list == "" {
		return experiments, nil
	}
	var chosen []experiment
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(experiments, func(e experiment) bool { return e.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no experiment %q", name)
		}
		chosen = append(chosen, experiments[i])
	}
	return chosen, nil
}

// A step is one run of an experiment, still to be made.
type step struct {
	round  int // from 1
	load   load
	server string
}

// plan gives the runs of an experiment in order: round by round, and in each round
// another server comes first.
func (e experiment) plan(rounds int) (steps []step) {
	if e.rounds > 0 {
		rounds = min(rounds, e.rounds)
	}
	for round := range rounds {
		for _, l := range e.loads {
			for i := range e.servers {
				steps = append(steps, step{round + 1, l, e.servers[(round+i)%len(e.servers)]})
			}
		}
	}
	return steps
}
