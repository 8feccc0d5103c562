package kraken

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

const live = `{"channel":"ticker","type":"update","data":[{"symbol":"ALGO/USD","bid":0.13099,"bid_qty":329.06250000,"ask":0.13108,` +
	`"ask_qty":1771.75027615,"last":0.13110,"volume":9095630.20903971,"vwap":0.12882,"low":0.12437,"high":0.13306,` +
	`"change":0.00654,"change_pct":5.25,"trades":4606,"timestamp":"2026-10-03T20:58:33.794283Z"}]}`

// decode is Decode into a frame that held something else.
func decode(msg []byte) (Frame, error) {
	f := Frame{Channel: "x", Tickers: []Ticker{{Symbol: "x"}}, System: "x", Maintenance: "x", Method: "x", Symbol: "x", Error: "x"}
	err := f.Decode(msg)
	return f, err
}

// show writes a frame in a line.
func show(f Frame, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case f.Channel == ChannelTicker:
		var b strings.Builder
		b.WriteString("ticker")
		for _, t := range f.Tickers {
			at := "-"
			if !t.Time.IsZero() {
				at = t.Time.Format(time.RFC3339Nano)
			}
			fmt.Fprintf(&b, " %s %s %s", t.Symbol, t.Last, at)
		}
		return b.String()
	case f.Channel == ChannelStatus:
		return fmt.Sprintf("status %q maintenance %q", f.System, f.Maintenance)
	case f.Channel != "":
		return f.Channel
	}
	return fmt.Sprintf("%s %q error %q", f.Method, f.Symbol, f.Error)
}

// goldenFrames calls f for each message of the golden file.
func goldenFrames(tb testing.TB, f func(line int, msg, want string)) {
	file, err := os.Open("testdata/frames.txt")
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	msg := ""
	for n := 1; lines.Scan(); n++ {
		if sent, ok := strings.CutPrefix(lines.Text(), "< "); ok {
			msg = sent
		}
		if want, ok := strings.CutPrefix(lines.Text(), "> "); ok {
			f(n, msg, want)
		}
	}
	if lines.Err() != nil {
		tb.Fatal(lines.Err())
	}
}

func TestDecode(t *testing.T) {
	count := 0
	goldenFrames(t, func(line int, msg, want string) {
		count++
		f, err := decode([]byte(msg))
		if got := show(f, err); got != want {
			t.Errorf("frames.txt:%d: %s\n got %s\nwant %s", line, msg, got, want)
		}
		if err != nil && (!errors.Is(err, ErrFrame) || !reflect.DeepEqual(f, Frame{Tickers: []Ticker{}})) {
			t.Errorf("frames.txt:%d: %+v, %v", line, f, err)
		}
	})
	if count < 40 {
		t.Errorf("%d messages", count)
	}
}

func TestDecodeKeepsNothing(t *testing.T) {
	msg := []byte(live)
	f, err := decode(msg)
	if err != nil {
		t.Fatal(err)
	}
	before := show(f, nil)
	clear(msg)
	if after := show(f, nil); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

func TestDecodeAllocations(t *testing.T) {
	msg := []byte(live)
	var f Frame
	if n := testing.AllocsPerRun(1000, func() {
		if err := f.Decode(msg); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

// decodeStandard is Decode by encoding/json alone.
func decodeStandard(msg []byte) (f Frame, err error) {
	m, err := unmarshal(msg)
	if err != nil {
		return f, err
	}
	if m.Data != nil {
		m.Data = append([]byte(" "), m.Data...) // which is not plain
	}
	err = f.read(m)
	return f, err
}

// FuzzDecode holds the fast way against encoding/json: what it takes means the
// same there.
func FuzzDecode(f *testing.F) {
	goldenFrames(f, func(_ int, msg, _ string) { f.Add([]byte(msg)) })
	f.Fuzz(func(t *testing.T, msg []byte) {
		fast, ok := scan(msg)
		slow, err := unmarshal(msg)
		if ok && (err != nil || !reflect.DeepEqual(fast, slow)) {
			t.Errorf("%q: %s, encoding/json says %s, %v", msg, fast, slow, err)
		}
		want, err := decodeStandard(msg)
		got, gotErr := decode(msg)
		if (gotErr == nil) != (err == nil) || err == nil && show(got, nil) != show(want, nil) {
			t.Errorf("%q: %+v, %v; encoding/json gives %+v, %v", msg, got, gotErr, want, err)
		}
		for _, ticker := range got.Tickers {
			if !ticker.Last.Positive() {
				t.Errorf("%q: price %s", msg, ticker.Last)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	msg := []byte(live)
	var f Frame
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Decode(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecodeStandard is what Decode would be without package wire's reader.
func BenchmarkDecodeStandard(b *testing.B) {
	msg := []byte(live)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeStandard(msg); err != nil {
			b.Fatal(err)
		}
	}
}
