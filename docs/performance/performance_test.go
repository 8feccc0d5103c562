package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tickerd/cmd/tickerd/bench"
)

// The document's tables are those of the results.
func TestDocument(t *testing.T) {
	list, err := readResults("results.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../performance.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := tabulate(document, list)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(document, want) {
		t.Error("docs/performance.md has other figures than results.jsonl: go run ./docs/performance plot")
	}
}

func TestFill(t *testing.T) {
	document := []byte("a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n")
	got, err := fill(document, "x", "new\n")
	if want := "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	got, err = fill(document, "y", "in\n")
	if want := "a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\nin\n<!-- /y -->\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	for _, broken := range []string{"", "<!-- x -->\n", "<!-- /x -->\n<!-- x -->\n"} {
		if _, err := fill([]byte(broken), "x", "new\n"); err == nil {
			t.Errorf("%q is filled", broken)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		of   []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 2, 100}, 3},
		{[]float64{math.NaN(), 7, math.NaN()}, 7},
	} {
		list := make([]result, len(tt.of))
		for i, v := range tt.of {
			list[i].Bench.CPUCores = v
		}
		got := valuesOf(list, func(r result) float64 { return r.Bench.CPUCores }).median()
		if got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.of, got, tt.want)
		}
	}
	if got := (values)(nil).median(); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

func TestUnits(t *testing.T) {
	for _, tt := range []struct {
		unit unit
		v    float64
		want string
	}{
		{grouped, 0, "0"}, {grouped, 999, "999"}, {grouped, 1000, "1,000"}, {grouped, 1234567.8, "1,234,568"}, {grouped, -1234, "-1,234"}, {grouped, -123, "-123"},
		{twoDigits, 0.274, "0.27"}, {twoDigits, 0.996, "1.0"}, {twoDigits, 2.84, "2.8"}, {twoDigits, 9.96, "10"}, {twoDigits, 1234, "1,234"},
		{percent, 1, "100 %"}, {percent, 0.99996, "99.996 %"}, {percent, 0.5, "50.0 %"}, {percent, 0, "0.0 %"}, {percent, 1 - 1e-12, "< 100 %"},
		{times, 1.204, "1.20"}, {milliseconds, 6.24, "6.2 ms"}, {kibibytes, 2560, "2.5 KiB"}, {megabytes, 34e6, "34 MB"},
		{grouped, math.NaN(), none}, {times, math.Inf(1), none},
	} {
		if got := tt.unit.of(tt.v); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.v, got, tt.want)
		}
	}
}

// sample is what an experiment of two servers might come to.
func sample(server string, round int, load load, p99 int64) result {
	return result{
		Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Machine: "abacus", Revision: "abc", Experiment: "x",
		Server: server, Load: load, Round: round, CPU: cpuTime{1, 2}, ReadyRSS: 1 << 20, RSS: 3 << 20,
		Bench: bench.Report{
			Received: bench.Received{Messages: 1000, MessagesPerSecond: 500},
			Ticks:    &bench.Ticks{Received: 990, Missing: new(uint64(10)), WorstShare: new(0.5)},
			DelayUS:  &bench.Percentiles{P50: p99 / 2, P99: p99},
		},
	}
}

