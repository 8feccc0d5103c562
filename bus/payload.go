package bus

import "encoding/json"

// Join announces a connection: conn.<id>.join.
type Join struct {
	ConnID     string   `json:"conn_id"`
	Number     int      `json:"number"`  // of this join among the connection's, from 1
	UserID     string   `json:"user_id"` // the actor: "user:demo"
	Role       string   `json:"role"`
	Policies   []string `json:"policies"`
	Allowed    []string `json:"allowed,omitempty"` // the patterns that the key is limited to; none: no limit
	RemoteAddr string   `json:"remote_addr"`
	Node       string   `json:"node"`
	Route      string   `json:"route,omitempty"` // by which it came: "/sse/ticker"; none: "/ws/ticker"
	AuthTime   int64    `json:"auth_time"`       // when the token was made
	ExpiresAt  int64    `json:"expires_at"`      // when it ends
	Symbols    []string `json:"symbols"`         // what the client wishes for; after a handler's death, what it held
	IntervalMS int64    `json:"interval_ms"`
	Resumed    *bool    `json:"resumed,omitempty"` // set where the client asks to resume: whether it can be
	Rejoin     bool     `json:"rejoin,omitempty"`  // the client has had its welcome, from a handler that is gone
}

// Leave is the end of a connection: conn.<id>.leave.
type Leave struct {
	ConnID      string `json:"conn_id"`
	UserID      string `json:"user_id"`
	Reason      string `json:"reason"`
	Code        int    `json:"code"` // RFC 6455; 1005 and 1006 where no frame said one
	ConnectedMS int64  `json:"connected_ms"`
	MessagesIn  int64  `json:"messages_in"`
	MessagesOut int64  `json:"messages_out"`
}

// Answer goes to a connection's address. Every part is optional; they take
// effect in the order of the fields. The first answer to a join claims the
// connection, and its Subscribe is what is subscribed.
type Answer struct {
	// Payload is sent as one text frame; a JSON string stands for its text.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Subscribe adds rules; even when empty, a snapshot follows.
	Subscribe []string `json:"subscribe,omitzero"`
	// Unsubscribe adds exclusions, or drops the rules that it undoes.
	Unsubscribe []string `json:"unsubscribe,omitempty"`
	// IntervalMS replaces the interval.
	IntervalMS *int64 `json:"interval_ms,omitempty"`
	// Join is the number of the join by which the sender holds the connection, so
	// that a late answer to an earlier one claims nothing; 0: any.
	Join int `json:"join,omitempty"`
	// Renewal replaces the token that the connection stands on by a newer one.
	Renewal *Renewal `json:"renewal,omitempty"`
	Close   *Close   `json:"close,omitempty"`
}

// Renewal is what a newer token of the same user says.
type Renewal struct {
	TokenID   string   `json:"token_id"`
	KeyID     string   `json:"key_id"`
	Role      string   `json:"role"`
	Policies  []string `json:"policies"`
	Allowed   []string `json:"allowed,omitempty"`
	IssuedAt  int64    `json:"issued_at"`
	ExpiresAt int64    `json:"expires_at"`
}

// Close ends a connection with a close frame.
type Close struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

// The states of a source or symbol.
const (
	Live  = "live"
	Stale = "stale"
	Down  = "down"
)

// Status tells that Symbols of Source are now Live, Stale or Down:
// ticker.status, and byte for byte the client's "status" message.
type Status struct {
	Type    string   `json:"type"` // "status"
	Source  string   `json:"source"`
	State   string   `json:"state"`
	Symbols []string `json:"symbols"`
	Sources []string `json:"sources,omitempty"` // behind the price, where it is what several agree on
	PartOf  string   `json:"part_of,omitempty"` // the source that this one is only a part of
	Gone    bool     `json:"gone,omitempty"`    // they are not published any more: who comes later is not told of them
}

// Alive says who publishes.
type Alive struct {
	Node string `json:"node"`
	Term uint64 `json:"term"`
	Seq  uint64 `json:"seq"` // of the last tick
}

// CandlesRequest asks for the newest candles of a symbol that begin before End.
type CandlesRequest struct {
	Symbol   string `json:"symbol"`
	Interval string `json:"interval"` // "1s", "1m", "1h" or "1d"
	Limit    int    `json:"limit"`
	End      int64  `json:"end,omitempty"` // unix seconds; 0: the open candle is the last
}

// CandlesResult is the candles, the oldest first, or why there are none. Encoded it begins
// with the symbol or the error, and is what a client gets.
type CandlesResult struct {
	Error    string          `json:"error,omitempty"`
	Symbol   string          `json:"symbol,omitempty"`
	Interval string          `json:"interval,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"` // [[1700000000,42000.12,42010,41990.5,42001],…]: start, open, high, low, close
}

// StatsRequest asks for what became of every symbol in the last 24 hours: of as many as
// fit into a message, from one on.
type StatsRequest struct {
	From int `json:"from,omitempty"` // StatsResult.Next; 0: the first symbol
}

// StatsResult has an object for each symbol, or says why there are none:
// {"symbol":"BTC-USD","open":41000,"high":42100,"low":40900.5,"last":42000.12,"change":1000.12,"change_percent":2.44,"since":1699913600}
type StatsResult struct {
	Error string            `json:"error,omitempty"`
	Data  []json.RawMessage `json:"data,omitzero"`
	Next  int               `json:"next,omitempty"` // where there are more: StatsRequest.From of these
}

// ExchangeRequest asks who holds an API key. The key itself never travels.
type ExchangeRequest struct {
	KeyHash string `json:"key_hash"` // SHA-256, hexadecimal
}

// ExchangeResult is the actor behind a key, or why there is none.
type ExchangeResult struct {
	Error     string   `json:"error,omitempty"` // ExchangeInvalid or ExchangeUnavailable
	KeyID     string   `json:"key_id,omitempty"`
	UserID    string   `json:"user_id,omitempty"` // "demo"
	Role      string   `json:"role,omitempty"`
	Policies  []string `json:"policies,omitempty"`
	Allowed   []string `json:"allowed,omitempty"`
	ExpiresAt int64    `json:"expires_at,omitempty"` // when the key ends; 0: never
}

// What ExchangeResult.Error says.
const (
	ExchangeInvalid     = "invalid"     // unknown, revoked or expired
	ExchangeUnavailable = "unavailable" // the store cannot answer
)

// Revocation says what counts no more; one of its fields is set.
type Revocation struct {
	TokenID string `json:"token_id,omitempty"`
	UserID  string `json:"user_id,omitempty"` // "demo": every token made so far
	KeyID   string `json:"key_id,omitempty"`
	At      int64  `json:"at,omitempty"` // when; 0: now
}
