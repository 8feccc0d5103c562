package e2e_test

import (
	"context"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
)

// The figures of the README. Each benchmark measures once: run them with
// -benchtime 1x. None fails for being slow.

// BenchmarkStart measures the time from the start of the process until it is
// ready, and until prices flow, on a new data directory and on a used one; and the
// size of the binary, as it is and without what debuggers need.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		dir := nodetest.NewDataDir(b)
		for _, how := range []string{"new", "used"} {
			began := time.Now()
			n := nodetest.StartDry(b, dir)
			b.ReportMetric(float64(time.Since(began).Milliseconds()), how+"-ready-ms")
			nodetest.Eventually(b, "prices", func() bool { return n.Unready(b) == "" })
			b.ReportMetric(float64(time.Since(began).Milliseconds()), how+"-prices-ms")
			n.Stop(b)
		}
	}
	stripped := filepath.Join(b.TempDir(), "tickerd")
	if err := nodetest.Build(stripped, "-ldflags", "-s -w"); err != nil {
		b.Fatal(err)
	}
	for what, path := range map[string]string{"MB": nodetest.Program, "stripped-MB": stripped} {
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, what)
	}
}

// BenchmarkClients measures what 100 clients get of every tick of three symbols in
// ten seconds, in messages a second, and after what delay, by the tick's own time.
// The clients share the machine with the server.
func BenchmarkClients(b *testing.B) {
	const clients, duration = 100, 10 * time.Second
	for b.Loop() {
		n := nodetest.Start(b)
		token := n.Token(b, n.Key)
		var reading sync.WaitGroup
		var mu sync.Mutex
		var all delays
		snapshots, worst := 0, math.MaxInt
		list := make([]*nodetest.Client, clients)
		for i := range list {
			list[i] = n.Dial(b, token, "")
			list[i].Greeting()
		}
		from := time.Now().Add(500 * time.Millisecond) // after the rush of those who have just come
		ctx, cancel := context.WithDeadline(b.Context(), from.Add(duration))
		for _, c := range list {
			reading.Go(func() {
				mine := make([]time.Duration, 0, 2000)
				skipped := 0
				err := c.Read(ctx, func(m nodetest.Message, at time.Time) {
					switch {
					case at.Before(from):
					case m.Snapshot:
						skipped++
					default:
						mine = append(mine, at.Sub(time.UnixMicro(m.TS)))
					}
				})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					b.Errorf("a client: %v", err)
				}
				all = append(all, mine...)
				snapshots += skipped
				worst = min(worst, len(mine))
			})
		}
		reading.Wait()
		cancel()
		b.ReportMetric(float64(len(all))/duration.Seconds(), "messages/s")
		b.ReportMetric(float64(worst)/duration.Seconds(), "worst-messages/s")
		b.ReportMetric(float64(snapshots), "skips")
		all.report(b)
	}
}

// delays are how long something took, each time.
type delays []time.Duration

func (d delays) report(b *testing.B) {
	slices.Sort(d)
	for what, part := range map[string]float64{"p50-µs": 0.5, "p99-µs": 0.99, "max-µs": 1} {
		b.ReportMetric(float64(d[int(part*float64(len(d)-1))].Microseconds()), what)
	}
}

// BenchmarkIdle measures the memory that 2,000 connections take of which each is
// sent a message a minute, or none at all.
func BenchmarkIdle(b *testing.B) {
	const connections = 2000
	for name, c := range map[string]struct{ source, query string }{
		"a message a minute": {"pricefeed.source=simulator", "?symbols=BTC-USD&interval=60s"},
		"silent":             {"pricefeed.source=none", ""},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				n := nodetest.Start(b, c.source, "auth.tokens_per_minute=0")
				token := n.Token(b, n.Key)
				warm := n.Dial(b, token, c.query) // what is made once is there
				warm.Greeting()
				before := memoryOf(b, n)
				for range connections {
					n.Dial(b, token, c.query).Greeting()
				}
				after := memoryOf(b, n)
				b.ReportMetric(after.resident/1e6, "MB")
				b.ReportMetric((after.resident-before.resident)/connections/1024, "KiB/conn")
				b.ReportMetric((after.heap-before.heap)/connections/1024, "heap-KiB/conn")
				b.ReportMetric((after.stack-before.stack)/connections/1024, "stack-KiB/conn")
				b.ReportMetric((after.goroutines-before.goroutines)/connections, "goroutines/conn")
			}
		})
	}
}

// A memory is what the node says of itself, in bytes.
type memory struct{ resident, heap, stack, goroutines float64 }

// memoryOf asks the node, after a collection of its garbage.
func memoryOf(tb testing.TB, n *nodetest.Node) memory {
	tb.Helper()
	if status, _ := n.CallAdmin(tb, "/debug/pprof/heap?gc=1"); status != http.StatusOK {
		tb.Fatalf("profile: status %d", status)
	}
	_, page := n.CallAdmin(tb, "/metrics")
	value := func(name string) float64 {
		line := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(page)
		if line == nil {
			tb.Fatalf("no metric %s", name)
		}
		v, err := strconv.ParseFloat(string(line[1]), 64)
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
	return memory{value("process_resident_memory_bytes"), value("go_memstats_heap_inuse_bytes"),
		value("go_memstats_stack_inuse_bytes"), value("go_goroutines")}
}
