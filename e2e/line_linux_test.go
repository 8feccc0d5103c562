package e2e_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
)

// On a line of slowRate no price is shown that is older than freshness.
const (
	slowRate  = "64kbit"
	freshness = 2 * time.Second
)

// span is of how much time a line's clients watch the ticks.
const span = 10 * time.Second

// TestSlowLine watches prices over a line that carries a part of them: ticks of 3
// symbols are 170 kbit/s, of 10 symbols 550. Who is at its end is kept fresh, gets
// nothing that is out of order, and stays connected; who is beside it on a fast
// line misses nothing.
func TestSlowLine(t *testing.T) {
	l := newLine(t, slowRate)
	for _, count := range []int{3, 10} {
		t.Run(fmt.Sprintf("%d symbols", count), func(t *testing.T) {
			slow, fast := l.watch(t, count)
			t.Logf("%d ticks and %d snapshots; age p50 %v, p99 %v, max %v",
				slow.ticks, slow.snapshots, slow.age(0.5), slow.age(0.99), slow.age(1))
			if slow.age(1) > freshness {
				t.Errorf("a price is shown that is %v old", slow.age(1))
			}
			if slow.snapshots == 0 {
				t.Error("the line is not slow: it carries every tick")
			}
			if fast.snapshots > 0 && fast.age(1) < keeps {
				t.Errorf("on a fast line %d snapshots come instead of ticks", fast.snapshots)
			}
		})
	}
}

// BenchmarkLine measures how old the prices are that are shown on various lines.
func BenchmarkLine(b *testing.B) {
	for _, rate := range []string{"32kbit", slowRate, "256kbit", "1mbit"} {
		for _, count := range []int{3, 30} {
			b.Run(fmt.Sprintf("%s/%d symbols", rate, count), func(b *testing.B) {
				l := newLine(b, rate)
				for b.Loop() {
					slow, _ := l.watch(b, count)
					for what, part := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99, "max-ms": 1} {
						b.ReportMetric(float64(slow.age(part).Milliseconds()), what)
					}
					b.ReportMetric(float64(slow.ticks), "ticks")
					b.ReportMetric(float64(slow.snapshots), "snapshots")
				}
			})
		}
	}
}

// A line leads from this machine over a router to a network namespace. Its rate is
// that of the router, where as much may wait as takes 2 s: a server that fills
// whatever takes something is soon far behind.
//
//	server ══════ router ────── home
type line struct {
	server string // the address at this end
	home   string // the namespace at the other
}

// newLine lays a line of a rate such as "64kbit", and takes it away with the test.
func newLine(tb testing.TB, rate string) *line {
	tb.Helper()
	if os.Getuid() != 0 {
		tb.Skip("a line is laid by root")
	}
	id := fmt.Sprintf("tick%d", os.Getpid()) // an interface has 15 characters at most
	router, home := id+"-router", id+"-home"
	for _, namespace := range []string{router, home} {
		if err := nodetest.Network("ip netns add " + namespace); err != nil {
			tb.Skipf("no network namespaces: %v", err)
		}
		tb.Cleanup(func() {
			if err := nodetest.Network("ip netns delete " + namespace); err != nil {
				tb.Error(err)
			}
		})
	}
	if err := nodetest.Network("ip link add " + id + " type veth peer name near netns " + router); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { // what goes with a namespace goes some time later, and its name with it
		if err := nodetest.Network("ip link delete " + id); err != nil {
			tb.Error(err)
		}
	})
	address := addresses()
	for _, command := range []string{
		"ip -n " + router + " link add name far type veth peer name eth0 netns " + home,
		"ip address add " + address[0] + "/31 dev " + id,
		"ip -n " + router + " address add " + address[1] + "/31 dev near",
		"ip -n " + router + " address add " + address[2] + "/31 dev far",
		"ip -n " + home + " address add " + address[3] + "/31 dev eth0",
		"ip link set " + id + " up",
		"ip -n " + router + " link set near up",
		"ip -n " + router + " link set far up",
		"ip -n " + home + " link set eth0 up",
		"ip netns exec " + router + " tee /proc/sys/net/ipv4/ip_forward",
		"ip -n " + home + " route add default via " + address[2],
		"ip route add " + address[3] + " via " + address[1],
	} {
		if err := nodetest.Network(command); err != nil {
			tb.Fatal(err)
		}
	}
	if err := nodetest.Network("tc -n " + router + " qdisc add dev far root tbf latency 2s burst 1540 rate " + rate); err != nil {
		tb.Skipf("no shaping of traffic: %v", err)
	}
	return &line{server: address[0], home: home}
}

