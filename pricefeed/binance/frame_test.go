package binance

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

const live = `{"stream":"bnbbtc@ticker","data":{"e":"24hrTicker","E":1672515782136,"s":"BNBBTC","p":"0.0015","P":"250.00","w":"0.0018",` +
	`"x":"0.0009","c":"0.0025","Q":"10","b":"0.0024","B":"10","a":"0.0026","A":"100","o":"0.0010","h":"0.0025","l":"0.0010",` +
	`"v":"10000","q":"18","O":0,"C":86400000,"F":0,"L":18150,"n":18151}}`

// show writes a frame in a line.
func show(f Frame, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case f.Type == "":
		return fmt.Sprintf("answer %q", f.Error)
	case f.Type == TypeTicker:
		at := "-"
		if !f.Time.IsZero() {
			at = f.Time.UTC().Format(time.RFC3339Nano)
		}
		return fmt.Sprintf("ticker %s %s %s", f.Market, f.Price, at)
	}
	return f.Type
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
		f, err := Decode([]byte(msg))
		if got := show(f, err); got != want {
			t.Errorf("frames.txt:%d: %s\n got %s\nwant %s", line, msg, got, want)
		}
		if err != nil && (!errors.Is(err, ErrFrame) || !reflect.DeepEqual(f, Frame{})) {
			t.Errorf("frames.txt:%d: %+v, %v", line, f, err)
		}
	})
	if count < 35 {
		t.Errorf("%d messages", count)
	}
}

func TestDecodeKeepsNothing(t *testing.T) {
	msg := []byte(live)
	f, err := Decode(msg)
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
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := Decode(msg); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations", n)
	}
}

// decodeStandard is Decode by encoding/json alone.
func decodeStandard(msg []byte) (Frame, error) {
	e, err := unmarshal[envelope](msg)
	if err != nil {
		return Frame{}, err
	}
	if e.Data == nil {
		return e.answer()
	}
	m, err := unmarshal[event](e.Data)
	if err != nil {
		return Frame{}, err
	}
	return m.frame()
}

// FuzzDecode holds the fast way against encoding/json: what it takes means the
// same there.
func FuzzDecode(f *testing.F) {
	goldenFrames(f, func(_ int, msg, _ string) { f.Add([]byte(msg)) })
	f.Fuzz(func(t *testing.T, msg []byte) {
		fast, ok := scanEnvelope(msg)
		slow, err := unmarshal[envelope](msg)
		if ok && (err != nil || !reflect.DeepEqual(fast, slow)) {
			t.Errorf("%q: %s, encoding/json says %s, %v", msg, fast, slow, err)
		}
		fastEvent, ok := scanEvent(slow.Data)
		slowEvent, err := unmarshal[event](slow.Data)
		if ok && (err != nil || !reflect.DeepEqual(fastEvent, slowEvent)) {
			t.Errorf("%q: %s, encoding/json says %s, %v", msg, fastEvent, slowEvent, err)
		}
		want, err := decodeStandard(msg)
		got, gotErr := Decode(msg)
		if (gotErr == nil) != (err == nil) || got != want {
			t.Errorf("%q: %+v, %v; encoding/json gives %+v, %v", msg, got, gotErr, want, err)
		}
		if got.Type == TypeTicker && !got.Price.Positive() {
			t.Errorf("%q: price %s", msg, got.Price)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	msg := []byte(live)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(msg); err != nil {
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
