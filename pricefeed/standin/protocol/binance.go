package protocol

import "encoding/json"

// BinanceRequest is {"method":"SUBSCRIBE","params":["btcusdt@ticker"],"id":1}, or the same
// with "UNSUBSCRIBE"; {"method":"LIST_SUBSCRIPTIONS","id":2};
// {"method":"GET_PROPERTY","params":["combined"],"id":3}.
type BinanceRequest struct {
	Method string          `json:"method"`
	Params []string        `json:"params,omitempty"`
	ID     json.RawMessage `json:"id"`
}

// BinanceAnswer is {"result":null,"id":1}, of a list {"result":["btcusdt@ticker"],"id":2},
// of a property {"result":true,"id":3}.
type BinanceAnswer struct {
	Result any             `json:"result"`
	ID     json.RawMessage `json:"id"`
}

// BinanceError is {"code":2,"msg":"Invalid request: missing field `method` at line 1 column 73"}.
type BinanceError struct {
	Code    int    `json:"code"`
	Message string `json:"msg"`
}

// BinanceEvent is what comes over the combined stream, with the stream's name.
type BinanceEvent struct {
	Stream string `json:"stream"`
	Data   any    `json:"data"`
}

// BinanceTicker is the last trade of a symbol, and its day. It comes every second in
// which something has changed. Mind the names that differ by case only.
type BinanceTicker struct {
	Event         string `json:"e"` // "24hrTicker"
	Time          int64  `json:"E"` // unix milliseconds
	Symbol        string `json:"s"`
	Change        string `json:"p"`
	ChangePercent string `json:"P"`
	VWAP          string `json:"w"`
	Before        string `json:"x"` // the last price of the day before
	Close         string `json:"c"` // the last trade's price
	Quantity      string `json:"Q"` // the last trade's
	Bid           string `json:"b"`
	BidQuantity   string `json:"B"`
	Ask           string `json:"a"`
	AskQuantity   string `json:"A"`
	Open          string `json:"o"`
	High          string `json:"h"`
	Low           string `json:"l"`
	Volume        string `json:"v"`
	QuoteVolume   string `json:"q"`
	OpenTime      int64  `json:"O"`
	CloseTime     int64  `json:"C"`
	FirstTrade    uint64 `json:"F"`
	LastTrade     uint64 `json:"L"`
	Trades        uint64 `json:"n"`
}

// BinanceShutdown is the exchange's word that it will end the connection.
type BinanceShutdown struct {
	Event string `json:"e"` // "serverShutdown"
	Time  int64  `json:"E"` // unix milliseconds
}

// The names that go with them.
const (
	BinanceTickerStream   = "@ticker" // behind the symbol, which is in lower case
	BinanceTickerEvent    = "24hrTicker"
	BinanceShutdownStream = "!serverShutdown"
	BinanceShutdownEvent  = "serverShutdown"
)