// addresses are a line's, of those that are set aside for measurements. Each
// process has its own.
func addresses() (list [4]string) {
	for i := range list {
		n := os.Getpid()%(1<<14)*8 + i
		list[i] = fmt.Sprintf("198.%d.%d.%d", 18+n>>16, n>>8&0xff, n&0xff)
	}
	return list
}

// watch starts a node that has so many symbols, and watches it from both ends of
// the line at once.
func (l *line) watch(tb testing.TB, count int) (slow, fast *display) {
	tb.Helper()
	list := slices.Clone(symbols)
	for i := len(list); i < count; i++ {
		list = append(list, fmt.Sprintf("C%02d-USD", i))
	}
	n := nodetest.Start(tb, "server.listen="+l.server+":0", "pricefeed.symbols="+strings.Join(list, ","))
	token := n.Token(tb, n.Key)

	ctx, cancel := context.WithCancel(tb.Context())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	here := n.Dial(tb, token, "")
	fast = newDisplay(here)
	watching.Go(func() {
		if err := here.Read(ctx, fast.show); err != nil {
			tb.Errorf("on the fast line: %v", err)
		}
	})
	there := l.dial(tb, n, token)
	slow = newDisplay(there)
	until := slow.shown.TS + span.Microseconds()
	err := there.Read(ctx, func(m nodetest.Message, at time.Time) {
		slow.show(m, at)
		if m.TS > until {
			cancel()
		}
	})
	if err != nil {
		tb.Errorf("on the slow line: %v", err)
	}
	cancel()
	watching.Wait()
	for where, d := range map[string]*display{"fast": fast, "slow": slow} {
		if d.gap != "" {
			tb.Errorf("on the %s line: %s", where, d.gap)
		}
	}
	return slow, fast
}

// dial is the node's, from home. A thread that has gone there does not come back:
// it ends with its goroutine.
func (l *line) dial(tb testing.TB, n *nodetest.Node, token string) (c *nodetest.Client) {
	tb.Helper()
	var dialing sync.WaitGroup
	dialing.Go(func() {
		runtime.LockOSThread()
		if err := nodetest.Enter(l.home); err != nil {
			tb.Error(err)
			return
		}
		c = n.Dial(tb, token, "")
	})
	dialing.Wait()
	if c == nil {
		tb.FailNow()
	}
	return c
}

// A display shows what came last.
type display struct {
	shown     nodetest.Message
	ages      []time.Duration // how old each message had become when the next came
	ticks     int
	snapshots int
	gap       string // where something is missing or comes twice
}

// newDisplay shows the snapshot with which the client's stream begins.
func newDisplay(c *nodetest.Client) *display {
	_, snapshot := c.Greeting()
	return &display{shown: snapshot}
}

func (d *display) show(m nodetest.Message, at time.Time) {
	d.ages = append(d.ages, at.Sub(time.UnixMicro(d.shown.TS)))
	if m.Snapshot {
		d.snapshots++
	} else {
		d.ticks++
	}
	if (m.Snapshot && m.Seq < d.shown.Seq || !m.Snapshot && m.Seq != d.shown.Seq+1) && d.gap == "" {
		d.gap = fmt.Sprintf("after tick %d comes %s", d.shown.Seq, m.Raw)
	}
	d.shown = m
}

// age is how old what was shown became at most, in a part of all cases.
func (d *display) age(part float64) time.Duration {
	if len(d.ages) == 0 {
		return 0
	}
	ages := slices.Sorted(slices.Values(d.ages))
	return ages[int(part*float64(len(ages)-1))].Round(time.Millisecond)
}
