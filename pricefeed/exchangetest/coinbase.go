package exchangetest

import (
	"slices"
	"time"

	"tickerd/pricefeed/standin/protocol"
)

// Coinbase is a connection that speaks as Coinbase Exchange documents its feed:
// https://docs.cdp.coinbase.com/exchange/websocket-feed/channels.
type Coinbase struct {
	*Conn
	Products []string // what the client has subscribed to and exists

	sequence sequence // one for all products: it skips within each, as the exchange's does
}

// firstSequence is one that the exchange really gave: beyond 32 bits.
const firstSequence = 137212619516

// AcceptCoinbase waits for the next connection and its subscription to ticker
// and heartbeat, and answers as the exchange does: an error for each of the
// products that are unknown, then the list of subscriptions. A client that has
// not subscribed within five seconds fails the test.
func (s *Server) AcceptCoinbase(unknown ...string) *Coinbase {
	s.tb.Helper()
	c := &Coinbase{Conn: s.Accept()}
	start := time.Now()
	c.Subscribed(unknown...)
	if late := time.Since(start); late > 5*time.Second {
		s.tb.Errorf("the client subscribed after %v", late)
	}
	return c
}

// Subscribed waits for the client's next message, which must subscribe to ticker and
// heartbeat, answers it, and returns the products that it is about.
func (c *Coinbase) Subscribed(unknown ...string) []string {
	c.tb.Helper()
	asked := c.request("subscribe")
	for _, product := range asked {
		switch {
		case slices.Contains(unknown, product):
			c.Error(product + " is not a valid product")
		case !slices.Contains(c.Products, product):
			c.Products = append(c.Products, product)
		}
	}
	c.Subscriptions(c.Products...)
	return asked
}

// Unsubscribed is Subscribed for the end of a subscription.
func (c *Coinbase) Unsubscribed() []string {
	c.tb.Helper()
	asked := c.request("unsubscribe")
	c.Products = without(c.Products, asked)
	c.Subscriptions(c.Products...)
	return asked
}

// request reads {"type":"subscribe","product_ids":[…],"channels":["ticker","heartbeat"]}.
func (c *Coinbase) request(kind string) []string {
	c.tb.Helper()
	var request protocol.CoinbaseRequest
	text := c.readJSON(&request)
	var channels []string
	for _, ch := range request.Channels {
		channels = append(channels, ch.Name)
	}
	slices.Sort(channels)
	if request.Type != kind || !slices.Equal(channels, []string{"heartbeat", "ticker"}) || len(request.Products) == 0 {
		c.tb.Fatalf("the client's message does not %s products to ticker and heartbeat: %s", kind, text)
	}
	return request.Products
}

// Trade sends a ticker with the next sequence number and the present time.
func (c *Coinbase) Trade(product, price string) {
	c.Send(CoinbaseTicker(product, price, firstSequence+c.sequence.next(), protocol.Time(time.Now())))
}

// Heartbeat sends the heartbeat that the exchange sends every second.
func (c *Coinbase) Heartbeat(product string) {
	c.sendJSON(protocol.CoinbaseHeartbeat{
		Type:        "heartbeat",
		LastTradeID: 20,
		Product:     product,
		Sequence:    firstSequence + c.sequence.next(),
		Time:        protocol.Time(time.Now()),
	})
}

// Subscriptions sends what is subscribed now.
func (c *Coinbase) Subscriptions(products ...string) {
	c.sendJSON(protocol.CoinbaseSubscriptions{Type: "subscriptions", Channels: []protocol.CoinbaseChannel{
		{Name: "ticker", Products: products},
		{Name: "heartbeat", Products: products},
	}})
}

// Error sends an error for reason: "XYZ-USD is not a valid product", "XYZ-USD is delisted".
func (c *Coinbase) Error(reason string) {
	c.sendJSON(protocol.CoinbaseError{Type: "error", Message: "Failed to subscribe", Reason: reason})
}

// CoinbaseTicker is a ticker with every field that the exchange sends.
func CoinbaseTicker(product, price string, sequence uint64, at string) string {
	return textOf(protocol.CoinbaseTicker{
		Type:        "ticker",
		Sequence:    sequence,
		Product:     product,
		Price:       price,
		Open24h:     "84430.55",
		Volume24h:   "1836.96781750",
		Low24h:      "84400",
		High24h:     "85021.57",
		Volume30d:   "175984.53012145",
		BestBid:     "84737.58",
		BestBidSize: "0.19921154",
		BestAsk:     "84737.59",
		BestAskSize: "0.05223077",
		Side:        "sell",
		Time:        at,
		TradeID:     1102042811,
		LastSize:    "0.00000025",
	})
}
