package exchangetest

import (
	"encoding/json"
	"slices"
	"time"

	"tickerd/pricefeed/standin/protocol"
)

// Kraken is a connection that speaks as Kraken documents its feed, version 2:
// https://docs.kraken.com/api/docs/websocket-v2/ticker.
type Kraken struct {
	*Conn
	Symbols []string // what the client has subscribed to and exists
}

// AcceptKraken waits for the next connection, greets it with the exchange's status,
// waits for its subscription to the ticker, and answers as the exchange does: for each
// symbol by itself, with an error for those that are unknown.
func (s *Server) AcceptKraken(unknown ...string) *Kraken {
	s.tb.Helper()
	c := &Kraken{Conn: s.Accept()}
	c.Status("online")
	c.Subscribed(unknown...)
	return c
}

// Subscribed waits for the client's next message but pings, which must subscribe to the
// ticker, answers it, and returns the symbols that it is about.
func (c *Kraken) Subscribed(unknown ...string) []string {
	c.tb.Helper()
	request := c.request("subscribe")
	for _, symbol := range request.Params.Symbols {
		if slices.Contains(unknown, symbol) {
			c.Refuse(symbol, "Currency pair not supported "+symbol)
			continue
		}
		if !slices.Contains(c.Symbols, symbol) {
			c.Symbols = append(c.Symbols, symbol)
		}
		c.accept(request, protocol.KrakenResult{
			Channel:  "ticker",
			Trigger:  request.Params.Trigger,
			Snapshot: request.Params.Snapshot,
			Symbol:   symbol,
		})
	}
	return request.Params.Symbols
}

// Unsubscribed is Subscribed for the end of a subscription.
func (c *Kraken) Unsubscribed() []string {
	c.tb.Helper()
	request := c.request("unsubscribe")
	c.Symbols = without(c.Symbols, request.Params.Symbols)
	for _, symbol := range request.Params.Symbols {
		c.accept(request, protocol.KrakenResult{Channel: "ticker", Symbol: symbol})
	}
	return request.Params.Symbols
}

// Pinged waits for the client's next message, which must be a ping, and answers it.
func (c *Kraken) Pinged() {
	c.tb.Helper()
	var request protocol.KrakenRequest
	if text := c.readJSON(&request); request.Method != "ping" {
		c.tb.Fatalf("the client's message is no ping: %s", text)
	}
	c.pong(request)
}

// request reads {"method":"subscribe","params":{"channel":"ticker","symbol":[…]}}. Pings
// before it are answered.
func (c *Kraken) request(method string) protocol.KrakenRequest {
	c.tb.Helper()
	for {
		var request protocol.KrakenRequest
		text := c.readJSON(&request)
		switch {
		case request.Method == "ping":
			c.pong(request)
			continue
		case request.Method != method || request.Params.Channel != "ticker" || len(request.Params.Symbols) == 0:
			c.tb.Fatalf("the client's message does not %s symbols to the ticker: %s", method, text)
		}
		return request
	}
}

func (c *Kraken) accept(request protocol.KrakenRequest, result protocol.KrakenResult) {
	now := protocol.Time(time.Now())
	c.sendJSON(protocol.KrakenAnswer{
		Method: request.Method, Result: &result, ID: request.ID, Success: new(true), TimeIn: now, TimeOut: now,
	})
}

func (c *Kraken) pong(request protocol.KrakenRequest) {
	now := protocol.Time(time.Now())
	c.sendJSON(protocol.KrakenAnswer{Method: "pong", ID: request.ID, TimeIn: now, TimeOut: now})
}

// Refuse sends the error for a symbol.
func (c *Kraken) Refuse(symbol, reason string) {
	now := protocol.Time(time.Now())
	c.sendJSON(protocol.KrakenAnswer{
		Error: reason, Method: "subscribe", Success: new(false), Symbol: symbol, TimeIn: now, TimeOut: now,
	})
}

// Status sends how the exchange is: "online", "maintenance".
func (c *Kraken) Status(system string) {
	c.sendJSON(protocol.KrakenStatus{Channel: "status", Type: "update", Data: []protocol.KrakenSystem{
		{Version: "2.0.10", System: system, APIVersion: "v2", ConnectionID: 9471984923908980762}, // beyond 63 bits
	}})
}

// Trade sends an update with the present time.
func (c *Kraken) Trade(symbol, price string) {
	c.Send(KrakenTicker("update", symbol, price, protocol.Time(time.Now())))
}

// Snapshot sends what comes first of a symbol.
func (c *Kraken) Snapshot(symbol, price string) {
	c.Send(KrakenTicker("snapshot", symbol, price, protocol.Time(time.Now())))
}

// Heartbeat sends the heartbeat that the exchange sends when it has nothing else to say.
func (c *Kraken) Heartbeat() { c.Send(protocol.KrakenHeartbeat) }

// KrakenTicker is a ticker with every field that the exchange sends. The price is a
// number, but need not be one of which a price can be made.
func KrakenTicker(kind, symbol, price, at string) string {
	return textOf(protocol.KrakenTickers{Channel: "ticker", Type: kind, Data: []protocol.KrakenTicker{{
		Symbol:        symbol,
		Bid:           "0.13099",
		BidQuantity:   "329.06250000",
		Ask:           "0.13108",
		AskQuantity:   "1771.75027615",
		Last:          json.Number(price),
		Volume:        "9095630.20903971",
		VWAP:          "0.12882",
		Low:           "0.12437",
		High:          "0.13306",
		Change:        "0.00654",
		ChangePercent: "5.25",
		Trades:        4606,
		Timestamp:     at,
	}}})
}
