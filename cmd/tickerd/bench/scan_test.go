package bench

import (
	"fmt"
	"strings"
	"testing"
)

const (
	welcomeText  = `{"type":"welcome","user_id":"user:ann","conn_id":"c","symbols":["*"],"interval_ms":0,"expires_in":3600}`
	tickText     = `{"type":"ticker","seq":%d,"ts":%d,"data":[{"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000}]}`
	snapshotText = `{"type":"ticker","snapshot":true,"seq":%d,"ts":%d,"data":[{"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000}]}`
)

func TestScan(t *testing.T) {
	for text, want := range map[string]stamp{
		fmt.Sprintf(tickText, 173, 1700000000123456):                           {173, 1700000000123456, tick},
		fmt.Sprintf(snapshotText, 173, 1700000000123456):                       {173, 1700000000123456, snapshot},
		`{"type":"ticker","seq":999999999999999999,"ts":999999999999999999,"d`: {999999999999999999, 999999999999999999, tick},
		welcomeText:                             {kind: other},
		`{"type":"status","source":"coinbase"}`: {kind: other},

		// All that only decode can tell.
		``:                                      {},
		`{}`:                                    {},
		`{"type":""}`:                           {},
		`{"type":"ticker"}`:                     {},
		`{"type":"tickers","seq":1}`:            {},
		`{"type":"\u0074icker","seq":1,"ts":2}`: {},
		`{"type":"ticker","seq":1,"ts":2}`:      {},
		`{"type":"ticker","seq":01,"ts":2,"data":[]}`:             {},
		`{"type":"ticker","seq":-1,"ts":2,"data":[]}`:             {},
		`{"type":"ticker","seq":,"ts":2,"data":[]}`:               {},
		`{"type":"ticker","seq":1e3,"ts":2,"data":[]}`:            {},
		`{"type":"ticker","seq":1234567890123456789,"ts":2,"da"`:  {},
		`{"type":"ticker","ts":1,"seq":2,"data":[]}`:              {},
		`{"type":"ticker","snapshot":false,"seq":1,"ts":2,"d":0}`: {},
		`{"type": "ticker","seq":1,"ts":2,"data":[]}`:             {},
	} {
		if got := scan([]byte(text)); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]stamp{
		`{"ts":2,"data":[],"seq":1,"type":"ticker"}`:                 {1, 2, tick},
		`{"ts":2,"snapshot":true,"data":[],"seq":1,"type":"ticker"}`: {1, 2, snapshot},
		`{"type":"ticker","snapshot":false,"seq":1,"ts":2}`:          {1, 2, tick},
		`{"type":"\u0074icker","seq":18446744073709551615,"ts":-2}`:  {1<<64 - 1, -2, tick},
		` { "type" : "ticker" , "seq" : 1 , "ts" : 2 } `:             {1, 2, tick},
		`{"type":"ticker","seq":1}`:                                  {kind: other},
		`{"type":"ticker","seq":"1","ts":2}`:                         {kind: other},
		`{"type":"pong","seq":1,"ts":2}`:                             {kind: other},
		`[]`:                                                         {kind: other},
		`nonsense`:                                                   {kind: other},
		``:                                                           {kind: other},
	} {
		if got := decode([]byte(text)); got != want {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

// The longest beginning that scan knows must be no longer than what it is shown.
func TestHeadSize(t *testing.T) {
	digits := strings.Repeat("9", maxDigits)
	longest := tickerHead + snapshotPart + seqPart + digits + "," + tsPart + digits + ","
	if len(longest) > headSize || scan([]byte(longest)).kind != snapshot {
		t.Errorf("%d bytes", len(longest))
	}
}

// What scan takes for known, decode must see in the same way.
func FuzzScan(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(tickText, 173, 1700000000123456)))
	f.Add([]byte(fmt.Sprintf(snapshotText, 173, 1700000000123456)))
	f.Add([]byte(welcomeText))
	f.Add([]byte(`{"type":"ticker","seq":0,"ts":0,"type":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := scan(text)
		if s.kind == unknown {
			return
		}
		if s.kind == other {
			if d := decode(text); d.kind != other && !repeats(text, `"type"`) {
				t.Errorf("%s: got %+v, want %+v", text, s, d)
			}
			return
		}
		// What follows the beginning is of no interest: it is put right.
		head := tickerHead
		if s.kind == snapshot {
			head += snapshotPart
		}
		head += fmt.Sprintf("%s%d,%s%d,", seqPart, s.seq, tsPart, s.ts)
		if !strings.HasPrefix(string(text), head) {
			t.Fatalf("%s: got %+v", text, s)
		}
		if d := decode([]byte(head + `"data":[]}`)); d != s {
			t.Errorf("%s: got %+v, want %+v", text, s, d)
		}
	})
}

// repeats reports whether a message may have a name twice, of which JSON takes the
// last and scan the first. Names count in any case, and escaped.
func repeats(text []byte, name string) bool {
	lower := strings.ToLower(string(text))
	return strings.Count(lower, name) > 1 || strings.Contains(lower, `\`) || len(lower) != len(text)
}
