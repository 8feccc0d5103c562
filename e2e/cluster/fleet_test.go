package cluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tickerd/auth"
	"tickerd/bus/cluster"
	"tickerd/e2e/nodetest"
)

// What the nodes of a fleet have in common.
const (
	tokenKey         = "the nodes of a fleet sign with one key"
	operatorPassword = "correct-horse-battery-staple"
	clusterPassword  = "another-horse-battery-staple"
)

// patience is how long a cluster is waited for. Those who keep its streams choose a
// leader within 4 to 9 s, and may have to do so twice.
const patience = 90 * time.Second

// A fleet is the nodes of a cluster.
type fleet struct {
	tb     testing.TB
	berths []*berth
	ledger *ledger
	key    string // of the user demo

	mu    sync.Mutex
	doors map[string]*nodetest.Node // where clients come in, as a load balancer knows them
}

// A berth is where one of them is started, again and again.
type berth struct {
	name      string
	namespace string // "": ours
	dir       string
	settings  []string
	*nodetest.Node
	down bool // it does not run, or is stopped
}

// newFleet starts count nodes with routes between them on the loopback, and returns when
// all are ready. Each simulates prices of its own.
func newFleet(tb testing.TB, count int, settings ...string) *fleet {
	tb.Helper()
	f := dockFleet(tb, count, settings...)
	f.launch()
	return f
}

// dockFleet is newFleet without starting anything.
func dockFleet(tb testing.TB, count int, settings ...string) *fleet {
	tb.Helper()
	routes := make([]string, count)
	for i := range routes {
		routes[i] = freeAddress(tb)
	}
	f := &fleet{tb: tb, ledger: newLedger(), doors: map[string]*nodetest.Node{}, key: newDemoKey()}
	for i, address := range routes {
		f.berth("", slices.Concat(clustered(address, routes), settings)...)
		f.berths[i].settings = append(f.berths[i].settings, fmt.Sprintf("pricefeed.seed=%d", i+1))
	}
	return f
}

// newDemoKey is a key as a node makes it for a first look.
func newDemoKey() string { return auth.RandomKey().Reveal() }

// clustered are the settings of a node that has routes.
func clustered(listen string, routes []string) []string {
	return []string{"bus.cluster_listen=" + listen, "bus.routes=" + strings.Join(routes, ","), "bus.cluster_password=" + clusterPassword}
}

// berth adds one. All have the same demo key, as if the first had made it.
func (f *fleet) berth(namespace string, settings ...string) *berth {
	b := &berth{name: "node-" + strconv.Itoa(len(f.berths)+1), namespace: namespace, dir: nodetest.NewDataDir(f.tb), down: true}
	b.settings = append([]string{
		"bus.node=" + b.name, "auth.token_key=" + tokenKey, "bus.operator_password=" + operatorPassword,
		"server.drain_spread=1s", "auth.failures_per_minute=0", "auth.tokens_per_minute=0",
	}, settings...)
	if err := errors.Join(os.Mkdir(b.dir, 0o700), os.WriteFile(filepath.Join(b.dir, "demo.key"), []byte(f.key+"\n"), 0o600)); err != nil {
		f.tb.Fatal(err)
	}
	f.berths = append(f.berths, b)
	return b
}

// launch starts all that are down, and waits until all are ready.
func (f *fleet) launch() {
	f.tb.Helper()
	for _, b := range f.berths {
		if b.down {
			f.begin(b)
		}
	}
	for _, b := range f.berths {
		f.awaitReady(b)
	}
	f.settle()
}

// settle waits until every stream is kept by three nodes, or as many as there are, and each
// of them has all of it: only then the cluster can do without any of them.
func (f *fleet) settle() {
	f.tb.Helper()
	operator := f.others()[0].Operator(f.tb)
	defer operator.Close()
	var why string
	eventually(f.tb, "all streams are kept by all", func() bool {
		var list struct {
			Streams []streamInfo
			Missing []string
			Total   int
		}
		answer, came := operator.Request("$JS.API.STREAM.LIST", "", 10*time.Second)
		if !came {
			why = "nobody answers" // there is no leader just now
			return false
		}
		if err := json.Unmarshal([]byte(answer.Data), &list); err != nil {
			f.tb.Fatal(err)
		}
		why = answer.Data
		for _, s := range list.Streams {
			if !s.isWhole(min(f.voters(), 3)) {
				return false
			}
		}
		return len(list.Streams) > 0 && len(list.Streams) == list.Total && len(list.Missing) == 0
	}, func() string { return why })
}

