package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"tickerd/cmd/tickerd/bench"
)

// benchCommand puts a crowd of clients on a server, and says how it serves them.
type benchCommand struct {
	Key   string   `xor:"as" placeholder:"KEY" help:"The API key; - reads it from standard input. For a server on this machine, its demo key if left out."`
	Token string   `xor:"as" placeholder:"TOKEN" help:"A token, instead of an API key."`
	URL   *url.URL `name:"url" default:"http://localhost:8081" placeholder:"URL" help:"The server's address; ${default} if left out."`

	Conns    int           `default:"100" placeholder:"N" help:"Connections at once; ${default} if left out."`
	Duration time.Duration `default:"10s" placeholder:"DURATION" help:"How long to measure; ${default} if left out."`
	Warmup   time.Duration `default:"1s" placeholder:"DURATION" help:"How long to wait before, when all are connected; ${default} if left out."`

	Symbols  []string      `placeholder:"SYMBOL" help:"What each connection subscribes: BTC-USD, or a pattern such as BTC-*; everything if left out."`
	Interval time.Duration `placeholder:"DURATION" help:"At most one update in this time; every one if left out."`
	Deflate  bool          `help:"Offer compression (permessage-deflate)."`
	Slow     int           `placeholder:"N" help:"As many connections more, which are never read: clients that are stuck."`
	Churn    bool          `help:"Close each connection after its first snapshot and connect again: joins are measured, not ticks."`

	Connecting int      `default:"128" placeholder:"N" help:"Handshakes under way at once; ${default} if left out."`
	Rate       float64  `placeholder:"N" help:"Handshakes begun a second, at most; no limit if left out."`
	Sources    []string `placeholder:"ADDRESS" help:"Addresses of this machine to connect from, in turn; if left out, the system's choice, and for 127.0.0.1 one more of 127.0.0.2 and so on for each 12,000 connections."`
	Threads    int      `placeholder:"N" help:"Threads that read; as many as there are cores if left out."`
	JSON       bool     `name:"json" help:"Print the report as a JSON object."`
	Together   bool     `help:"This is one of several that measure at the same time: when all are connected, wait for the end of standard input; with --json, the report has histograms besides."`
}

// Help is what --help says besides.
func (benchCommand) Help() string {
	return `The clients of a measurement take as much of a machine as its server. Run them on another one if you can, or give each its own cores.

Delays are told by this machine's clock from the times that the server puts into its messages: with the server on another machine, both clocks must be synchronised, and a delay is no more exact than they are.

Ctrl-C ends a measurement early, and prints what there is.`
}

// misused is what is wrong with a command line that no parser knows to be wrong.
type misused string

func (m misused) Error() string { return string(m) }

// errNoKey is a server that nobody has given a key or token for.
const errNoKey misused = "missing flags: --key=KEY or --token=TOKEN"

func (c benchCommand) Validate() error {
	if err := c.remote().Validate(); err != nil {
		return err
	}
	config, err := c.config("")
	if err != nil {
		return err
	}
	return config.Validate()
}

func (c benchCommand) remote() remoteFlags { return remoteFlags{Key: c.Key, URL: c.URL} }

func (c benchCommand) config(token string) (bench.Config, error) {
	config := bench.Config{
		URL:        c.URL,
		Token:      token,
		Symbols:    c.Symbols,
		Interval:   c.Interval,
		Deflate:    c.Deflate,
		Conns:      c.Conns,
		Slow:       c.Slow,
		Churn:      c.Churn,
		Connecting: c.Connecting,
		Rate:       c.Rate,
		Threads:    c.Threads,
		Warmup:     c.Warmup,
		Duration:   c.Duration,
	}
	for _, text := range c.Sources {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return config, fmt.Errorf("--sources: %q is no IP address", text)
		}
		config.Sources = append(config.Sources, a)
	}
	return config, nil
}

func (c benchCommand) Run(ctx context.Context, p *program, file *configFile) error {
	token, err := c.token(ctx, p, file)
	if err != nil {
		return err
	}
	config, err := c.config(token)
	if err != nil {
		return err
	}
	if c.Together {
		begin := make(chan struct{})
		config.Begin = begin
		go func() { // ends with the input, or the process
			_, _ = io.Copy(io.Discard, p.stdin)
			close(begin)
		}()
	}
	report, err := bench.Run(ctx, config, func(g bench.Progress) {
		fmt.Fprintf(p.stderr, "tickerd: %s\n", progressLine(g, config.Churn))
	})
	if report == nil {
		return err
	}
	return errors.Join(c.print(p.stdout, report), err)
}

// token is the given one, or what the key is exchanged for.
func (c benchCommand) token(ctx context.Context, p *program, file *configFile) (string, error) {
	if c.Token != "" {
		return c.Token, nil
	}
	key, err := c.key(ctx, p, file)
	if err != nil {
		return "", err
	}
	g, err := remote{url: c.URL}.exchange(ctx, key)
	if err != nil {
		return "", fmt.Errorf("get a token: %w", err)
	}
	return g.Token, nil
}

