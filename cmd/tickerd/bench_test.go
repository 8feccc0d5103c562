package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tickerd/cmd/tickerd/bench"
)

// serveBench welcomes so many clients, and lets them go when they leave. It returns
// when they have.
func serveBench(t *testing.T, s *site, n int) {
	t.Helper()
	var peers []*peer
	for range n {
		p := s.next(t)
		p.send(welcome)
		p.send(snapshot)
		peers = append(peers, p)
	}
	for _, p := range peers {
		p.close(1000, "")
	}
}

func benching(t *testing.T, environ []string, s *site, args ...string) chan result {
	t.Helper()
	results := make(chan result, 1)
	go func() {
		results <- call(t.Context(), environ, "", append([]string{"bench", "--url", s.URL}, args...)...)
	}()
	return results
}

func TestBench(t *testing.T) {
	s := newSite(t)
	results := benching(t, nil, s, "--key", "tk_good", "--conns", "2", "--duration", "1h", "--json")
	serveBench(t, s, 2)
	got := <-results
	var r bench.Report
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || got.status != 0 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if r.Handshakes.Opened != 2 || r.Conns != 2 || len(r.Disconnects) != 1 || r.Disconnects[0] != (bench.Disconnect{Code: 1000, Count: 2}) {
		t.Errorf("got %s", got.stdout)
	}
	if !strings.HasPrefix(got.stderr, "tickerd: connecting 0/2\n") {
		t.Errorf("got %s", got.stderr)
	}
}

