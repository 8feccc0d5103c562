package protocol

import "encoding/json"

// KrakenRequest is {"method":"subscribe","params":{"channel":"ticker","symbol":["BTC/USD"]},"req_id":1},
// or the same with "unsubscribe"; {"method":"ping","req_id":2}.
type KrakenRequest struct {
	Method string          `json:"method"`
	Params KrakenParams    `json:"params,omitzero"`
	ID     json.RawMessage `json:"req_id,omitempty"`
}

// KrakenParams is what is subscribed.
type KrakenParams struct {
	Channel  string   `json:"channel"`
	Symbols  []string `json:"symbol"`
	Trigger  string   `json:"event_trigger,omitempty"` // "trades", which is the default, or "bbo"
	Snapshot *bool    `json:"snapshot,omitempty"`      // true by default
}

// KrakenAnswer is the answer to a request, one for each symbol.
type KrakenAnswer struct {
	Error   string          `json:"error,omitempty"` // "Currency pair not supported XBT/USD"
	Method  string          `json:"method"`
	Result  *KrakenResult   `json:"result,omitempty"`
	ID      json.RawMessage `json:"req_id,omitempty"`
	Success *bool           `json:"success,omitempty"` // absent in a pong
	Symbol  string          `json:"symbol,omitempty"`  // of an error
	TimeIn  string          `json:"time_in"`
	TimeOut string          `json:"time_out"`
}

// KrakenResult is what has been subscribed.
type KrakenResult struct {
	Channel  string `json:"channel"`
	Trigger  string `json:"event_trigger,omitempty"`
	Snapshot *bool  `json:"snapshot,omitempty"`
	Symbol   string `json:"symbol"`
}

// KrakenStatus is the first message of a connection, and comes again when it changes.
type KrakenStatus struct {
	Channel string         `json:"channel"` // "status"
	Type    string         `json:"type"`    // "update"
	Data    []KrakenSystem `json:"data"`
}

// KrakenSystem is how the exchange is.
type KrakenSystem struct {
	Version      string `json:"version"`
	System       string `json:"system"` // "online", "maintenance", "cancel_only", "post_only"
	APIVersion   string `json:"api_version"`
	ConnectionID uint64 `json:"connection_id"` // may be beyond 63 bits
}

// KrakenTickers is {"channel":"ticker","type":"snapshot","data":[…]}, or the same with "update".
type KrakenTickers struct {
	Channel string         `json:"channel"` // "ticker"
	Type    string         `json:"type"`
	Data    []KrakenTicker `json:"data"`
}

// KrakenTicker is the last trade of a symbol, and its day.
type KrakenTicker struct {
	Symbol        string      `json:"symbol"`
	Bid           json.Number `json:"bid"`
	BidQuantity   json.Number `json:"bid_qty"`
	Ask           json.Number `json:"ask"`
	AskQuantity   json.Number `json:"ask_qty"`
	Last          json.Number `json:"last"`
	Volume        json.Number `json:"volume"`
	VWAP          json.Number `json:"vwap"`
	Low           json.Number `json:"low"`
	High          json.Number `json:"high"`
	Change        json.Number `json:"change"`
	ChangePercent json.Number `json:"change_pct"`
	Trades        uint64      `json:"trades"`
	Timestamp     string      `json:"timestamp,omitempty"`
}

// What Kraken says of nothing in particular.
const (
	KrakenHeartbeat  = `{"channel":"heartbeat"}`            // every second in which nothing else is said
	KrakenTooMany    = `{"Error":"Exceeded msg rate"}`      // instead of an answer
	KrakenNoChannel  = "Subscription channel not supported" // of a KrakenAnswer
	KrakenNoSymbol   = "Currency pair not supported "       // and the symbol
	KrakenNotHeld    = "Subscription Not Found"
	KrakenBadRequest = "Malformed request"
)
