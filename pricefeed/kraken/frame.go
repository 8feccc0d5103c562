package kraken

import (
	"encoding/json"
	"fmt"
	"time"

	"tickerd/pricefeed/wire"
	"tickerd/ticker"
)

// What Frame.Channel says; there are more, which are to be ignored.
const (
	ChannelTicker    = "ticker"
	ChannelHeartbeat = "heartbeat"
	ChannelStatus    = "status"
)

// A Frame is one message of the exchange, as far as it matters here: of a channel, or the
// answer to a request.
type Frame struct {
	Channel string // "": an answer

	Tickers     []Ticker // ChannelTicker
	System      string   // ChannelStatus: "online", "maintenance", "cancel_only", "post_only"
	Maintenance string   // ChannelStatus: when the next that is announced begins; "": none is

	Method string // of the request that is answered: "subscribe"; "": not told
	Symbol string // that the answer is about: "BTC/USD"; "": none
	Error  string // why the request is not fulfilled; "": it is
}

// A Ticker is the last trade of a symbol.
type Ticker struct {
	Symbol string         // "BTC/USD"
	Last   ticker.Decimal // its price, above zero, digits as given
	Time   time.Time      // zero: not given, or not readable
}

// Error is a constant error.
type Error string

func (e Error) Error() string { return string(e) }

// ErrFrame is wrapped by every failure of Decode.
const ErrFrame = Error("malformed frame")

// Decode reads one message into f, the memory of which it uses again. It keeps nothing of
// msg. A message of an unknown channel is no error, whatever else is in it; a ticker
// without symbol or price is, and one whose price is not above zero or beyond all
// measure. After an error f is empty.
func (f *Frame) Decode(msg []byte) error {
	*f = Frame{Tickers: f.Tickers[:0]}
	m, ok := scan(msg)
	if !ok {
		var err error
		if m, err = unmarshal(msg); err != nil {
			return fmt.Errorf("%w: %w", ErrFrame, err)
		}
	}
	if err := f.read(m); err != nil {
		*f = Frame{Tickers: f.Tickers[:0]}
		return fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return nil
}

// members are the values of a message's members, as JSON; nil: absent.
type members struct {
	Channel json.RawMessage `json:"channel"`
	Data    json.RawMessage `json:"data"`
	Method  json.RawMessage `json:"method"`
	Success json.RawMessage `json:"success"`
	Error   json.RawMessage `json:"error"` // also "Error"
	Symbol  json.RawMessage `json:"symbol"`
	Result  json.RawMessage `json:"result"`
}

// named is the member of that name, nil when it does not matter.
func (m *members) named(name []byte) *json.RawMessage {
	switch string(name) {
	case "channel":
		return &m.Channel
	case "data":
		return &m.Data
	case "method":
		return &m.Method
	case "success":
		return &m.Success
	case "error":
		return &m.Error
	case "symbol":
		return &m.Symbol
	case "result":
		return &m.Result
	}
	return nil
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

func (f *Frame) read(m members) error {
	channel, ok := wire.Text(m.Channel)
	if !ok {
		return f.readAnswer(m)
	}
	switch string(channel) {
	case ChannelTicker:
		f.Channel = ChannelTicker
		return f.readTickers(m.Data)
	case ChannelHeartbeat:
		f.Channel = ChannelHeartbeat
	case ChannelStatus:
		f.Channel = ChannelStatus
		return f.readStatus(m.Data)
	default:
		f.Channel = string(channel)
	}
	return nil
}

// readStatus reads the last of the states in data. What else is in it, such as ids beyond
// 63 bits, does not matter.
func (f *Frame) readStatus(data json.RawMessage) error {
	var list []struct {
		System   string `json:"system"`
		Upcoming []struct {
			Start string `json:"expected_start_utc"`
		} `json:"upcoming_maintenance"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	for _, status := range list {
		f.System, f.Maintenance = status.System, ""
		if len(status.Upcoming) > 0 {
			f.Maintenance = status.Upcoming[0].Start
		}
	}
	return nil
}

// readAnswer reads the answer to a request, which has a method, or at least an error.
func (f *Frame) readAnswer(m members) error {
	method, hasMethod := wire.Text(m.Method)
	reason, hasError := wire.Text(m.Error)
	if !hasMethod && !hasError {
		return Error("no channel, method or error")
	}
	f.Method, f.Error = string(method), string(reason)
	if string(m.Success) == "false" && f.Error == "" {
		f.Error = "no reason is given"
	}
	symbol, ok := wire.Text(m.Symbol)
	if !ok {
		symbol = resultSymbol(m.Result)
	}
	f.Symbol = string(symbol)
	return nil
}

// resultSymbol is the symbol of a result, nil where it has none.
func resultSymbol(result json.RawMessage) []byte {
	var m struct {
		Symbol json.RawMessage `json:"symbol"`
	}
	if err := json.Unmarshal(result, &m); err != nil {
		return nil // pongs have none, and other results are other things
	}
	symbol, _ := wire.Text(m.Symbol)
	return symbol
}
