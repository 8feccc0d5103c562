package floor

import (
	"bytes"
	"strconv"
	"time"

	"tickerd/gateway/frame"
	"tickerd/ticker"
)

// welcome is as long as the gateway's.
const welcome = `{"type":"welcome","user_id":"user:demo","conn_id":"0000000000000000000000","symbols":["*"],"interval_ms":0,"expires_in":3600}`

// prices are of the simulator's symbols, where it starts. The digits of no price
// change their number.
func prices(now time.Time) []ticker.Price {
	return []ticker.Price{
		{Symbol: "BTC-USD", Price: "42000.12", Timestamp: now.Unix()},
		{Symbol: "ETH-USD", Price: "2500.12", Timestamp: now.Unix()},
		{Symbol: "SOL-USD", Price: "95.12", Timestamp: now.Unix()},
	}
}

// tickAt is a tick's message, encoded as the feed does it.
func tickAt(seq uint64, now time.Time) []byte {
	return ticker.Tick{Seq: seq, TS: now.UnixMicro(), Data: prices(now)}.AppendJSON(nil)
}

// greetingAt is the frames that a client gets which comes after tick seq: a
// welcome and a snapshot.
func greetingAt(seq uint64, now time.Time) []byte {
	snapshot := ticker.AppendHead(nil, seq, now.UnixMicro(), true)
	for i, p := range prices(now) {
		if i > 0 {
			snapshot = append(snapshot, ',')
		}
		snapshot = p.AppendJSON(snapshot)
	}
	snapshot = append(snapshot, ticker.Tail...)
	return frame.AppendText(frame.AppendText(nil, []byte(welcome)), snapshot)
}

// A template is a tick's frame in which only the numbers are written anew.
type template struct {
	frame   []byte
	seq, ts []byte // in frame
}

// set gives the frame of a tick. It is valid until the next.
func (t *template) set(seq uint64, at time.Time) []byte {
	var seqDigits, tsDigits [20]byte
	s := strconv.AppendUint(seqDigits[:0], seq, 10)
	ts := strconv.AppendInt(tsDigits[:0], at.UnixMicro(), 10)
	if len(s) != len(t.seq) || len(ts) != len(t.ts) {
		t.make(seq, at)
		return t.frame
	}
	copy(t.seq, s)
	copy(t.ts, ts)
	return t.frame
}

// make makes the frame, for numbers that are longer than those before.
func (t *template) make(seq uint64, at time.Time) {
	t.frame = frame.AppendText(nil, tickAt(seq, at))
	t.seq = number(t.frame, `"seq":`)
	t.ts = number(t.frame, `"ts":`)
}

// number is the digits behind a name, up to a comma.
func number(b []byte, name string) []byte {
	_, after, _ := bytes.Cut(b, []byte(name))
	return after[:bytes.IndexByte(after, ',')]
}
