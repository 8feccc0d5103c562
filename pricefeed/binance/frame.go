package binance

import (
	"encoding/json"
	"fmt"
	"time"

	"tickerd/pricefeed/wire"
	"tickerd/ticker"
)

// What Frame.Type says; there are more, which are to be ignored.
const (
	TypeTicker   = "24hrTicker"
	TypeShutdown = "serverShutdown"
)

// A Frame is one message of the combined streams, as far as it matters here: an event, or
// the answer to a request.
type Frame struct {
	Type string // "": an answer

	Market string         // TypeTicker: "BTCUSDT"
	Price  ticker.Decimal // TypeTicker: of the last trade, above zero, digits as given
	Time   time.Time      // TypeTicker: of the event; zero: not given, or not readable

	Error string // an answer's: "2: Invalid request: …"; "": it is done
}

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// ErrFrame is wrapped by every failure of Decode.
const ErrFrame = Error("malformed frame")

// Decode reads one message of the combined streams. It keeps nothing of msg. An event of
// an unknown type is no error, whatever else is in it; a ticker without symbol or price
// is, and one whose price is not above zero or beyond all measure.
func Decode(msg []byte) (Frame, error) {
	e, ok := scanEnvelope(msg)
	if !ok {
		var err error
		if e, err = unmarshal[envelope](msg); err != nil {
			return Frame{}, fmt.Errorf("%w: %w", ErrFrame, err)
		}
	}
	f, err := e.frame()
	if err != nil {
		return Frame{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return f, nil
}

// unmarshal finds the members in any JSON object. It stands apart so that only
// its own result is put on the heap.
func unmarshal[T any](msg []byte) (m T, err error) {
	err = json.Unmarshal(msg, &m)
	return m, err
}

// frame is what is in the envelope.
func (e envelope) frame() (Frame, error) {
	if e.Data == nil {
		return e.answer()
	}
	m, ok := scanEvent(e.Data)
	if !ok {
		var err error
		if m, err = unmarshal[event](e.Data); err != nil {
			return Frame{}, err
		}
	}
	return m.frame()
}

// An envelope has the values of a message's members, as JSON; nil: absent.
type envelope struct {
	Data   json.RawMessage `json:"data"`
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
	Code   json.RawMessage `json:"code"`
	Text   json.RawMessage `json:"msg"`
}

// named is the member of that name, nil when it does not matter.
func (e *envelope) named(name []byte) *json.RawMessage {
	switch string(name) {
	case "data":
		return &e.Data
	case "id":
		return &e.ID
	case "result":
		return &e.Result
	case "error":
		return &e.Error
	case "code":
		return &e.Code
	case "msg":
		return &e.Text
	}
	return nil
}

// scanEnvelope finds the members in one pass without allocation, if msg is plain and
// names them in lower case. Then it finds what unmarshal would.
func scanEnvelope(msg []byte) (e envelope, ok bool) {
	r := wire.Object(msg)
	for r.Next() {
		if !wire.IsLower(r.Name()) {
			return e, false
		}
		if member := e.named(r.Name()); member != nil {
			*member = r.Value()
		}
	}
	return e, r.Plain()
}

// answer is that to a request.
func (e envelope) answer() (Frame, error) {
	switch {
	case e.Error != nil:
		inner, err := unmarshal[envelope](e.Error)
		if err != nil {
			return Frame{}, fmt.Errorf("error: %w", err)
		}
		return Frame{Error: inner.reason()}, nil
	case e.Code != nil:
		return Frame{Error: e.reason()}, nil
	case e.ID == nil && e.Result == nil:
		return Frame{}, Error("neither event nor answer")
	}
	return Frame{}, nil
}

// reason is what an error says.
func (e envelope) reason() string {
	text, _ := wire.Text(e.Text) // it may be missing
	return fmt.Sprintf("%s: %s", e.Code, text)
}

// An event has the values of an event's members, as JSON; nil: absent. The names of
// others differ from these by case only, and are declared so that encoding/json does not
// take them for the same.
type event struct {
	Type   json.RawMessage `json:"e"`
	Time   json.RawMessage `json:"E"`
	Market json.RawMessage `json:"s"`
	Price  json.RawMessage `json:"c"`

	OtherMarket json.RawMessage `json:"S"`
	OtherPrice  json.RawMessage `json:"C"`
}

// named is the member of that name, nil when it does not matter.
func (m *event) named(name []byte) *json.RawMessage {
	switch string(name) {
	case "e":
		return &m.Type
	case "E":
		return &m.Time
	case "s":
		return &m.Market
	case "c":
		return &m.Price
	case "S":
		return &m.OtherMarket
	case "C":
		return &m.OtherPrice
	}
	return nil
}

// scanEvent is scanEnvelope for an event.
func scanEvent(msg []byte) (m event, ok bool) {
	r := wire.Object(msg)
	for r.Next() {
		if member := m.named(r.Name()); member != nil {
			*member = r.Value()
		}
	}
	return m, r.Plain()
}

func (m event) frame() (f Frame, err error) {
	typ, ok := wire.Text(m.Type)
	switch {
	case !ok:
		return Frame{}, Error("event without type")
	case string(typ) == TypeShutdown:
		return Frame{Type: TypeShutdown}, nil
	case string(typ) != TypeTicker:
		return Frame{Type: string(typ)}, nil
	}
	market, ok := wire.Text(m.Market)
	if !ok {
		return Frame{}, Error("ticker without symbol")
	}
	f = Frame{Type: TypeTicker, Market: string(market), Time: wire.Millis(m.Time)}
	if f.Price, err = wire.Price(m.Price); err != nil {
		return Frame{}, err
	}
	return f, nil
}