func TestTable(t *testing.T) {
	e := experiment{
		name: "x", servers: []string{serverTickerd, serverLog}, loads: clients(1000, 2000),
		columns: slices.Concat(whichServer, delivery, delays, []column{
			ratio("× log", p99, sameLoad(serverLog)),
			ratio("× 1,000", p99, sameServer(load{Conns: 1000})),
			median("CPU", cpuPerMessage, microseconds),
		}),
	}
	few, many := load{Conns: 1000}, load{Conns: 2000}
	list := []result{
		sample(serverLog, 1, few, 4000), sample(serverTickerd, 1, few, 9000),
		sample(serverTickerd, 2, few, 6000), sample(serverLog, 2, few, 4000), sample(serverTickerd, 3, few, 5000),
		sample(serverTickerd, 1, many, 12000),
		{Experiment: "other", Server: serverTickerd, Load: few},
	}
	want := `| clients | server | messages a second | received | worst client | p50 | p99 | lowest to highest | × log | × 1,000 | CPU |
|---|---|---|---|---|---|---|---|---|---|---|
| 1,000 | tickerd | 500 | 99.0 % | 50.0 % | 3.0 ms | 6.0 ms | 5.0 ms to 9.0 ms | 1.50 | – | 3,000 µs |
| 1,000 | log | 500 | 99.0 % | 50.0 % | 2.0 ms | 4.0 ms | 4.0 ms to 4.0 ms | – | – | 3,000 µs |
| 2,000 | tickerd | 500 | 99.0 % | 50.0 % | 6.0 ms | 12 ms | – | – | 2.00 | 3,000 µs |
`
	if got := e.table(list); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := e.provenance(list), "2026-01-02, abacus, revision abc. Median of 3.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := e.table(list[6:]); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

// A run without ticks, or of a join, has no figures of the other.
func TestMissingFigures(t *testing.T) {
	for name, of := range map[string]metric{
		"received": received, "worst": worstShare, "p50": p50, "p99": p99, "joins": joinsPerSecond, "join": joinP99,
	} {
		if v := of(result{}); !math.IsNaN(v) {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// Every experiment has a figure in every cell but those of bases, whatever it is of.
func TestExperiments(t *testing.T) {
	for _, e := range experiments {
		var list []result
		for _, s := range e.plan(2) {
			r := sample(s.server, s.round, s.load, 1000)
			r.Experiment = e.name
			r.Bench.Threads, r.Bench.Handshakes.Opened = 1, s.load.Conns
			if s.load.Churn {
				r.Bench.Ticks, r.Bench.DelayUS = nil, nil
				r.Bench.Joins = &bench.Joins{Count: 10, PerSecond: 5, TookUS: &bench.Percentiles{P50: 1, P99: 2}}
			}
			list = append(list, r)
		}
		all := rowsOf(e, list)
		if len(all) != len(e.loads)*len(e.servers) {
			t.Errorf("%s: %d rows", e.name, len(all))
		}
		for _, c := range e.columns {
			figures := 0
			for _, r := range all {
				if c.cell(r, all) != none {
					figures++
				}
			}
			if figures < len(all) && (figures == 0 || !strings.Contains(c.head, "×")) {
				t.Errorf("%s: column %q has %d figures in %d rows", e.name, c.head, figures, len(all))
			}
		}
	}
}

func TestPlan(t *testing.T) {
	e := experiment{servers: []string{"a", "b"}, loads: clients(1, 2), rounds: 3}
	one, two := load{Conns: 1}, load{Conns: 2}
	want := []step{{1, one, "a"}, {1, one, "b"}, {1, two, "a"}, {1, two, "b"}, {2, one, "b"}, {2, one, "a"}, {2, two, "b"}, {2, two, "a"}}
	if got := e.plan(2); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := e.plan(5); len(got) != 3*4 || got[11].round != 3 {
		t.Errorf("got %v", got)
	}
}

func TestChoose(t *testing.T) {
	chosen, err := choose("idle,ticks")
	if err != nil || len(chosen) != 2 || chosen[0].name != "idle" || chosen[1].name != "ticks" {
		t.Errorf("got %v, %v", chosen, err)
	}
	if all, err := choose(""); err != nil || len(all) != len(experiments) {
		t.Errorf("got %d, %v", len(all), err)
	}
	if _, err := choose("ticks,none"); err == nil {
		t.Error("an unknown name is taken")
	}
}

func TestResults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.jsonl")
	if list, err := readResults(path); len(list) != 0 || err != nil {
		t.Fatalf("of nothing: %v, %v", list, err)
	}
	want := []result{
		sample(serverTickerd, 1, load{Conns: 5, Slow: 1, Interval: time.Second, Deflate: true}, 7),
		sample(serverLog, 2, load{Conns: 5, Churn: true}, 8),
	}
	want[0].Bench.Disconnects, want[1].Bench.Disconnects = []bench.Disconnect{}, []bench.Disconnect{}
	if err := writeResults(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := readResults(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Count(text, []byte("\n")) != 2 || !json.Valid(text[:bytes.IndexByte(text, '\n')]) {
		t.Errorf("%v: %s", err, text)
	}
	if err := os.WriteFile(path, append(text, "{\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readResults(path); err == nil || !strings.Contains(err.Error(), "results.jsonl:3: ") {
		t.Errorf("a broken line: %v", err)
	}
}

func TestReplace(t *testing.T) {
	old := []result{{Experiment: "a", Round: 1}, {Experiment: "b", Round: 2}, {Experiment: "a", Round: 3}}
	got := replace(old, "a", []result{{Experiment: "a", Round: 4}})
	if len(got) != 2 || got[0].Round != 2 || got[1].Round != 4 {
		t.Errorf("got %+v", got)
	}
}

func TestFollow(t *testing.T) {
	began := 0
	last := follow(strings.NewReader("tickerd: connecting 0/2\ntickerd: measuring 2/2\ntickerd: measuring 2/2\ntickerd: waiting\n"), func() { began++ })
	if began != 1 || last != "tickerd: waiting" {
		t.Errorf("began %d times, ended with %q", began, last)
	}
}

func TestReadLog(t *testing.T) {
	ready := make(chan process, 1)
	readLog(strings.NewReader(`{"level":"INFO","msg":"page and API","addr":"127.0.0.1:1"}
{"level":"INFO","msg":"metrics and profiles","addr":"127.0.0.1:2"}
{"level":"INFO","msg":"demo key, to sign in with","api_key":"tk_1"}
{"level":"INFO","msg":"ready","in":7}
`), ready)
	if p := <-ready; p.addr != "127.0.0.1:1" || p.key != "tk_1" {
		t.Errorf("got %+v", p)
	}
}

// What a run lost is no figure.
func TestComplete(t *testing.T) {
	if err := complete(bench.Report{}); err != nil {
		t.Error(err)
	}
	for _, r := range []bench.Report{
		{Interrupted: true},
		{Handshakes: bench.Handshakes{Failed: 1}},
		{Disconnects: []bench.Disconnect{{Code: 1006, Count: 1}}},
	} {
		if complete(r) == nil {
			t.Errorf("taken: %+v", r)
		}
	}
}

// Pictures are drawn of whatever was measured.
func TestPictures(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "results.jsonl")
	var list []result
	for _, name := range []string{"ticks", "curve"} {
		chosen, err := choose(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range chosen[0].plan(1) {
			r := sample(s.server, s.round, s.load, 1000*int64(s.load.Conns))
			r.Experiment = name
			list = append(list, r)
		}
	}
	if err := writeResults(path, list); err != nil {
		t.Fatal(err)
	}
	if err := plotCommand([]string{"-results", path, "-document", "", "-pictures", dir}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"curve.svg": "tickerd, p99", "p99.svg": "bare floor"} {
		svg, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !bytes.Contains(svg, []byte(want)) || !bytes.Contains(svg, []byte("Arial")) {
			t.Errorf("%s: %d bytes, %v", name, len(svg), err)
		}
	}
}
