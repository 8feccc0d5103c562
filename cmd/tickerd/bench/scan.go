package bench

import (
	"bytes"
	"encoding/json"
)

// headSize is how much of a message scan needs to see: its longest canonical
// beginning, all numbers at their longest, has 83 bytes.
const headSize = 96

// The canonical beginnings of messages. A number follows where one ends in a colon.
const (
	typeHead     = `{"type":"`
	tickerHead   = `{"type":"ticker",`
	snapshotPart = `"snapshot":true,`
	seqPart      = `"seq":`
	tsPart       = `"ts":`
)

// A kind is what a message is to the one who counts.
type kind uint8

const (
	unknown  kind = iota // to be read as JSON
	other                // neither of the two below
	tick                 // {"type":"ticker","seq":…
	snapshot             // {"type":"ticker","snapshot":true,"seq":…
)

// A stamp is what is read of a message. Seq and ts are those of a tick or snapshot.
type stamp struct {
	seq  uint64
	ts   int64 // when it was published, in unix microseconds
	kind kind
}

// scan reads the beginning of a message, which is the whole of it or headSize bytes
// or more. The kind is unknown if the message does not begin as the server writes
// it, and only [decode] can tell.
func scan(b []byte) stamp {
	rest, ok := bytes.CutPrefix(b, []byte(tickerHead))
	if !ok {
		return stamp{kind: scanOther(b)}
	}
	s := stamp{kind: tick}
	if after, ok := bytes.CutPrefix(rest, []byte(snapshotPart)); ok {
		s.kind, rest = snapshot, after
	}
	rest, ok = bytes.CutPrefix(rest, []byte(seqPart))
	if !ok {
		return stamp{}
	}
	s.seq, rest = scanNumber(rest)
	rest, ok = bytes.CutPrefix(rest, []byte(tsPart))
	if !ok {
		return stamp{}
	}
	ts, rest := scanNumber(rest)
	if rest == nil {
		return stamp{}
	}
	s.ts = int64(ts)
	return s
}

// scanOther is other if a message begins with a type that is not ticker's.
func scanOther(b []byte) kind {
	name, ok := bytes.CutPrefix(b, []byte(typeHead))
	if !ok || bytes.HasPrefix(name, []byte("ticker")) {
		return unknown
	}
	for i, c := range name {
		switch {
		case c == '"' && i > 0:
			return other
		case c < 'a' || 'z' < c: // an escape may hide anything
			return unknown
		}
	}
	return unknown
}

// maxDigits is as many digits as fit into an int64, whatever they are.
const maxDigits = 18

// scanNumber reads the digits that b begins with and the comma after them, and
// returns what follows; nil if b does not begin so.
func scanNumber(b []byte) (n uint64, rest []byte) {
	for i, c := range b {
		switch {
		case '0' <= c && c <= '9' && i < maxDigits && (i == 0 || b[0] != '0'):
			n = n*10 + uint64(c-'0')
		case c == ',' && i > 0:
			return n, b[i+1:]
		default:
			return 0, nil
		}
	}
	return 0, nil
}

// decode reads a whole message, however it is written. What is no JSON object, or a
// ticker without its numbers, is other.
func decode(b []byte) stamp {
	var m struct {
		Type     string  `json:"type"`
		Snapshot bool    `json:"snapshot"`
		Seq      *uint64 `json:"seq"`
		TS       *int64  `json:"ts"`
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Type != "ticker" || m.Seq == nil || m.TS == nil {
		return stamp{kind: other}
	}
	s := stamp{seq: *m.Seq, ts: *m.TS, kind: tick}
	if m.Snapshot {
		s.kind = snapshot
	}
	return s
}

// stampOf is scan, and decode where that is needed.
func stampOf(message []byte) stamp {
	if s := scan(message); s.kind != unknown {
		return s
	}
	return decode(message)
}