// Without a key, a server on this machine is asked with its own demo key.
func TestBenchWithDemoKey(t *testing.T) {
	s := newSite(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, demoKeyFile), "tk_good\n")
	if err := os.Chmod(filepath.Join(dir, demoKeyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	results := benching(t, []string{"TICKERD_DATA_DIR=" + dir}, s, "--conns", "1", "--duration", "1h")
	serveBench(t, s, 1)
	if got := <-results; got.status != 0 || !strings.Contains(got.stdout, "1 opened, 0 failed") {
		t.Errorf("got %+v", got)
	}
}

func TestBenchInVain(t *testing.T) {
	s := newSite(t)
	none := "TICKERD_DATA_DIR=" + filepath.Join(t.TempDir(), "none")
	s.refuseWith("/ws/ticker", 429, "too many \x1b[2Jconnections")
	got := call(t.Context(), nil, "", "bench", "--token", "x", "--conns", "3", "--url", s.URL)
	if got.status != 1 || !strings.Contains(got.stdout, "3 × 429 too many \uFFFD[2Jconnections\n") || !strings.HasSuffix(got.stderr, "tickerd: not one connection could be opened\n") {
		t.Errorf("got %+v", got)
	}
	for name, tt := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"wrong key":          {[]string{"--key", "tk_bad", "--url", s.URL}, 1, "tickerd: get a token: invalid API key\n"},
		"no key":             {[]string{"--url", s.URL}, 2, "tickerd: missing flags: --key=KEY or --token=TOKEN (there is no demo key at "},
		"no key, far away":   {[]string{"--url", "https://prices.example.com"}, 2, "tickerd: missing flags: --key=KEY or --token=TOKEN\n"},
		"both":               {[]string{"--key", "a", "--token", "b"}, 2, "tickerd: --key and --token can't be used together\n"},
		"nobody":             {[]string{"--token", "x", "--conns", "0"}, 2, "tickerd: bench: the number of connections must be 1 or more, not 0\n"},
		"bad address":        {[]string{"--token", "x", "--url", "ftp://localhost"}, 2, "tickerd: bench: --url must be such as "},
		"bad source":         {[]string{"--token", "x", "--sources", "here"}, 2, "tickerd: bench: --sources: \"here\" is no IP address\n"},
		"bad duration":       {[]string{"--token", "x", "--duration", "soon"}, 2, "tickerd: --duration: expected duration"},
		"sources not of use": {[]string{"--token", "x", "--url", s.URL, "--sources", "::1"}, 1, "tickerd: from ::1, nobody gets to 127.0.0.1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := call(t.Context(), []string{none}, "", append([]string{"bench"}, tt.args...)...)
			if got.status != tt.status || !strings.HasPrefix(got.stderr, tt.want) || got.stdout != "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestPrintReport(t *testing.T) {
	times := &bench.Percentiles{P50: 1204, P90: 2000, P99: 81_000, P999: 82_000, Max: 90_005}
	r := bench.Report{
		Conns: 10_000, SlowConns: 5, Threads: 2, WindowS: 10, Interrupted: true, Deflate: true, CPUCores: 1.5, SlowEnded: 1,
		Handshakes: bench.Handshakes{
			Attempted: 10_005, Opened: 9_993, Deflated: 9_993, Failed: 12, PerSecond: 5230.4, TookUS: times,
			Failures: []bench.FailureCount{{Failure: bench.Failure{Status: 429, Reason: "too many connections"}, Count: 11}, {Failure: bench.Failure{Reason: "timeout"}, Count: 1}},
		},
		Received:    bench.Received{Bytes: 2_150_000_000, Messages: 9_988_000, BytesPerSecond: 215e6, MessagesPerSecond: 998_800},
		Ticks:       &bench.Ticks{Published: 1000, Received: 9_980_000, Missing: new(uint64(8000)), Skips: 3, PerConn: bench.Fairness{Min: 990, Median: 1000, Max: 1000}, WorstShare: new(0.99)},
		DelayUS:     times,
		Disconnects: []bench.Disconnect{{Code: 1006, Count: 1}},
	}
	for want, r := range map[string]bench.Report{
		`connections  9,993 opened, 12 failed, 5,230/s
handshake    p50 1.20 ms, p90 2.00 ms, p99 81.00 ms, p99.9 82.00 ms, max 90.00 ms
  failed     11 × 429 too many connections
  failed     1 × timeout
compressed   9,993 connections
ticks        1,000 published, 9,980,000 received, 8,000 missing, 3 skips, 0 out of order
ticks each   min 990, median 1,000, max 1,000; the worst got 99.0 %
delay        p50 1.20 ms, p90 2.00 ms, p99 81.00 ms, p99.9 82.00 ms, max 90.00 ms
messages     9,988,000, 998,800/s
bytes        2,150,000,000, 215.0 MB/s
closed       1 × 1006
slow         5 wanted, 1 ended by the server
measured     10.0 s, interrupted; the bench took 1.50 cores, in 2 threads
`: r,
		`connections  64 opened, 0 failed, 0/s
handshake    -
joins        1,234, 617/s
join         p50 1.20 ms, p90 2.00 ms, p99 81.00 ms, p99.9 82.00 ms, max 90.00 ms
messages     0, 0/s
bytes        0, 0.0 MB/s
measured     2.0 s; the bench took 0.00 cores, in 1 threads
`: {Churn: true, Threads: 1, WindowS: 2, Handshakes: bench.Handshakes{Opened: 64}, Joins: &bench.Joins{Count: 1234, PerSecond: 617, TookUS: times}},
	} {
		var b strings.Builder
		if err := printReport(&b, &r); err != nil || b.String() != want {
			t.Errorf("got\n%s%v, want\n%s", &b, err, want)
		}
	}
}

func TestProgressLine(t *testing.T) {
	for want, p := range map[string]bench.Progress{
		"connecting 3,200/10,000":                                 {Phase: "connecting", Begins: true, Opened: 3200, Wanted: 10_000},
		"connecting 3,200/10,000, 12 failed":                      {Phase: "connecting", Opened: 3200, Wanted: 10_000, Failed: 12},
		"measuring 3,200/10,000":                                  {Phase: "measuring", Begins: true, Opened: 3200, Wanted: 10_000},
		"7 s: 998,800 messages/s, p99 8.10 ms, 3,200 connections": {Phase: "measuring", Elapsed: 7 * time.Second, MessagesPerSecond: 998_800.4, DelayP99: 8100 * time.Microsecond, Open: 3200},
	} {
		if got := progressLine(p, false); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got, want := progressLine(bench.Progress{Phase: "warming up", Opened: 8418, Wanted: 128}, true), "warming up"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := progressLine(bench.Progress{Phase: "measuring", Elapsed: time.Second, JoinsPerSecond: 5400, Failed: 2}, true), "1 s: 5,400 joins/s, 2 failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