// key is the given one, or the demo key of the node whose data directory the settings
// name. That is sent to no other machine.
func (c benchCommand) key(ctx context.Context, p *program, file *configFile) (string, error) {
	if c.Key != "" {
		return c.remote().key(ctx, p)
	}
	if host := c.URL.Hostname(); host != "localhost" {
		if a, err := netip.ParseAddr(host); err != nil || !a.IsLoopback() {
			return "", errNoKey
		}
	}
	s, _, err := readSettings(string(*file), p.environ)
	if err != nil {
		return "", err
	}
	path := filepath.Join(s.DataDir, demoKeyFile)
	key, err := readSecret(path, 1, p.quietLog(s))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w (there is no demo key at %s)", errNoKey, path)
	}
	return key, err
}

func (c benchCommand) print(w io.Writer, r *bench.Report) error {
	if c.JSON {
		return printJSON(w, r)
	}
	return printReport(w, r)
}

// progressLine is one line about how far a run is.
func progressLine(p bench.Progress, churn bool) string {
	switch {
	case churn && (p.Begins || p.Phase != "measuring"):
		return p.Phase
	case p.Begins || p.Phase != "measuring":
		line := fmt.Sprintf("%s %s/%s", p.Phase, grouped(p.Opened), grouped(p.Wanted))
		if p.Failed > 0 {
			line += fmt.Sprintf(", %s failed", grouped(p.Failed))
		}
		return line
	case churn:
		return fmt.Sprintf("%.0f s: %s joins/s, %s failed", p.Elapsed.Seconds(), grouped(p.JoinsPerSecond), grouped(p.Failed))
	}
	return fmt.Sprintf("%.0f s: %s messages/s, p99 %s, %s connections",
		p.Elapsed.Seconds(), grouped(p.MessagesPerSecond), milliseconds(p.DelayP99.Microseconds()), grouped(p.Open))
}

// printReport is the report for people.
func printReport(w io.Writer, r *bench.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	h := r.Handshakes
	row("connections", "%s opened, %s failed, %s/s", grouped(h.Opened), grouped(h.Failed), grouped(h.PerSecond))
	row("handshake", "%s", percentiles(h.TookUS))
	for _, f := range h.Failures {
		row("  failed", "%s × %s", grouped(f.Count), failureName(f.Failure))
	}
	if r.Deflate {
		row("compressed", "%s connections", grouped(h.Deflated))
	}
	if j := r.Joins; j != nil {
		row("joins", "%s, %s/s", grouped(j.Count), grouped(j.PerSecond))
		row("join", "%s", percentiles(j.TookUS))
	}
	if k := r.Ticks; k != nil {
		rowsOfTicks(row, k)
		row("delay", "%s", percentiles(r.DelayUS))
	}
	row("messages", "%s, %s/s", grouped(r.Received.Messages), grouped(r.Received.MessagesPerSecond))
	row("bytes", "%s, %s MB/s", grouped(r.Received.Bytes), strconv.FormatFloat(r.Received.BytesPerSecond/1e6, 'f', 1, 64))
	for _, d := range r.Disconnects {
		row("closed", "%s × %d", grouped(d.Count), d.Code)
	}
	if r.SlowConns > 0 {
		row("slow", "%s wanted, %s ended by the server", grouped(r.SlowConns), grouped(r.SlowEnded))
	}
	interrupted := ""
	if r.Interrupted {
		interrupted = ", interrupted"
	}
	row("measured", "%.1f s%s; the bench took %.2f cores, in %d threads", r.WindowS, interrupted, r.CPUCores, r.Threads)
	return t.Flush()
}

func rowsOfTicks(row func(string, string, ...any), k *bench.Ticks) {
	missing := ""
	if k.Missing != nil {
		missing = fmt.Sprintf(", %s missing", grouped(*k.Missing))
	}
	row("ticks", "%s published, %s received%s, %s skips, %s out of order",
		grouped(k.Published), grouped(k.Received), missing, grouped(k.Skips), grouped(k.Disordered))
	worst := ""
	if k.WorstShare != nil {
		worst = fmt.Sprintf("; the worst got %.1f %%", *k.WorstShare*100)
	}
	row("ticks each", "min %s, median %s, max %s%s", grouped(k.PerConn.Min), grouped(k.PerConn.Median), grouped(k.PerConn.Max), worst)
}

func failureName(f bench.Failure) string {
	if f.Status == 0 {
		return printable(f.Reason)
	}
	return fmt.Sprintf("%d %s", f.Status, printable(f.Reason))
}

// percentiles are times in milliseconds.
func percentiles(p *bench.Percentiles) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, p99.9 %s, max %s",
		milliseconds(p.P50), milliseconds(p.P90), milliseconds(p.P99), milliseconds(p.P999), milliseconds(p.Max))
}

func milliseconds(us int64) string { return fmt.Sprintf("%.2f ms", float64(us)/1000) }

// grouped is a number with its thousands apart, "3,200".
func grouped[N int | uint32 | uint64 | float64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}
