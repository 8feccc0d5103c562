// Package cluster_test runs several tickerd processes as one cluster, and shows what it
// promises: on the loopback, and on a network of its own, of namespaces, whose lines are
// cut.
//
// A test starts a [fleet]. Its clients are [watcher]s, who stay whatever happens: who is
// sent away comes back, to a node that is ready, as through a load balancer. A [ledger]
// has what was published, as the buses of all nodes have heard it; everything that any
// watcher has seen is held against it, and against the promises:
//
//   - seq grows while a connection lasts, and so does the publisher's term;
//   - of no seq are there two ticks, whoever sees it, and on whatever node;
//   - between two messages without "snapshot" nothing was left out.
//
// What a test measures it logs; docs/reliability.md has the figures. They are limits of
// nothing here: a machine that is busy with something else may be slow.
//
//	go test ./e2e/cluster                                     everything, with a short series of faults
//	go test ./e2e/cluster -run Faults -v -args -faults=5m     a long one
//	go test ./e2e/cluster -run Faults -v -args -seed=7        one that was before
package cluster_test

import (
	"flag"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
)

var (
	faultsFor = flag.Duration("faults", 45*time.Second, "for how long faults are made")
	faultSeed = flag.Uint64("seed", 0, "which faults; 0: other ones each time")
	takeovers = flag.Int("takeovers", 3, "how many publishers are killed")
)

func TestMain(m *testing.M) { nodetest.Main(m) }
