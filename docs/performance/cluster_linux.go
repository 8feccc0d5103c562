package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"tickerd/cmd/tickerd/bench"
)

// A clusterLab measures what several nodes cost each other.
type clusterLab struct {
	*binaries
	rounds   int
	duration time.Duration
	results  string
	ports    int // given out so far
}

// clusterCommand measures what a cluster's size depends on.
func clusterCommand(ctx context.Context, args []string) error {
	l := &clusterLab{}
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	only := flags.String("only", "bus,interest,delay,total", "the `experiments` to run")
	flags.IntVar(&l.rounds, "rounds", 5, "how often each run of delay and total is made")
	flags.DurationVar(&l.duration, "duration", 6*time.Second, "how long each run measures")
	flags.StringVar(&l.results, "results", "", "a `file` to which results are added, a line of JSON each")
	tickerd := flags.String("tickerd", "", "the `program`; built from ./cmd/tickerd if left out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	nothing := func() (func() error, error) { return func() error { return nil }, nil }
	return inside(ctx, nothing, func() error {
		dir, err := os.MkdirTemp("", "tickerd-cluster-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if l.binaries, err = find(ctx, *tickerd, dir); err != nil {
			return err
		}
		for name := range strings.SplitSeq(*only, ",") {
			run := map[string]func(context.Context) error{"bus": l.bus, "interest": l.interest, "delay": l.delay, "total": l.total}[name]
			if run == nil {
				return fmt.Errorf("there is no experiment %q", name)
			}
			if err := run(ctx); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
}

// save adds a result to the file.
func (l *clusterLab) save(experiment string, result any) error {
	if l.results == "" {
		return nil
	}
	line, err := json.Marshal(map[string]any{
		"date": time.Now().UTC().Truncate(time.Second), "machine": machine(), "revision": l.revision, "experiment": experiment, "result": result,
	})
	if err != nil {
		return err
	}
	file, err := os.OpenFile(l.results, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(append(line, '\n'))
	return err
}

// port is one that nobody has: the network is ours.
func (l *clusterLab) port() string {
	l.ports++
	return "127.0.0.1:" + strconv.Itoa(10_000+l.ports)
}

// A place is where a node is found.
type place struct {
	*member
	web   string
	admin string
}

// full starts n nodes that have everything, as a cluster if there are several, and waits
// until one publishes and all let clients in.
func (l *clusterLab) full(f *fleet, n int, settings ...string) (list []place, err error) {
	var routes []string
	for range n {
		routes = append(routes, l.port())
	}
	var all []*member
	for i := range n {
		p := place{web: l.port(), admin: l.port()}
		own := append([]string{"server.listen=" + p.web, "server.admin_listen=" + p.admin, "bus.cluster_password=" + fleetPassword}, settings...)
		if n > 1 {
			own = append(own, "bus.cluster_listen="+routes[i], "bus.routes="+strings.Join(routes, ","))
		}
		if p.member, err = f.node("node-"+strconv.Itoa(l.ports), own...); err != nil {
			return nil, err
		}
		list, all = append(list, p), append(all, p.member)
	}
	if err := f.await(all, "ready"); err != nil {
		return nil, err
	}
	if n > 1 {
		if err := f.await(all, inTouch); err != nil {
			return nil, err
		}
	}
	if err := f.until("nodes that are ready, one of which publishes", func() (bool, error) {
		for _, p := range list {
			if status, _, err := get(f.ctx, "http://"+p.web+"/readyz"); err != nil || status != http.StatusOK {
				return false, err
			}
		}
		return slices.ContainsFunc(all, func(m *member) bool { return m.has(publishing) }), nil
	}); err != nil {
		return nil, err
	}
	// The publisher comes first.
	slices.SortStableFunc(list, func(a, b place) int {
		return map[bool]int{true: 0, false: 1}[a.has(publishing)] - map[bool]int{true: 0, false: 1}[b.has(publishing)]
	})
	return list, nil
}

// publishing is what a node logs when it begins to.
const publishing = "publishing prices"

// ticks is how many a node has published.
func (p place) ticks(ctx context.Context) (float64, error) {
	_, page, err := get(ctx, "http://"+p.admin+"/metrics")
	if err != nil {
		return 0, err
	}
	n, err := number(page, `(?m)^tickerd_feed_ticks_total(?:\{.*\})? (\d+)$`)
	return float64(n), err
}

// get asks for a page.
func get(ctx context.Context, url string) (status int, page string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// busCost is what one tick costs with so many nodes that do nothing with it.
type busCost struct {
	Way       string  `json:"way"` // how they are on the bus
	Symbols   int     `json:"symbols"`
	Others    int     `json:"others"`
	Ticks     float64 `json:"ticks"`
	Publisher float64 `json:"publisher_s"` // of the processor, in all
	Each      float64 `json:"each_s"`      // of the others
	Bytes     float64 `json:"bytes"`
}

const mostOthers = 4

// bus measures what a further node costs the bus: to the one that publishes, and in
// bytes between them.
func (l *clusterLab) bus(ctx context.Context) error {
	fmt.Println("| way | symbols | other nodes | ticks a second | publisher's CPU per tick | each other's | bytes per tick |\n|---|---|---|---|---|---|---|")
	for _, symbols := range []int{3, 2000} {
		for _, way := range []string{"leaf", "routes", "url"} {
			if err := l.busOf(ctx, way, symbols); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *clusterLab) busOf(ctx context.Context, way string, symbols int) error {
	f, err := newFleet(ctx, l.binaries)
	if err != nil {
		return err
	}
	defer f.end()
	settings := []string{"pricefeed.symbols=" + symbolNames(symbols)}
	leaves, clients := l.port(), l.port()
	keepers := 1
	var how []string
	switch way {
	case "leaf":
		settings, how = append(settings, "bus.leaf_listen="+leaves), []string{"bus.leaf_remotes=" + leaves}
	case "url":
		settings, how = append(settings, "bus.listen="+clients), []string{"bus.url=nats://operator:" + fleetPassword + "@" + clients}
	case "routes":
		keepers = 2
		routes := "127.0.0.1:" + strconv.Itoa(10_000+l.ports+1) // of the first that full starts
		how = []string{"bus.routes=" + routes}
	}
	nodes, err := l.full(f, keepers, settings...)
	if err != nil {
		return err
	}
	var others []*member
	for {
		time.Sleep(5 * time.Second) // for what the start needs
		c := busCost{Way: way, Symbols: symbols, Others: len(others)}
		if err := l.costs(ctx, nodes[0], others, &c); err != nil {
			return err
		}
		fmt.Printf("| %s | %s | %d | %s | %s | %s | %s |\n", c.Way, grouped(float64(c.Symbols)), c.Others, grouped(c.Ticks/l.duration.Seconds()),
			microseconds(c.Publisher*1e6/c.Ticks), microseconds(c.Each*1e6/c.Ticks), grouped(c.Bytes/c.Ticks))
		if err := l.save("bus", c); err != nil {
			return err
		}
		if len(others) == mostOthers {
			return nil
		}
		for range max(1, len(others)) { // 0, 1, 2, 4
			own := append([]string{"server.listen=" + l.port(), "handler.workers=1", "bus.cluster_password=" + fleetPassword}, how...)
			if way == "routes" {
				own = append(own, "bus.cluster_listen="+l.port())
			}
			if way == "url" {
				own = slices.DeleteFunc(own, func(s string) bool { return strings.HasPrefix(s, "bus.cluster_password") })
			}
			n, err := f.gateway("gateway-"+strconv.Itoa(l.ports), own...)
			if err != nil {
				return err
			}
			others = append(others, n)
		}
		ready := map[string]string{"url": "ready"}[way]
		if ready == "" {
			ready = inTouch
		}
		if err := f.await(others, ready); err != nil {
			return err
		}
	}
}

// costs measures for the time of a window.
func (l *clusterLab) costs(ctx context.Context, publisher place, others []*member, c *busCost) error {
	ticks, err := publisher.ticks(ctx)
	if err != nil {
		return err
	}
	bytes, err := loopbackBytes()
	if err != nil {
		return err
	}
	own, err := usageOf(publisher.pid)
	if err != nil {
		return err
	}
	theirs, err := usageOf(pidsOf(others)...)
	if err != nil {
		return err
	}
	time.Sleep(l.duration)
	bytesAfter, err := loopbackBytes()
	if err != nil {
		return err
	}
	ownAfter, err := usageOf(publisher.pid)
	if err != nil {
		return err
	}
	theirsAfter, err := usageOf(pidsOf(others)...)
	if err != nil {
		return err
	}
	ticksAfter, err := publisher.ticks(ctx)
	if err != nil {
		return err
	}
	c.Ticks, c.Bytes, c.Publisher = ticksAfter-ticks, float64(bytesAfter-bytes), ownAfter.cpu-own.cpu
	c.Each = (theirsAfter.cpu - theirs.cpu) / float64(max(1, len(others)))
	return nil
}

// symbolNames is a list of so many.
func symbolNames(n int) string {
	list := []string{"BTC-USD", "ETH-USD", "SOL-USD"}
	for i := len(list); i < n; i++ {
		list = append(list, fmt.Sprintf("S%04d-USD", i))
	}
	return strings.Join(list, ",")
}

// herdOf starts clients of a node.
func (l *clusterLab) herdOf(f *fleet, p place, token string, conns int, args ...string) (*herd, error) {
	return f.herd(nil, append([]string{"--url", "http://" + p.web, "--token", token, "--conns", strconv.Itoa(conns),
		"--sources", sources, "--warmup", "1s", "--duration", l.duration.String(), "--threads", "1"}, args...)...)
}

// gather has the clients of all herds come, measure and leave.
func (f *fleet) gather(herds ...*herd) (*bench.Report, error) {
	if err := f.until("all clients", func() (bool, error) {
		for _, h := range herds {
			select {
			case <-h.ended:
				return false, h.err
			default:
			}
			if !h.isReady() {
				return false, nil
			}
		}
		return true, nil
	}); err != nil {
		return nil, err
	}
	return f.measured(herds)
}

// interestConns is how many connections tell another node of themselves.
const interestConns = 15_000

// pair starts two full nodes, and has a token that both take. The fleet is the caller's
// to end.
func (l *clusterLab) pair(ctx context.Context) (f *fleet, nodes []place, token string, err error) {
	if f, err = newFleet(ctx, l.binaries); err != nil {
		return nil, nil, "", err
	}
	if nodes, err = l.full(f, 2); err == nil {
		token, err = f.token(nodes[0].member, "http://"+nodes[0].web)
	}
	if err != nil {
		f.end()
		return nil, nil, "", err
	}
	return f, nodes, token, nil
}

// interest measures what the connections of a node cost another one of the cluster: each
// has a subscription of its handler, of which all nodes know.
func (l *clusterLab) interest(ctx context.Context) error {
	f, nodes, token, err := l.pair(ctx)
	if err != nil {
		return err
	}
	defer f.end()
	time.Sleep(5 * time.Second)
	before, err := usageOf(nodes[1].pid)
	if err != nil {
		return err
	}
	time.Sleep(l.duration)
	idle, err := usageOf(nodes[1].pid)
	if err != nil {
		return err
	}
	began := time.Now()
	h, err := l.herdOf(f, nodes[0], token, interestConns, "--interval", "20s")
	if err != nil {
		return err
	}
	if err := f.until("all clients", func() (bool, error) { return h.isReady(), nil }); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	joined, err := usageOf(nodes[1].pid)
	if err != nil {
		return err
	}
	time.Sleep(8 * time.Second) // for garbage to be collected
	after, err := usageOf(nodes[1].pid)
	if err != nil {
		return err
	}
	if _, err := f.gather(h); err != nil {
		return err
	}
	cpu := joined.cpu - idle.cpu - (idle.cpu-before.cpu)/l.duration.Seconds()*took
	result := struct {
		Conns int     `json:"conns"`
		Bytes float64 `json:"bytes_each"`
		CPU   float64 `json:"cpu_us_each"`
	}{interestConns, float64(after.anon-idle.anon) / interestConns, cpu * 1e6 / interestConns}
	fmt.Printf("%s connections of another node take %s each of this one's memory, and %s of its processor when they join\n",
		grouped(interestConns), kibibytes(result.Bytes), microseconds(result.CPU))
	return l.save("interest", result)
}

// delayConns is how many clients a node has whose delay is measured.
const delayConns = 200

// delay measures how much later ticks come to the clients of a node that does not
// publish.
func (l *clusterLab) delay(ctx context.Context) error {
	f, nodes, token, err := l.pair(ctx)
	if err != nil {
		return err
	}
	defer f.end()
	type delays struct {
		Round    int                `json:"round"`
		Publish  *bench.Percentiles `json:"publisher_us"`
		Other    *bench.Percentiles `json:"other_us"`
		Received *bench.Ticks       `json:"other_ticks"`
	}
	var p50, p99 [2]values
	for round := range l.rounds {
		d := delays{Round: round + 1}
		for k := range 2 {
			i := (round + k) % 2
			h, err := l.herdOf(f, nodes[i], token, delayConns)
			if err != nil {
				return err
			}
			r, err := f.gather(h)
			if err != nil {
				return err
			}
			if i == 0 {
				d.Publish = r.DelayUS
			} else {
				d.Other, d.Received = r.DelayUS, r.Ticks
			}
			p50[i], p99[i] = append(p50[i], float64(r.DelayUS.P50)/1e3), append(p99[i], float64(r.DelayUS.P99)/1e3)
		}
		if err := l.save("delay", d); err != nil {
			return err
		}
	}
	fmt.Println("| 200 clients of | p50 | p99 | lowest to highest p99 |\n|---|---|---|---|")
	for i, name := range []string{"the publisher's node", "the other node"} {
		slices.Sort(p50[i])
		slices.Sort(p99[i])
		fmt.Printf("| %s | %s | %s | %s to %s |\n", name, milliseconds(p50[i].median()), milliseconds(p99[i].median()), milliseconds(p99[i][0]), milliseconds(p99[i][len(p99[i])-1]))
	}
	fmt.Printf("| ratio | %s | %s | |\n", times(p50[1].median()/p50[0].median()), times(p99[1].median()/p99[0].median()))
	return nil
}

// totalConns are all clients, of one node or several.
const totalConns = 9_000

// total measures how much one, two and three nodes deliver together.
func (l *clusterLab) total(ctx context.Context) error {
	fmt.Println("| nodes | messages a second | received | p50 | p99 |\n|---|---|---|---|---|")
	token := ""
	var reports [4][]*bench.Report
	for range min(l.rounds, 3) {
		for n := 1; n <= 3; n++ {
			r, err := l.totalOf(ctx, n, &token)
			if err != nil {
				return err
			}
			reports[n] = append(reports[n], r)
			if err := l.save("total", map[string]any{"nodes": n, "bench": r}); err != nil {
				return err
			}
		}
	}
	for n := 1; n <= 3; n++ {
		var rate, got, p50, p99 values
		for _, r := range reports[n] {
			rate = append(rate, r.Received.MessagesPerSecond)
			got = append(got, float64(r.Ticks.Received)/float64(r.Ticks.Published)/totalConns)
			p50, p99 = append(p50, float64(r.DelayUS.P50)/1e3), append(p99, float64(r.DelayUS.P99)/1e3)
		}
		for _, v := range []values{rate, got, p50, p99} {
			slices.Sort(v)
		}
		fmt.Printf("| %d | %s | %s | %s | %s |\n", n, grouped(rate.median()), percent(min(1, got.median())), milliseconds(p50.median()), milliseconds(p99.median()))
	}
	return nil
}

func (l *clusterLab) totalOf(ctx context.Context, n int, token *string) (*bench.Report, error) {
	f, err := newFleet(ctx, l.binaries)
	if err != nil {
		return nil, err
	}
	defer f.end()
	nodes, err := l.full(f, n)
	if err != nil {
		return nil, err
	}
	if *token == "" { // all nodes sign with the same key
		if *token, err = f.token(nodes[0].member, "http://"+nodes[0].web); err != nil {
			return nil, err
		}
	}
	var herds []*herd
	for _, p := range nodes {
		h, err := l.herdOf(f, p, *token, totalConns/n)
		if err != nil {
			return nil, err
		}
		herds = append(herds, h)
	}
	return f.gather(herds...)
}
