package replay

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tickerd/ticker"
)

const (
	snapshot = `{"type":"ticker","snapshot":true,"seq":7,"ts":1700000000123456,"data":[{"symbol":"BTC-USD","price":42000.10,"timestamp":1700000000},{"symbol":"ETH-USD","price":2500.00,"timestamp":1699999990}]}` + "\n"
	tick     = `{"type":"ticker","seq":8,"ts":1700000000133456,"data":[{"symbol":"BTC-USD","price":42000.20,"timestamp":1700000000}]}` + "\n"
	nothing  = `{"type":"ticker","seq":9,"ts":1700000000143456,"data":[]}` + "\n"
)

// recorded are the ticks of snapshot, tick and nothing.
func recorded() []ticker.Tick {
	return []ticker.Tick{
		{Seq: 7, TS: 1700000000123456, Data: []ticker.Price{{Symbol: "BTC-USD", Price: "42000.10", Timestamp: 1700000000}, {Symbol: "ETH-USD", Price: "2500.00", Timestamp: 1699999990}}},
		{Seq: 8, TS: 1700000000133456, Data: []ticker.Price{{Symbol: "BTC-USD", Price: "42000.20", Timestamp: 1700000000}}},
		{Seq: 9, TS: 1700000000143456},
	}
}

func gzipped(tb testing.TB, text string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// A recording is known by what it begins with.
func TestRead(t *testing.T) {
	lines := []string{snapshot, tick, nothing}
	text := strings.Join(lines, "")
	first, rest := compressed(t, lines[:1]), compressed(t, lines[1:])
	for name, recording := range map[string][]byte{
		"plain":              []byte(text),
		"without an end":     []byte(strings.TrimSuffix(text, "\n")),
		"with CR":            []byte(strings.ReplaceAll(text, "\n", "\r\n")),
		"with spaces":        []byte(strings.NewReplacer(",", ", ", ":", " : ").Replace(text)),
		"with more in it":    []byte(strings.NewReplacer(`"seq"`, `"later":[{"price":1}],"seq"`, `"price"`, `"later":{"price":1},"price"`).Replace(text)),
		"gzip":               gzipped(t, text),
		"zstd":               compressed(t, lines),
		"zstd, put together": append(first, rest...),
	} {
		t.Run(name, func(t *testing.T) {
			if got := readAll(t, recording); !reflect.DeepEqual(got, recorded()) {
				t.Errorf("got %v", got)
			}
		})
	}
}

// Wherever it was cut off, it is good to the last whole line.
func TestReadWhatWasCutOff(t *testing.T) {
	text := snapshot + tick + nothing
	for name, recording := range map[string][]byte{
		"plain": []byte(text),
		"gzip":  gzipped(t, text),
		"zstd":  flushed(t, []string{snapshot, tick, nothing}),
	} {
		t.Run(name, func(t *testing.T) {
			most := 0
			for n := range len(recording) + 1 {
				got, err := readUntil(recording[:n])
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%d bytes: %v", n, err)
				}
				if want := recorded()[:len(got)]; len(got) > 0 && !reflect.DeepEqual(got, want) {
					t.Fatalf("%d bytes: %v", n, got)
				}
				if len(got) < most {
					t.Fatalf("of %d bytes fewer ticks than of less", n)
				}
				most = len(got)
			}
			if most != 3 {
				t.Errorf("%d ticks", most)
			}
		})
	}
}

// What was flushed can be read.
func TestFlush(t *testing.T) {
	lines := []string{snapshot, tick, nothing}
	if got := readAll(t, flushed(t, lines)); !reflect.DeepEqual(got, recorded()) {
		t.Errorf("got %v", got)
	}
}

