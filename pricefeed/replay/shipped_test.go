package replay

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"tickerd/ticker"
)

// TestShipped compares the recording that ships with what makes it. With UPDATE=1 it is
// made anew.
func TestShipped(t *testing.T) {
	want := makeShipped()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("recording.jsonl.zst", compressed(t, want), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Skip("made anew")
	}
	text, err := decompress(bytes.NewReader(shipped))
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	got, err := io.ReadAll(text)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != strings.Join(want, "") {
		t.Error("it is another one")
	}
	if len(shipped) > 200_000 {
		t.Errorf("%d bytes", len(shipped))
	}
	t.Logf("%d ticks in %d bytes", len(want), len(shipped))
}

// Whoever sees it loop sees no jump.
func TestShippedEndsWhereItBegins(t *testing.T) {
	ticks := readAll(t, shipped)
	var line timeline
	first, last := map[ticker.Symbol]int64{}, map[ticker.Symbol]int64{}
	for _, tick := range ticks {
		line.move(tick.TS)
		for _, p := range tick.Data {
			n, err := strconv.ParseInt(strings.Replace(string(p.Price), ".", "", 1), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if first[p.Symbol] == 0 {
				first[p.Symbol] = n
			}
			last[p.Symbol] = n
		}
	}
	if line.at < 599*1e6 || line.at > 600*1e6 {
		t.Errorf("it takes %d µs", line.at)
	}
	if len(first) != 3 {
		t.Errorf("it is of %v", first)
	}
	for s, cents := range first {
		if move := max(last[s]-cents, cents-last[s]); move > 1+cents/1000 {
			t.Errorf("%s goes from %d to %d cents", s, cents, last[s])
		}
	}
}

// The recording that ships is made in whole numbers, so that it is the same on every
// machine. It begins with the year 2026, and has a tick each 10 ms, but for those in
// which nothing was traded.
const (
	shippedBegin = 1767225600
	shippedHertz = 100
	shippedTicks = 600 * shippedHertz

	// billionth is what a price's movements are shares in.
	billionth = 1_000_000_000
	// marketMoves is the most that all coins move by in a tick, together.
	marketMoves = 15_000
)

// A coin is traded at random, the more often the livelier its market is.
type coin struct {
	symbol ticker.Symbol
	cents  int64
	trades int64 // a second, more or less
	moves  int64 // the most that it moves by in a tick, by itself
}

// makeShipped gives the lines of the recording that ships.
func makeShipped() (lines []string) {
	coins := []coin{
		{"BTC-USD", 42_000_00, 12, 5_000},
		{"ETH-USD", 2_500_00, 8, 8_000},
		{"SOL-USD", 95_00, 5, 16_000},
	}
	random := rand.New(rand.NewPCG(2026, 1))
	market, lively := bridge(random, marketMoves), liveliness(random)
	own := make([][]int64, len(coins))
	for i, c := range coins {
		own[i] = bridge(random, c.moves)
	}
	for n := range shippedTicks {
		us := int64(n) * 1e6 / shippedHertz
		tick := ticker.Tick{Seq: uint64(len(lines) + 1), TS: shippedBegin*1e6 + us + 50 + random.Int64N(100)}
		for i, c := range coins {
			traded := random.Int64N(shippedHertz*1000) < c.trades*lively[n]
			if !traded && n > 0 && n < shippedTicks-1 {
				continue
			}
			spread := random.Int64N(2) // who buys pays a cent more
			cents := c.cents + c.cents*(market[n]+own[i][n])/billionth + spread
			price := strconv.FormatInt(cents/100, 10) + "." + strconv.FormatInt(100+cents%100, 10)[1:]
			tick.Data = append(tick.Data, ticker.Price{Symbol: c.symbol, Price: ticker.Decimal(price), Timestamp: shippedBegin + us/1e6})
		}
		if len(tick.Data) > 0 {
			lines = append(lines, string(tick.AppendJSON(nil))+"\n")
		}
	}
	lines[0] = strings.Replace(lines[0], `"seq"`, `"snapshot":true,"seq"`, 1)
	return lines
}

// bridge is a random walk that ends where it began.
func bridge(random *rand.Rand, most int64) []int64 {
	walk := make([]int64, shippedTicks)
	for n := 1; n < shippedTicks; n++ {
		walk[n] = walk[n-1] + random.Int64N(2*most+1) - most
	}
	drift := walk[shippedTicks-1]
	for n := range walk {
		walk[n] -= drift * int64(n) / (shippedTicks - 1)
	}
	return walk
}

// liveliness is how much is traded at each time, in thousandths of what is usual. It
// takes some ten seconds to come back to that.
func liveliness(random *rand.Rand) []int64 {
	const memory, push = 10 * shippedHertz, 60_000
	all := make([]int64, shippedTicks)
	x := int64(0) // in millionths
	for n := range all {
		x += random.Int64N(2*push+1) - push - x/memory
		all[n] = min(max(1000+x/1000, 200), 4000)
	}
	return all
}

// compressed is what is recorded of lines.
func compressed(tb testing.TB, lines []string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b)
	if err != nil {
		tb.Fatal(err)
	}
	for _, line := range lines {
		if err := w.Add([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// readAll gives the ticks of a recording.
func readAll(tb testing.TB, recording []byte) (ticks []ticker.Tick) {
	tb.Helper()
	ticks, err := readUntil(recording)
	if err != io.EOF {
		tb.Fatal(err)
	}
	return ticks
}

// readUntil gives the ticks of a recording, and why there are no more.
func readUntil(recording []byte) (ticks []ticker.Tick, err error) {
	r, err := newReader("recording", io.NopCloser(bytes.NewReader(recording)))
	if err != nil {
		return nil, err
	}
	defer r.close()
	for {
		var t ticker.Tick
		if err := r.next(&t); err != nil {
			return ticks, err
		}
		ticks = append(ticks, t)
	}
}
