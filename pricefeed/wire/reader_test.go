package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// kraken is a message with everything in it.
const kraken = `{"channel":"ticker","type":"update","data":[{"symbol":"ALGO/USD","bid":0.13099,"bid_qty":329.06250000,"ask":0.13108,` +
	`"ask_qty":1771.75027615,"last":0.13110,"volume":9095630.20903971,"vwap":0.12882,"low":0.12437,"high":0.13306,` +
	`"change":-6.54e-3,"change_pct":-5.25,"trades":4606,"timestamp":"2026-10-03T20:58:33.794283Z"}]}`

// texts are plain and others.
var texts = []string{
	kraken,
	`{}`, `[]`, `{"a":1}`, `[1]`, `["a",1,null]`, `{"a":{"b":[{},[],{"c":"d"}]},"e":true,"f":false}`,
	`{"a":1,"a":2}`, `{"":0}`, `[-0.0e+00,1E5,10]`,
	`[[[[[[[[1]]]]]]]]`, `[[[[[[[[[1]]]]]]]]]`,
	` {}`, `{} `, `{ }`, `[ ]`, `{"a": 1}`, `{"a":1}x`, `{"a":1},`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`, `[1 ,2]`, `[1}`, `{"a":1]`,
	`{"a"}`, `{"a":}`, `{"a"1}`, `{a:1}`, `{1:1}`, `{"a`, `{"a":`, `{"a":1`, `[1`, `[`, `{`, `]`, `}`, ``, `1`, `null`, `"a"`,
	`["\u0041"]`, `["ä"]`, "[\"\x00\"]", "[\"\x7f\"]", "[\"\xff\"]", `["a]`, `["a"b]`,
	`[01]`, `[-]`, `[1.]`, `[.1]`, `[1e]`, `[1e+]`, `[+1]`, `[--1]`, `[0x1]`, `[1_0]`, `[-01]`, `[NaN]`,
	`[tru]`, `[truee]`, `[nul]`, `[falsé]`, `[[1,]]`, `[{"a":1,}]`, `[{"a":1]]`, `[{"a"}]`, `[[}]`, `[{]`, `[[`, `[{"a":1`,
}

// members are what a reader found.
type members map[string]json.RawMessage

func read(r Reader) (found members, elements []json.RawMessage, plain bool) {
	found = members{}
	for r.Next() {
		found[string(r.Name())] = r.Value()
		elements = append(elements, r.Value())
	}
	return found, elements, r.Plain()
}

func TestReader(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                     `[]`,
		`{"a":1,"B":"two","":[{}],"a":{"x":[]}}`: `[a=1 B="two" =[{}] a={"x":[]}]`,
		`[]`:                                     `[]`,
		`[-1.50e+3,"x",null,true,[],{}]`:         `[=-1.50e+3 ="x" =null =true =[] ={}]`,
	} {
		r := Array([]byte(text))
		if text[0] == '{' {
			r = Object([]byte(text))
		}
		found := []string{}
		for r.Next() {
			found = append(found, fmt.Sprintf("%s=%s", r.Name(), r.Value()))
		}
		if got := fmt.Sprint(found); got != want || !r.Plain() {
			t.Errorf("%s: %s, plain %v, want %s", text, got, r.Plain(), want)
		}
		if r.Next() || !r.Plain() {
			t.Errorf("%s: there is something behind the end", text)
		}
	}
}

// What is not plain is left to encoding/json, though it may be valid.
func TestForeign(t *testing.T) {
	for _, text := range []string{
		`{"a": 1}`, ` {}`, `{} `, `{"\u0061":1}`, `{"a":"\n"}`, `{"ä":1}`, `{"a":"ä"}`,
		`{"a":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `}`,
		`{"a":1}}`, `{"a":1`, `{"a":01}`, `[]`, `null`, ``,
	} {
		if _, _, plain := read(Object([]byte(text))); plain {
			t.Errorf("%s is plain", text)
		}
	}
	nested := `{"a":` + strings.Repeat("[", maxDepth) + "1" + strings.Repeat("]", maxDepth) + `}`
	if _, _, plain := read(Object([]byte(nested))); !plain {
		t.Errorf("%s is not plain", nested)
	}
}

// A value cannot grow into what stands behind it.
func TestValueIsClipped(t *testing.T) {
	msg := []byte(`{"a":1,"b":2}`)
	r := Object(msg)
	r.Next()
	_ = append(r.Value(), "00000"...)
	if string(msg) != `{"a":1,"b":2}` {
		t.Errorf("the message is now %s", msg)
	}
}

func TestReaderAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		if !readAll([]byte(kraken)) {
			t.Fatal("not plain")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// readAll reads all members of all data.
func readAll(msg []byte) bool {
	var data []byte
	top := Object(msg)
	for top.Next() {
		if string(top.Name()) == "data" {
			data = top.Value()
		}
	}
	list := Array(data)
	for list.Next() {
		one := Object(list.Value())
		for one.Next() {
		}
		if !one.Plain() {
			return false
		}
	}
	return top.Plain() && list.Plain()
}

// FuzzReader holds both readers against encoding/json: what they take is valid, and
// the same to the byte.
func FuzzReader(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		if found, _, plain := read(Object(msg)); plain {
			want := members{}
			if err := json.Unmarshal(msg, &want); err != nil || !reflect.DeepEqual(found, want) {
				t.Errorf("%q: %s, encoding/json says %s, %v", msg, found, want, err)
			}
		}
		if _, found, plain := read(Array(msg)); plain {
			var want []json.RawMessage
			if err := json.Unmarshal(msg, &want); err != nil || len(found) != len(want) {
				t.Errorf("%q: %s, encoding/json says %s, %v", msg, found, want, err)
			}
			for i := range found {
				if !bytes.Equal(found[i], want[i]) {
					t.Errorf("%q: %s, encoding/json says %s", msg, found[i], want[i])
				}
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	msg := []byte(kraken)
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		if !readAll(msg) {
			b.Fatal("not plain")
		}
	}
}

// BenchmarkReaderStandard is what encoding/json takes for the same.
func BenchmarkReaderStandard(b *testing.B) {
	msg := []byte(kraken)
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	for b.Loop() {
		var top struct {
			Data []map[string]json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(msg, &top); err != nil {
			b.Fatal(err)
		}
	}
}