// flushed is a recording that is not closed, but was flushed behind each line.
func flushed(tb testing.TB, lines []string) []byte {
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
		for range 2 { // with nothing to be flushed, too
			if err := w.Flush(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return b.Bytes()
}

func TestReadGarbage(t *testing.T) {
	element := func(text string) string {
		return snapshot + fmt.Sprintf(`{"type":"ticker","seq":8,"ts":1700000000133456,"data":[%s]}`, text) + "\n"
	}
	broken := compressed(t, []string{snapshot, strings.Repeat(tick, 100)})
	broken[len(broken)-1] ^= 1
	for name, tt := range map[string]struct {
		recording []byte
		want      string
	}{
		"no JSON":       {[]byte(snapshot + "x\n" + tick), "recording:2: malformed tick: "},
		"empty line":    {[]byte(snapshot + "\n" + tick), "recording:2: malformed tick: "},
		"another type":  {[]byte(snapshot + `{"type":"welcome"}` + "\n"), `recording:2: malformed tick: type "welcome"`},
		"half":          {[]byte(tick[:40] + "\n" + tick), "recording:1: malformed tick: "},
		"ts":            {[]byte(strings.Replace(tick, "1700000000133456", "9223372036854775807", 1)), "recording:1: a time that is none: ts 9223372036854775807"},
		"ts below zero": {[]byte(strings.Replace(tick, "1700000000133456", "-1", 1)), "recording:1: a time that is none: ts -1"},
		"price 0":       {[]byte(element(`{"symbol":"BTC-USD","price":0.00,"timestamp":1}`)), "recording:2: BTC-USD: "},
		"price":         {[]byte(element(`{"symbol":"BTC-USD","price":{},"timestamp":1}`)), "recording:2: malformed tick: data[0]: "},
		"timestamp":     {[]byte(element(`{"symbol":"BTC-USD","price":1,"timestamp":-1}`)), "recording:2: BTC-USD: a time that is none: timestamp -1"},
		"timestamp big": {[]byte(element(`{"symbol":"BTC-USD","price":1,"timestamp":253402300800}`)), "recording:2: BTC-USD: a time that is none: "},
		"symbol":        {[]byte(element(`{"symbol":"BTC","price":1,"timestamp":1}`)), `recording:2: malformed tick: data[0]: symbol "BTC"`},
		"endless line":  {[]byte(snapshot + strings.Repeat("x", maxLine+1)), "recording:2: bufio.Scanner: token too long"},
		"zstd":          {broken, "recording:1: CRC"},
		"gzip":          {append(gzipped(t, snapshot), "garbage garbage"...), "recording:2: gzip: invalid header"},
		"gzip head":     {[]byte(magicGzip + "garbage garbage"), "recording: gzip: invalid header"},
		"zstd head":     {[]byte(magicZstd + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), "recording:1: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readUntil(tt.recording)
			if err == nil || err == io.EOF || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestOpenWhatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := openRecording(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a file that is none: %v", err)
	}
	if _, err := openRecording(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a directory: %v", err)
	}
}

// A recording that can be read becomes the same ticks when it is written anew, and each
// of its prices is one.
func FuzzRead(f *testing.F) {
	f.Add([]byte(snapshot + tick + nothing))
	f.Add([]byte(strings.ReplaceAll(tick, ":", ": ")))
	f.Add([]byte(strings.ReplaceAll(tick, "42000.20", "4.2e4")))
	f.Add(compressed(f, []string{snapshot, tick}))
	f.Add(compressed(f, []string{snapshot, tick})[:40])
	f.Add(gzipped(f, snapshot+tick))
	f.Fuzz(func(t *testing.T, recording []byte) {
		ticks, _ := readUntil(recording)
		var text bytes.Buffer
		for _, tick := range ticks {
			for _, p := range tick.Data {
				if _, err := ticker.ParseSymbol(string(p.Symbol)); err != nil || !json.Valid([]byte(p.Price)) || !p.Price.Positive() || p.Timestamp < 0 {
					t.Fatalf("price %+v", p)
				}
			}
			text.Write(append(tick.AppendJSON(nil), '\n'))
		}
		if again := readAll(t, text.Bytes()); !reflect.DeepEqual(again, ticks) {
			t.Fatalf("%v\nwritten and read: %v", ticks, again)
		}
	})
}

// simulated is much like what the simulator sends.
func simulated(n int) (lines []string) {
	for i := range n {
		tick := ticker.Tick{Seq: uint64(i), TS: 1700000000000000 + int64(i)*10_000}
		for j, s := range []ticker.Symbol{"BTC-USD", "ETH-USD", "SOL-USD"} {
			price := ticker.Decimal(fmt.Sprintf("%d.%02d", 42000-i%977*7, (i*31+j*17)%100))
			tick.Data = append(tick.Data, ticker.Price{Symbol: s, Price: price, Timestamp: tick.TS / 1e6})
		}
		lines = append(lines, string(tick.AppendJSON(nil))+"\n")
	}
	return lines
}

// A tick of three symbols. At speed 1000 there are 100,000 a second of the simulator's.
func BenchmarkRead(b *testing.B) {
	lines := simulated(10_000)
	for name, recording := range map[string][]byte{
		"plain": []byte(strings.Join(lines, "")),
		"gzip":  gzipped(b, strings.Join(lines, "")),
		"zstd":  compressed(b, lines),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ticks := 0
			var t ticker.Tick
			for ticks < b.N {
				r, err := newReader("recording", io.NopCloser(bytes.NewReader(recording)))
				if err != nil {
					b.Fatal(err)
				}
				for err == nil && ticks < b.N {
					t.Data = t.Data[:0]
					err = r.next(&t)
					ticks++
				}
				r.close()
			}
		})
	}
}

// A tick of three symbols, with a flush each hundred.
func BenchmarkWrite(b *testing.B) {
	lines := simulated(10_000)
	var size counter
	w, err := NewWriter(&size)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if err := w.Add([]byte(lines[n%len(lines)])); err != nil {
			b.Fatal(err)
		}
		if n++; n%100 == 0 {
			if err := w.Flush(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(size)/float64(n), "B/tick")
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
