package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"tickerd/cmd/tickerd/bench"
)

// A million is very many connections to one machine, from the same machine: buses, which
// have keys and prices, and gateways, which are leaf nodes of theirs. No process may have
// more than 20,000 files, so there are fifty and more of them, and as many of clients.
//
// Each gateway has a port, and a process of clients, of its own, and they fill up one
// after the other: a gateway that is busy takes many joins each time that it wakes up, and
// where fifty take turns it is the turns that cost. Who joins, and is joined, goes before
// the others: else each join would take longer, the more are there to be served. With one
// port for all, as behind a balancer that has no other way, every gateway is joined all the
// time.
type million struct {
	conns       int
	perGateway  int
	perHerd     int
	buses       int
	interval    time.Duration
	tick        time.Duration
	rate        float64
	atOnce      int
	onePort     bool
	window      time.Duration
	leave       int64 // bytes of memory for others
	resultsPath string
}

// Estimates, from smaller runs, of what a connection takes of the memory: in the kernel
// for both ends, and in the two processes.
const (
	kernelPerConn = 11 << 10
	userPerConn   = 3 << 10
	perProcess    = 25 << 20
)

// millionCommand has very many connections.
func millionCommand(ctx context.Context, args []string) error {
	var m million
	flags := flag.NewFlagSet("million", flag.ContinueOnError)
	flags.IntVar(&m.conns, "conns", 1_000_000, "how many connections")
	flags.IntVar(&m.atOnce, "at-once", 1, "how many processes of clients join at a time, before whatever else the machine does")
	flags.BoolVar(&m.onePort, "one-port", false, "have all gateways on one port; all clients join at once")
	flags.IntVar(&m.perGateway, "per-gateway", 18_000, "then: how many connections for each gateway, on average")
	flags.IntVar(&m.perHerd, "per-bench", 18_500, "how many for each process of clients, and its gateway")
	flags.IntVar(&m.buses, "buses", 3, "how many nodes with keys and prices: one, or three and more")
	flags.DurationVar(&m.interval, "interval", 10*time.Second, "of which each subscribes one tick")
	flags.DurationVar(&m.tick, "tick", 100*time.Millisecond, "the time between two ticks of the publisher, which every gateway takes")
	flags.Float64Var(&m.rate, "rate", 8000, "joins a second, at most, of those that join at a time")
	flags.DurationVar(&m.window, "duration", 30*time.Second, "how long to measure, when all are there")
	leave := flags.Int64("leave", 2048, "MiB of memory that others are to keep: with less, all is ended")
	flags.StringVar(&m.resultsPath, "results", "", "a `file` to which the result is added, as a line of JSON")
	tickerd := flags.String("tickerd", "", "the `program`; built from ./cmd/tickerd if left out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if m.atOnce < 1 {
		return errors.New("-at-once must be 1 or more")
	}
	m.leave = *leave << 20
	return inside(ctx, m.prepare, func() error {
		dir, err := os.MkdirTemp("", "tickerd-million-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		b, err := find(ctx, *tickerd, dir)
		if err != nil {
			return err
		}
		return m.run(ctx, b)
	})
}

// gateways and herds are how many processes there are to be.
func (m *million) herds() int { return (m.conns + m.perHerd - 1) / m.perHerd }

func (m *million) gateways() int {
	if m.onePort {
		return (m.conns + m.perGateway - 1) / m.perGateway
	}
	return m.herds()
}

// address is where gateway i listens, and the clients of process i come.
func (m *million) address(i int) string {
	if m.onePort {
		i = 0
	}
	return "127.0.0.1:" + strconv.Itoa(8081+i)
}

// prepare looks whether there is the memory, and raises the kernel's limits.
func (m *million) prepare() (after func() error, err error) {
	now, err := memoryNow()
	if err != nil {
		return nil, err
	}
	need := int64(m.conns)*(kernelPerConn+userPerConn) + int64(m.gateways()+m.herds())*perProcess
	fmt.Fprintf(os.Stderr, "%s connections need some %s, of %s available\n", grouped(float64(m.conns)), gibibytes(need), gibibytes(now.available))
	if now.available < need+m.leave {
		fmt.Fprintln(os.Stderr, "that is too little; it ends when too little is left")
	}
	return raise(limitsFor(m.conns))
}

// A millionResult is what it came to.
type millionResult struct {
	Date     time.Time     `json:"date"`
	Machine  string        `json:"machine"`
	Revision string        `json:"revision"`
	Conns    int           `json:"conns"`
	Gateways int           `json:"gateways"`
	Buses    int           `json:"buses"`
	Interval time.Duration `json:"interval_ns"`
	Tick     time.Duration `json:"tick_ns"`

	JoinedIn  float64 `json:"joined_in_s"`
	CPUJoin   shares  `json:"cpu_join_s"`      // seconds, for all joins
	CPUWindow shares  `json:"cpu_window_s"`    // in the window
	Empty     shares  `json:"empty_bytes"`     // resident before the first join
	Full      shares  `json:"full_bytes"`      // with all
	Anonymous shares  `json:"anonymous_bytes"` // of the last, what is no file's
	Slab      int64   `json:"slab_bytes"`      // that the kernel's structures grew by
	TCP       int64   `json:"tcp_bytes"`       // that TCP's buffers did
	Used      int64   `json:"used_bytes"`      // less available than before, whoever took it

	Bench *bench.Report `json:"bench"`
}

// shares are of the three kinds of process.
type shares struct {
	Buses    float64 `json:"buses"`
	Gateways float64 `json:"gateways"`
	Clients  float64 `json:"clients"`
}

// A crew is all processes of a run.
type crew struct {
	*fleet
	buses, gateways []*member
	herds           []*herd
	hurried         []int // which of them, and of the gateways, go before the others

	// What was told last of how it goes.
	told   time.Time
	opened int
	before shares
}

func (c *crew) usage() (cpu, rss, anon shares, err error) {
	var herds []int
	for _, h := range c.herds {
		herds = append(herds, h.pid)
	}
	for _, kind := range []struct {
		pids           []int
		cpu, rss, anon *float64
	}{
		{pidsOf(c.buses), &cpu.Buses, &rss.Buses, &anon.Buses},
		{pidsOf(c.gateways), &cpu.Gateways, &rss.Gateways, &anon.Gateways},
		{herds, &cpu.Clients, &rss.Clients, &anon.Clients},
	} {
		u, err := usageOf(kind.pids...)
		if err != nil {
			return cpu, rss, anon, err
		}
		*kind.cpu, *kind.rss, *kind.anon = u.cpu, float64(u.rss), float64(u.anon)
	}
	return cpu, rss, anon, nil
}

// joining is how many processes of clients have not come altogether.
func (c *crew) joining() (n int) {
	for _, h := range c.herds {
		if !h.isReady() {
			n++
		}
	}
	return n
}

func pidsOf(list []*member) (pids []int) {
	for _, m := range list {
		pids = append(pids, m.pid)
	}
	return pids
}

func (s shares) less(o shares) shares {
	return shares{s.Buses - o.Buses, s.Gateways - o.Gateways, s.Clients - o.Clients}
}

// run makes a run, inside.
func (m *million) run(ctx context.Context, b *binaries) (err error) {
	f, err := newFleet(ctx, b)
	if err != nil {
		return err
	}
	defer f.end()
	c := &crew{fleet: f}
	r := millionResult{
		Date: time.Now().UTC().Truncate(time.Second), Machine: machine(), Revision: b.revision,
		Conns: m.conns, Gateways: m.gateways(), Buses: m.buses, Interval: m.interval, Tick: m.tick,
	}
	if err := m.startNodes(c); err != nil {
		return err
	}
	token, err := f.token(c.buses[0], "http://127.0.0.1:9901")
	if err != nil {
		return err
	}
	empty, err := memoryNow()
	if err != nil {
		return err
	}
	before, rss, _, err := c.usage()
	if err != nil {
		return err
	}
	r.Empty = rss
	fmt.Printf("%d gateways of %s each, %d buses of %s\n", len(c.gateways), mebibytes(rss.Gateways/float64(len(c.gateways))), len(c.buses), mebibytes(rss.Buses/float64(len(c.buses))))

	began := time.Now()
	if err := m.startHerds(c, token); err != nil {
		return err
	}
	r.JoinedIn = time.Since(began).Seconds()
	joined, _, _, err := c.usage()
	if err != nil {
		return err
	}
	r.CPUJoin = joined.less(before)
	settle := time.Now().Add(m.interval) // and the garbage of the joins is collected
	if err := m.watch(c, "settling", func() bool { return time.Now().After(settle) }); err != nil {
		return err
	}
	full, err := memoryNow()
	if err != nil {
		return err
	}
	from, rss, anon, err := c.usage()
	if err != nil {
		return err
	}
	r.Full, r.Anonymous = rss, anon
	r.Slab, r.TCP, r.Used = full.slab-empty.slab, full.tcp-empty.tcp, empty.available-full.available

	reported := make(chan error, 1)
	go func() { // ends with the fleet
		var err error
		r.Bench, err = f.measured(c.herds)
		reported <- err
	}()
	end := time.Now().Add(m.window)
	if err := m.watch(c, "measuring", func() bool { return time.Now().After(end) }); err != nil {
		return err
	}
	to, _, _, err := c.usage()
	if err != nil {
		return err
	}
	r.CPUWindow = to.less(from)
	if err := <-reported; err != nil {
		return err
	}
	for _, n := range append(c.buses, c.gateways...) {
		err = errors.Join(err, n.troubles())
	}
	r.print(m.window)
	return errors.Join(err, r.save(m.resultsPath))
}

// startNodes starts buses and gateways, and waits until clients may come.
func (m *million) startNodes(c *crew) error {
	var routes, leaves []string
	for i := range m.buses {
		routes, leaves = append(routes, "127.0.0.1:"+strconv.Itoa(6222+i)), append(leaves, "127.0.0.1:"+strconv.Itoa(7422+i))
	}
	for i := range m.buses {
		settings := []string{
			"server.listen=127.0.0.1:" + strconv.Itoa(9901+i), "bus.cluster_password=" + fleetPassword, "bus.leaf_listen=" + leaves[i],
			"pricefeed.interval=" + m.tick.String(),
		}
		if m.buses > 1 {
			settings = append(settings, "bus.cluster_listen="+routes[i], "bus.routes="+strings.Join(routes, ","))
		}
		n, err := c.node("bus-"+strconv.Itoa(i+1), settings...)
		if err != nil {
			return err
		}
		if err := prefer(n.pid, busFirst); err != nil {
			return err
		}
		c.buses = append(c.buses, n)
	}
	if err := c.await(c.buses, "ready"); err != nil {
		return err
	}
	if m.buses > 1 {
		if err := c.await(c.buses, inTouch); err != nil {
			return err
		}
	}
	for i := range m.gateways() {
		n, err := c.gateway("gateway-"+strconv.Itoa(i+1), "server.listen="+m.address(i), "server.reuse_port="+strconv.FormatBool(m.onePort),
			"handler.workers=1", "bus.cluster_password="+fleetPassword, "bus.leaf_remotes="+strings.Join(leaves, ","))
		if err != nil {
			return err
		}
		c.gateways = append(c.gateways, n)
		if err := unhurried(n.pid); err != nil {
			return err
		}
		if err := c.await(c.gateways[max(0, i-3):i], "ready"); err != nil { // a few at a time
			return err
		}
	}
	if err := c.await(c.gateways, inTouch); err != nil {
		return err
	}
	time.Sleep(5 * time.Second) // what they needed for the start alone is let go
	return nil
}

// startHerds starts the clients, one process after the other, and waits until all are
// there. Each has two addresses of its own: one has not enough ports that are found at once.
func (m *million) startHerds(c *crew, token string) error {
	rest, atOnce := m.conns, m.atOnce
	if m.onePort {
		atOnce = m.herds()
	}
	for i := range m.herds() {
		if err := m.watch(c, "joining", func() bool { return c.joining() < atOnce }); err != nil {
			return err
		}
		if err := c.giveWay(); err != nil {
			return err
		}
		n := (m.conns + m.herds() - 1) / m.herds()
		n = min(n, rest)
		rest -= n
		h, err := c.herd([]string{"GOMAXPROCS=1"}, "--url", "http://"+m.address(i), "--token", token,
			"--conns", strconv.Itoa(n), "--interval", m.interval.String(), "--sources", fmt.Sprintf("127.1.0.%d,127.2.0.%[1]d", i+1),
			"--rate", strconv.FormatFloat(m.rate/float64(atOnce), 'f', 2, 64), "--connecting", strconv.Itoa(max(connecting/atOnce, 1)), "--threads", "1",
			"--warmup", "0s", "--duration", m.window.String())
		if err != nil {
			return err
		}
		c.herds = append(c.herds, h)
		if err := unhurried(h.pid); err != nil {
			return err
		}
		if !m.onePort {
			if err := c.hurry(i); err != nil {
				return err
			}
		}
		time.Sleep(herdPause)
	}
	if err := m.watch(c, "joining", func() bool { return c.joining() == 0 }); err != nil {
		return err
	}
	return c.giveWay()
}

// hurry has a process of clients, and its gateway, go before the others.
func (c *crew) hurry(i int) error {
	c.hurried = append(c.hurried, i)
	return errors.Join(prefer(c.herds[i].pid, joinFirst), prefer(c.gateways[i].pid, joinFirst))
}

// giveWay ends the hurry of those whose clients are there.
func (c *crew) giveWay() (err error) {
	var still []int
	for _, i := range c.hurried {
		if !c.herds[i].isReady() {
			still = append(still, i)
			continue
		}
		err = errors.Join(err, prefer(c.herds[i].pid, 0), prefer(c.gateways[i].pid, 0))
	}
	c.hurried = still
	return err
}

const (
	// joinFirst is the nice value of who joins and is joined: before the buses too, which
	// need little.
	joinFirst = -18

	// connecting is how many joins are under way at a time, of all processes that join
	// together; one each at least.
	connecting = 192
)

// herdPause is between the starts of two processes of clients.
const herdPause = 200 * time.Millisecond

// errMemory is when others would get too little.
var errMemory = errors.New("too little memory is left for others")

// watch says every few seconds how it goes, until something is so.
func (m *million) watch(c *crew, phase string, is func() bool) error {
	const every = 5 * time.Second
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	if c.told.IsZero() {
		c.told = time.Now()
		var err error
		if c.before, _, _, err = c.usage(); err != nil {
			return err
		}
	}
	for !is() {
		select {
		case <-c.ctx.Done():
			return c.ctx.Err()
		case <-look.C:
		}
		now, err := memoryNow()
		if err != nil {
			return err
		}
		if now.available < m.leave {
			return fmt.Errorf("%w: %s", errMemory, gibibytes(now.available))
		}
		for _, n := range append(c.buses, c.gateways...) {
			if n.isEnded() {
				return errors.Join(fmt.Errorf("%s has ended", n.name), n.troubles())
			}
		}
		took := time.Since(c.told)
		if took < every {
			continue
		}
		opened := 0
		for _, h := range c.herds {
			select {
			case <-h.ended:
				if phase != "measuring" {
					return fmt.Errorf("clients have ended: %w", h.err)
				}
			default:
			}
			opened += h.opened()
		}
		cpu, rss, _, err := c.usage()
		if err != nil {
			return err
		}
		busy := cpu.less(c.before)
		if phase != "joining" {
			opened = c.opened
		}
		fmt.Printf("%s: %s connections, %s joins/s; memory: %s available, %s gateways, %s clients, %s slab; cores: %.2f buses, %.2f gateways, %.2f clients\n",
			phase, grouped(float64(opened)), grouped(float64(opened-c.opened)/took.Seconds()),
			gibibytes(now.available), gibibytes(int64(rss.Gateways)), gibibytes(int64(rss.Clients)), gibibytes(now.slab),
			busy.Buses/took.Seconds(), busy.Gateways/took.Seconds(), busy.Clients/took.Seconds())
		c.told, c.opened, c.before = time.Now(), opened, cpu
	}
	return nil
}

// save adds the result to a file.
func (r *millionResult) save(path string) error {
	if path == "" {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// print is the result for people.
func (r *millionResult) print(window time.Duration) {
	h, n := r.Bench.Handshakes, float64(r.Bench.Handshakes.Opened)
	fmt.Printf("connections  %s opened, %s failed, in %.0f s: %s/s\n", grouped(n), grouped(float64(h.Failed)), r.JoinedIn, grouped(n/r.JoinedIn))
	for _, f := range h.Failures {
		fmt.Printf("  failed     %d × %d %s\n", f.Count, f.Status, f.Reason)
	}
	perJoin := func(s float64) string { return microseconds(s * 1e6 / n) }
	fmt.Printf("a join       %s in gateways, %s in buses, %s in clients, of the processor\n", perJoin(r.CPUJoin.Gateways), perJoin(r.CPUJoin.Buses), perJoin(r.CPUJoin.Clients))
	grown := r.Full.less(r.Empty)
	fmt.Printf("memory       %s gateways (%s for each connection), %s buses, %s clients, slab %s (%s for each connection), TCP's buffers %s; %s less available\n",
		gibibytes(int64(r.Full.Gateways)), kibibytes(grown.Gateways/n), gibibytes(int64(r.Full.Buses)), gibibytes(int64(r.Full.Clients)),
		gibibytes(r.Slab), kibibytes(float64(r.Slab)/n), gibibytes(r.TCP), gibibytes(r.Used))
	if t := r.Bench.Ticks; t != nil {
		fmt.Printf("ticks        %s published, %s received, each min %d, median %d, max %d\n", grouped(float64(t.Published)), grouped(float64(t.Received)), t.PerConn.Min, t.PerConn.Median, t.PerConn.Max)
	}
	if d := r.Bench.DelayUS; d != nil {
		fmt.Printf("delay        p50 %s, p90 %s, p99 %s, p99.9 %s, max %s\n", milliseconds(float64(d.P50)/1e3), milliseconds(float64(d.P90)/1e3), milliseconds(float64(d.P99)/1e3), milliseconds(float64(d.P999)/1e3), milliseconds(float64(d.Max)/1e3))
	}
	fmt.Printf("messages     %s/s, %s/s\n", grouped(r.Bench.Received.MessagesPerSecond), megabytes(r.Bench.Received.BytesPerSecond))
	s := window.Seconds()
	fmt.Printf("cores        %.2f gateways, %.2f buses, %.2f clients\n", r.CPUWindow.Gateways/s, r.CPUWindow.Buses/s, r.CPUWindow.Clients/s)
	for _, d := range r.Bench.Disconnects {
		fmt.Printf("closed       %d × %d\n", d.Count, d.Code)
	}
}

func gibibytes(n int64) string { return strconv.FormatFloat(float64(n)/(1<<30), 'f', 2, 64) + " GiB" }

func mebibytes(n float64) string { return strconv.FormatFloat(n/(1<<20), 'f', 1, 64) + " MiB" }
