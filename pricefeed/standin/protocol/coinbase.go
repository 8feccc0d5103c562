package protocol

import "encoding/json"

// CoinbaseRequest is {"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker","heartbeat"]},
// or the same with "unsubscribe".
type CoinbaseRequest struct {
	Type     string            `json:"type"`
	Products []string          `json:"product_ids,omitempty"` // for each of the channels
	Channels []CoinbaseChannel `json:"channels"`
}

// CoinbaseChannel is a channel's name, or an object that gives it products of its own.
type CoinbaseChannel struct {
	Name     string   `json:"name"`
	Products []string `json:"product_ids"`
	Accounts []string `json:"account_ids"` // null in the exchange's answers
}

// UnmarshalJSON reads "ticker" and {"name":"ticker","product_ids":["BTC-USD"]}.
func (c *CoinbaseChannel) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*c = CoinbaseChannel{}
		return json.Unmarshal(b, &c.Name)
	}
	type plain CoinbaseChannel
	return json.Unmarshal(b, (*plain)(c))
}

// CoinbaseSubscriptions is all that is subscribed, after each request.
type CoinbaseSubscriptions struct {
	Type     string            `json:"type"` // "subscriptions"
	Channels []CoinbaseChannel `json:"channels"`
}

// CoinbaseError is {"type":"error","message":"Failed to subscribe","reason":"XYZ-USD is not a valid product"}.
type CoinbaseError struct {
	Type    string `json:"type"` // "error"
	Message string `json:"message"`
	Reason  string `json:"reason,omitempty"`
}

// CoinbaseTicker is the last trade of a product, and its day.
type CoinbaseTicker struct {
	Type        string `json:"type"` // "ticker"
	Sequence    uint64 `json:"sequence"`
	Product     string `json:"product_id"`
	Price       string `json:"price"`
	Open24h     string `json:"open_24h"`
	Volume24h   string `json:"volume_24h"`
	Low24h      string `json:"low_24h"`
	High24h     string `json:"high_24h"`
	Volume30d   string `json:"volume_30d"`
	BestBid     string `json:"best_bid"`
	BestBidSize string `json:"best_bid_size"`
	BestAsk     string `json:"best_ask"`
	BestAskSize string `json:"best_ask_size"`
	Side        string `json:"side"` // the taker's: "buy", "sell"
	Time        string `json:"time"`
	TradeID     uint64 `json:"trade_id"`
	LastSize    string `json:"last_size"`
}

// CoinbaseHeartbeat comes every second for each product.
type CoinbaseHeartbeat struct {
	Type        string `json:"type"` // "heartbeat"
	LastTradeID uint64 `json:"last_trade_id"`
	Product     string `json:"product_id"`
	Sequence    uint64 `json:"sequence"`
	Time        string `json:"time"`
}
