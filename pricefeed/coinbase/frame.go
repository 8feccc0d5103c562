package coinbase

import (
	"encoding/json"
	"fmt"
	"time"

	"tickerd/pricefeed/wire"
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

// scan finds the members in one pass without allocation, if msg is plain and names
// them in lower case. Then it finds what unmarshal would.
func scan(msg []byte) (m members, ok bool) {
	r := wire.Object(msg)
	for r.Next() {
		if !wire.IsLower(r.Name()) {
			return m, false
		}
		if member := m.named(r.Name()); member != nil {
			*member = r.Value()
		}
	}
	return m, r.Plain()
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
	typ, ok := wire.Text(m.Type)
	if !ok {
		return Frame{}, Error("no type")
	}
	switch string(typ) {
	case TypeTicker:
		return m.ticker()
	case TypeHeartbeat:
		product, ok := wire.Text(m.Product)
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
	product, ok := wire.Text(m.Product)
	if !ok {
		return Frame{}, Error("ticker without product_id")
	}
	f = Frame{Type: TypeTicker, Product: string(product), Time: wire.Time(m.Time)}
	if f.Sequence, err = wire.Uint(m.Sequence); err != nil {
		return Frame{}, fmt.Errorf("sequence: %w", err)
	}
	if f.Price, err = wire.Price(m.Price); err != nil {
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
	message, _ := wire.Text(m.Message) // either may be missing
	reason, _ := wire.Text(m.Reason)
	if len(message) == 0 || len(reason) == 0 {
		return string(message) + string(reason)
	}
	return string(message) + ": " + string(reason)
}
