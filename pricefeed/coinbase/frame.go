package coinbase

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tickerd/ticker"
)

// What Frame.Type says; new types may come at any time and are to be ignored.
const (
	TypeTicker        = "ticker"
	TypeHeartbeat     = "heartbeat"
	TypeSubscriptions = "subscriptions"
	TypeError         = "error"
)

// A Frame is one message of the feed, as far as it matters here.
type Frame struct {
	Type string

	Product  string         // TypeTicker, TypeHeartbeat: "BTC-USD"
	Sequence uint64         // TypeTicker: grows within a product; 0: not given
	Price    ticker.Decimal // TypeTicker: of the last trade, above zero, digits as given
	Time     time.Time      // TypeTicker: of that trade; zero: not given, or not readable

	Served []string // TypeSubscriptions: the products whose prices will come
	Reason string   // TypeError: "Failed to subscribe: XYZ-USD is not a valid product"
}

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// ErrFrame is wrapped by every failure of Decode.
const ErrFrame = Error("malformed frame")

// Decode reads one message of the feed. It keeps nothing of msg. A message of
// an unknown type is no error, whatever else is in it; a ticker without product
// or price is, and one whose price is not above zero or beyond all measure.
func Decode(msg []byte) (Frame, error) {
	m, ok := scan(msg)
	if !ok {
		var err error
		if m, err = unmarshal(msg); err != nil {
			return Frame{}, fmt.Errorf("%w: %w", ErrFrame, err)
		}
	}
	f, err := m.frame()
	if err != nil {
		return Frame{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return f, nil
}

// unmarshal finds the members in any JSON object. It stands apart so that only
// its own result is put on the heap.
func unmarshal(msg []byte) (m members, err error) {
	err = json.Unmarshal(msg, &m)
	return m, err
}

// members are the values of a message's members, as JSON; nil: absent.
type members struct {
	Type     json.RawMessage `json:"type"`
	Product  json.RawMessage `json:"product_id"`
	Sequence json.RawMessage `json:"sequence"`
	Price    json.RawMessage `json:"price"`
	Time     json.RawMessage `json:"time"`
	Message  json.RawMessage `json:"message"`
	Reason   json.RawMessage `json:"reason"`
	Channels json.RawMessage `json:"channels"`
}

// named is the member of that name, nil when it does not matter.
func (m *members) named(name []byte) *json.RawMessage {
	switch string(name) {
	case "type":
		return &m.Type
	case "product_id":
		return &m.Product
	case "sequence":
		return &m.Sequence
	case "price":
		return &m.Price
	case "time":
		return &m.Time
	case "message":
		return &m.Message
	case "reason":
		return &m.Reason
	case "channels":
		return &m.Channels
	}
	return nil
}

func (m members) frame() (Frame, error) {
	typ, ok := text(m.Type)
	if !ok {
		return Frame{}, Error("no type")
	}
	switch string(typ) {
	case TypeTicker:
		return m.ticker()
	case TypeHeartbeat:
		product, ok := text(m.Product)
		if !ok {
			return Frame{}, Error("heartbeat without product_id")
		}
		return Frame{Type: TypeHeartbeat, Product: string(product)}, nil
	case TypeSubscriptions:
		return m.subscriptions()
	case TypeError:
		return Frame{Type: TypeError, Reason: m.complaint()}, nil
	}
	return Frame{Type: string(typ)}, nil
}

func (m members) ticker() (f Frame, err error) {
	product, ok := text(m.Product)
	if !ok {
		return Frame{}, Error("ticker without product_id")
	}
	f = Frame{Type: TypeTicker, Product: string(product), Time: moment(m.Time)}
	if f.Sequence, err = sequence(m.Sequence); err != nil {
		return Frame{}, err
	}
	if f.Price, err = price(m.Price); err != nil {
		return Frame{}, err
	}
	return f, nil
}

// subscriptions reads the state of all subscriptions. The channel's name need
// not be the one that was asked for: "ticker_batch" is answered "ticker_1000".
// Every channel but the heartbeat brings prices.
func (m members) subscriptions() (Frame, error) {
	var channels []struct {
		Name     string   `json:"name"`
		Products []string `json:"product_ids"`
	}
	if m.Channels == nil {
		return Frame{}, Error("subscriptions without channels")
	}
	if err := json.Unmarshal(m.Channels, &channels); err != nil {
		return Frame{}, fmt.Errorf("subscriptions: %w", err)
	}
	f := Frame{Type: TypeSubscriptions}
	for _, c := range channels {
		if c.Name != TypeHeartbeat {
			f.Served = append(f.Served, c.Products...)
		}
	}
	return f, nil
}

// complaint joins what an error says.
func (m members) complaint() string {
	message, _ := text(m.Message) // either may be missing
	reason, _ := text(m.Reason)
	if len(message) == 0 || len(reason) == 0 {
		return string(message) + string(reason)
	}
	return string(message) + ": " + string(reason)
}

// text is the content of a JSON string; false for anything else.
func text(raw json.RawMessage) ([]byte, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, false
	}
	content := raw[1 : len(raw)-1]
	if isPlain(content) {
		return content, true
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, false
	}
	return []byte(s), true
}

// sequence is a whole number; 0 when there is none.
func sequence(raw json.RawMessage) (uint64, error) {
	if raw == nil || string(raw) == "null" {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		return 0, Error("sequence is not a whole number of 64 bits")
	}
	return n, nil
}

// No price has more digits before or after the point: the dearest coin is below
// a million dollars, and what counts in the finest steps, ether, has 18 of them.
const (
	maxWhole    = 15
	maxFraction = 18
)

// price is a decimal, in a string as the exchange writes it, or bare.
func price(raw json.RawMessage) (ticker.Decimal, error) {
	number, ok := text(raw)
	if !ok {
		number = raw
	}
	p, err := ticker.ParseDecimal(string(number))
	if err != nil {
		return "", err
	}
	whole, fraction, _ := strings.Cut(string(p), ".")
	if !p.Positive() || len(whole) > maxWhole || len(fraction) > maxFraction {
		return "", fmt.Errorf("price %s is absurd", p)
	}
	return p, nil
}

// moment is a time of RFC 3339, zero when there is none: a price is worth having
// without it.
func moment(raw json.RawMessage) time.Time {
	s, ok := text(raw)
	if !ok {
		return time.Time{}
	}
	var t time.Time
	if err := t.UnmarshalText(s); err != nil {
		return time.Time{}
	}
	return t
}