// voters is how many nodes keep streams.
func (f *fleet) voters() (n int) {
	for _, b := range f.berths {
		if !slices.Contains(b.settings, "auth.database=none") {
			n++
		}
	}
	return n
}

// A streamInfo is what NATS tells of a stream.
type streamInfo struct {
	Cluster struct {
		Leader   string
		Replicas []struct{ Current, Offline bool }
	}
}

// isWhole reports whether so many nodes have all of it.
func (s streamInfo) isWhole(count int) bool {
	for _, r := range s.Cluster.Replicas {
		if !r.Current || r.Offline {
			return false
		}
	}
	return s.Cluster.Leader != "" && len(s.Cluster.Replicas) >= count-1
}

// begin starts a node, and waits until it takes requests.
func (f *fleet) begin(b *berth) {
	f.tb.Helper()
	b.Node = nodetest.Launch(f.tb, b.namespace, b.dir, b.settings...)
	b.Provoked = troubles
	b.AwaitStart(f.tb)
	b.down = false
	if b.Bus != "" {
		f.ledger.listen(f.tb, b)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doors[b.name] = b.Node
}

// troubles are what a node may complain of while others are gone.
var troubles = []string{"nats: ", "JetStream", "jetstream", "RAFT", "cut off", "cluster", "lease", "Lease", "history", "candles", "oute", "eaf"}

// awaitReady waits until a node lets clients in.
func (f *fleet) awaitReady(b *berth) {
	f.tb.Helper()
	var why string
	eventually(f.tb, b.name+" is ready", func() bool {
		why = b.Unready(f.tb)
		return why == ""
	}, func() string { return why })
}

// kill ends a node as the failure of its machine does.
func (f *fleet) kill(b *berth) {
	b.down = true
	b.Kill()
}

// stop ends a node as an operator does.
func (f *fleet) stop(b *berth) {
	f.tb.Helper()
	b.down = true
	b.Stop(f.tb)
}

// publisher waits until one of the nodes publishes, which all others have noticed.
func (f *fleet) publisher() *berth {
	f.tb.Helper()
	var found *berth
	eventually(f.tb, "one publisher", func() bool {
		found = nil
		for _, b := range f.berths {
			if b.down {
				continue
			}
			for _, n := range b.nodes(f.tb) {
				switch of := f.named(n.Node.Node); {
				case !n.Publisher || of == nil:
				case found != nil && found != of || of.down:
					return false
				default:
					found = of
				}
			}
		}
		return found != nil
	}, nil)
	return found
}

// named is the berth of that name.
func (f *fleet) named(name string) *berth {
	if i := slices.IndexFunc(f.berths, func(b *berth) bool { return b.name == name }); i >= 0 {
		return f.berths[i]
	}
	return nil
}

// others are all nodes that run, but for some.
func (f *fleet) others(but ...*berth) (list []*berth) {
	for _, b := range f.berths {
		if !b.down && !slices.Contains(but, b) {
			list = append(list, b)
		}
	}
	return list
}

// nodes is what the node knows of all.
func (b *berth) nodes(tb testing.TB) (list []cluster.Seen) {
	tb.Helper()
	status, body := b.CallAdmin(tb, "/nodes")
	if err := json.Unmarshal(body, &list); err != nil || status != http.StatusOK {
		tb.Fatalf("/nodes: status %d, %v: %s", status, err, body)
	}
	return list
}

// token is one of the demo key.
func (f *fleet) token() string {
	f.tb.Helper()
	return f.others()[0].tokenOf(f.tb, f.key)
}

// tokenOf waits until a key counts on the node, and gives a token of it.
func (b *berth) tokenOf(tb testing.TB, key string) (token string) {
	tb.Helper()
	eventually(tb, "the key counts on "+b.name, func() bool {
		status, g := b.Exchange(tb, key)
		token = g.Token
		return status == http.StatusOK
	}, nil)
	return token
}

// eventually waits until something is so; state, if there is one, says what is instead.
func eventually(tb testing.TB, what string, is func() bool, state func() string) {
	tb.Helper()
	late := time.After(patience)
	for !is() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			said := ""
			if state != nil {
				said = "; " + state()
			}
			tb.Fatalf("waited %v for: %s%s", patience, what, said)
		}
	}
}

// freeAddress is one on the loopback where nobody listens.
func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
