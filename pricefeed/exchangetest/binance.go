package exchangetest

import (
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"tickerd/pricefeed/standin/protocol"
)

// Binance is a connection that speaks as Binance documents its combined stream:
// https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams.
type Binance struct {
	*Conn
	Streams []string // what the client has subscribed to: "btcusdt@ticker"
}

// AcceptBinance waits for the next connection and its subscription to streams of
// tickers, and answers as the exchange does: that some of them may not exist, it does
// not say.
func (s *Server) AcceptBinance() *Binance {
	s.tb.Helper()
	c := &Binance{Conn: s.Accept()}
	c.Subscribed()
	return c
}

// Subscribed waits for the client's next message but those that ask for a property,
// which must subscribe to tickers, answers it, and returns the streams that it is about.
func (c *Binance) Subscribed() []string {
	c.tb.Helper()
	asked := c.request("SUBSCRIBE")
	for _, stream := range asked {
		if !slices.Contains(c.Streams, stream) {
			c.Streams = append(c.Streams, stream)
		}
	}
	return asked
}

// Unsubscribed is Subscribed for the end of a subscription.
func (c *Binance) Unsubscribed() []string {
	c.tb.Helper()
	asked := c.request("UNSUBSCRIBE")
	c.Streams = without(c.Streams, asked)
	return asked
}

// Asked waits for the client's next message, which must ask for a property, as it does to
// hear whether anybody is there, and answers it.
func (c *Binance) Asked() {
	c.tb.Helper()
	var request protocol.BinanceRequest
	if text := c.readJSON(&request); request.Method != "GET_PROPERTY" {
		c.tb.Fatalf("the client's message does not ask for a property: %s", text)
	}
	c.sendJSON(protocol.BinanceAnswer{Result: true, ID: request.ID})
}

// request reads {"method":"SUBSCRIBE","params":["btcusdt@ticker"],"id":1}, and answers it.
func (c *Binance) request(method string) []string {
	c.tb.Helper()
	for {
		var request protocol.BinanceRequest
		text := c.readJSON(&request)
		if request.Method == "GET_PROPERTY" {
			c.sendJSON(protocol.BinanceAnswer{Result: true, ID: request.ID})
			continue
		}
		if request.Method != method || len(request.Params) == 0 || slices.ContainsFunc(request.Params, isNoTicker) {
			c.tb.Fatalf("the client's message does not %s tickers: %s", method, text)
		}
		c.sendJSON(protocol.BinanceAnswer{ID: request.ID})
		return request.Params
	}
}

// isNoTicker reports whether a stream is not the ticker of a symbol in lower case.
func isNoTicker(stream string) bool {
	symbol, ok := strings.CutSuffix(stream, protocol.BinanceTickerStream)
	return !ok || symbol == "" || symbol != strings.ToLower(symbol)
}

// Ponged waits for the client's next pong, which must have a payload: that of the ping.
// What else the client has sent before is lost.
func (c *Binance) Ponged(payload string) {
	c.tb.Helper()
	for {
		f := c.Next()
		if f.Op != ws.OpPong {
			continue
		}
		if f.Payload != payload {
			c.tb.Fatalf("the client's pong has %q, the ping had %q", f.Payload, payload)
		}
		return
	}
}

// Trade sends a ticker of the present time; a symbol is "BTCUSDT".
func (c *Binance) Trade(symbol, price string) {
	c.Send(BinanceTicker(symbol, price, time.Now()))
}

// Error sends an error.
func (c *Binance) Error(code int, message string) {
	c.sendJSON(protocol.BinanceError{Code: code, Message: message})
}

// Shutdown sends the exchange's word that it will end the connection.
func (c *Binance) Shutdown() {
	c.sendJSON(protocol.BinanceEvent{
		Stream: protocol.BinanceShutdownStream,
		Data:   protocol.BinanceShutdown{Event: protocol.BinanceShutdownEvent, Time: time.Now().UnixMilli()},
	})
}

// BinanceTicker is a ticker with every field that the exchange sends.
func BinanceTicker(symbol, price string, at time.Time) string {
	return textOf(protocol.BinanceEvent{
		Stream: strings.ToLower(symbol) + protocol.BinanceTickerStream,
		Data: protocol.BinanceTicker{
			Event:         protocol.BinanceTickerEvent,
			Time:          at.UnixMilli(),
			Symbol:        symbol,
			Change:        "0.0015",
			ChangePercent: "250.00",
			VWAP:          "0.0018",
			Before:        "0.0009",
			Close:         price,
			Quantity:      "10",
			Bid:           "0.0024",
			BidQuantity:   "10",
			Ask:           "0.0026",
			AskQuantity:   "100",
			Open:          "0.0010",
			High:          "0.0025",
			Low:           "0.0010",
			Volume:        "10000",
			QuoteVolume:   "18",
			OpenTime:      at.Add(-24 * time.Hour).UnixMilli(),
			CloseTime:     at.UnixMilli(),
			FirstTrade:    0,
			LastTrade:     18150,
			Trades:        18151,
		},
	})
}
