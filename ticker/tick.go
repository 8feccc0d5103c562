package ticker

import "strconv"

// A Price is the last trade of one symbol: {"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000}.
type Price struct {
	Symbol    Symbol
	Price     Decimal
	Timestamp int64 // the exchange's time of the price, unix seconds
}

// AppendJSON appends p as it stands in a tick.
func (p Price) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"symbol":"`...)
	dst = append(dst, p.Symbol...)
	dst = append(dst, `","price":`...)
	dst = append(dst, p.Price...)
	dst = append(dst, `,"timestamp":`...)
	dst = strconv.AppendInt(dst, p.Timestamp, 10)
	return append(dst, '}')
}

// A Tick is what changed within one interval. Seq only ever grows, across
// restarts and leader changes too; TS is the publish time in unix microseconds.
type Tick struct {
	Seq  uint64
	TS   int64
	Data []Price
}

// AppendJSON appends the tick's one encoding, that of the bus and of the client.
func (t Tick) AppendJSON(dst []byte) []byte {
	dst = AppendHead(dst, t.Seq, t.TS, false)
	for i, p := range t.Data {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = p.AppendJSON(dst)
	}
	return append(dst, Tail...)
}

// AppendHead appends what stands before a tick's elements; [Tail] stands after
// them. A snapshot holds every subscribed symbol instead of what changed.
func AppendHead(dst []byte, seq uint64, ts int64, snapshot bool) []byte {
	dst = append(dst, `{"type":"ticker",`...)
	if snapshot {
		dst = append(dst, `"snapshot":true,`...)
	}
	dst = append(dst, `"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"ts":`...)
	dst = strconv.AppendInt(dst, ts, 10)
	return append(dst, `,"data":[`...)
}

// Tail closes what AppendHead opened.
const Tail = "]}"
