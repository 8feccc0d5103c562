package exchangetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Coinbase is a connection that speaks as Coinbase Exchange documents its feed:
// https://docs.cdp.coinbase.com/exchange/websocket-feed/channels.
type Coinbase struct {
	*Conn
	Products []string // what the client subscribed to and exists

	mu       sync.Mutex
	sequence uint64 // one for all products: it skips within each, as the exchange's does
}

// firstSequence is one that the exchange really gave: beyond 32 bits.
const firstSequence = 137212619516

// AcceptCoinbase waits for the next connection and its subscription to ticker
// and heartbeat, and answers as the exchange does: an error for each of the
// products that are unknown, then the list of subscriptions. A client that has
// not subscribed within five seconds fails the test.
func (s *Server) AcceptCoinbase(unknown ...string) *Coinbase {
	s.tb.Helper()
	c := &Coinbase{Conn: s.Accept(), sequence: firstSequence}
	start := time.Now()
	asked := c.readSubscribe()
	if late := time.Since(start); late > 5*time.Second {
		s.tb.Errorf("the client subscribed after %v", late)
	}
	for _, product := range asked {
		if slices.Contains(unknown, product) {
			c.Error(product + " is not a valid product")
		} else {
			c.Products = append(c.Products, product)
		}
	}
	c.Subscriptions(c.Products...)
	return c
}

// readSubscribe reads {"type":"subscribe","product_ids":[…],"channels":["ticker","heartbeat"]}.
func (c *Coinbase) readSubscribe() []string {
	c.tb.Helper()
	var request struct {
		Type     string   `json:"type"`
		Products []string `json:"product_ids"`
		Channels []string `json:"channels"`
	}
	text := c.Read()
	if err := json.Unmarshal([]byte(text), &request); err != nil {
		c.tb.Fatalf("the client's first message is %q: %v", text, err)
	}
	slices.Sort(request.Channels)
	if request.Type != "subscribe" || !slices.Equal(request.Channels, []string{"heartbeat", "ticker"}) || len(request.Products) == 0 {
		c.tb.Fatalf("the client's first message does not subscribe products to ticker and heartbeat: %s", text)
	}
	return request.Products
}

// Trade sends a ticker with the next sequence number and the present time.
func (c *Coinbase) Trade(product, price string) {
	c.Send(CoinbaseTicker(product, price, c.next(), time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")))
}

// Heartbeat sends the heartbeat that the exchange sends every second.
func (c *Coinbase) Heartbeat(product string) {
	c.Send(fmt.Sprintf(`{"type":"heartbeat","last_trade_id":20,"product_id":%q,"sequence":%d,"time":%q}`,
		product, c.next(), time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")))
}

// Subscriptions sends what is subscribed now.
func (c *Coinbase) Subscriptions(products ...string) {
	list, err := json.Marshal(products)
	if err != nil {
		c.tb.Errorf("subscriptions: %v", err)
	}
	c.Send(fmt.Sprintf(`{"type":"subscriptions","channels":[{"name":"ticker","product_ids":%s,"account_ids":null},{"name":"heartbeat","product_ids":%s,"account_ids":null}]}`, list, list))
}

// Error sends an error for reason: "XYZ-USD is not a valid product", "XYZ-USD is delisted".
func (c *Coinbase) Error(reason string) {
	c.Send(fmt.Sprintf(`{"type":"error","message":"Failed to subscribe","reason":%q}`, reason))
}

func (c *Coinbase) next() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sequence += 3
	return c.sequence
}

// CoinbaseTicker is a ticker with every field that the exchange sends.
func CoinbaseTicker(product, price string, sequence uint64, at string) string {
	return fmt.Sprintf(`{"type":"ticker","sequence":%d,"product_id":%q,"price":%q,"open_24h":"84430.55","volume_24h":"1836.96781750",`+
		`"low_24h":"84400","high_24h":"85021.57","volume_30d":"175984.53012145","best_bid":"84737.58","best_bid_size":"0.19921154",`+
		`"best_ask":"84737.59","best_ask_size":"0.05223077","side":"sell","time":%q,"trade_id":1102042811,"last_size":"0.00000025"}`,
		sequence, product, price, at)
}
