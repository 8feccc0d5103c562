package standin

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/gobwas/ws"

	"tickerd/pricefeed/standin/protocol"
)

// coinbase is Coinbase Exchange.
type coinbase struct{}

const (
	coinbaseName = "coinbase"

	// Who has not subscribed within this time is sent away.
	coinbasePatience = 5 * time.Second
)

func newCoinbase() exchange {
	return exchange{
		name: coinbaseName,
		terms: terms{
			connects: allowance{n: 20, in: 20 * time.Second / 8},
			messages: allowance{n: 100, in: time.Second},
			requests: allowance{n: 15, in: 15 * time.Second / 10},
		},
		symbol:  parsed,
		dialect: coinbase{},
	}
}

// coinbaseChannels are those that need no login, by the name with which they are
// subscribed.
var coinbaseChannels = map[string]channel{
	"ticker":       {name: "ticker", prices: true},
	"ticker_batch": {name: "ticker_1000", prices: true, every: 5 * time.Second},
	"heartbeat":    {name: "heartbeat", every: time.Second},
}

func (coinbase) status(c *conn) {
	if c.venue.faults.maintenance {
		c.close(ws.StatusGoingAway, "maintenance")
		return
	}
	for _, symbol := range c.venue.faults.delisted {
		for _, t := range c.topics {
			if t.market.symbol == symbol && t.channel.prices {
				c.say(protocol.CoinbaseError{Type: "error", Message: "Failed to subscribe", Reason: t.market.name + " is delisted"})
			}
		}
	}
	c.flush()
}

func (d coinbase) receive(c *conn, text []byte) {
	var request protocol.CoinbaseRequest
	if err := json.Unmarshal(text, &request); err != nil {
		c.say(protocol.CoinbaseError{Type: "error", Message: "Malformed JSON"})
		return
	}
	var taken []*topic
	switch request.Type {
	case "subscribe":
		c.asked = true
		var all bool
		if taken, all = d.subscribe(c, request); !all && !c.holds() {
			return // the errors say it all
		}
	case "unsubscribe":
		d.unsubscribe(c, request)
	default:
		c.say(protocol.CoinbaseError{Type: "error", Message: "Type has to be either subscribe or unsubscribe"})
		return
	}
	c.say(d.subscriptions(c))
	for _, t := range taken {
		c.venue.sayFirst(t, c)
	}
}

// subscribe reports what was subscribed of that which has prices, and whether it was all.
func (d coinbase) subscribe(c *conn, request protocol.CoinbaseRequest) (taken []*topic, all bool) {
	all = true
	var refused []string
	for _, asked := range request.Channels {
		ch, ok := coinbaseChannels[asked.Name]
		if !ok {
			c.say(protocol.CoinbaseError{Type: "error", Message: "Failed to subscribe", Reason: asked.Name + " is not a valid channel, or requires authentication"})
			all = false
			continue
		}
		for _, name := range productsOf(asked, request) {
			m, ok := c.venue.market(name)
			if !ok {
				refused = append(refused, name)
				continue
			}
			if t := c.venue.subscribe(c, ch, m); ch.prices {
				taken = append(taken, t)
			}
		}
	}
	slices.Sort(refused)
	for _, name := range slices.Compact(refused) {
		c.say(protocol.CoinbaseError{Type: "error", Message: "Failed to subscribe", Reason: name + d.reason(c, name)})
	}
	return taken, all && len(refused) == 0
}

// reason is why there is no such market.
func (coinbase) reason(c *conn, name string) string {
	if symbol, ok := parsed(name); ok && slices.Contains(c.venue.faults.delisted, canonical(symbol)) {
		return " is delisted"
	}
	return " is not a valid product"
}

func (coinbase) unsubscribe(c *conn, request protocol.CoinbaseRequest) {
	for _, asked := range request.Channels {
		ch := coinbaseChannels[asked.Name]
		products := productsOf(asked, request)
		if len(products) == 0 { // the whole channel
			for _, t := range c.topics {
				products = append(products, t.market.name)
			}
		}
		for _, name := range products {
			c.venue.unsubscribe(c, ch, name)
		}
	}
}

// productsOf are those of a channel and those of the whole request.
func productsOf(asked protocol.CoinbaseChannel, request protocol.CoinbaseRequest) []string {
	return slices.Concat(asked.Products, request.Products)
}

// subscriptions is all that the connection has.
func (coinbase) subscriptions(c *conn) protocol.CoinbaseSubscriptions {
	answer := protocol.CoinbaseSubscriptions{Type: "subscriptions", Channels: []protocol.CoinbaseChannel{}}
	for _, t := range c.topics {
		i := slices.IndexFunc(answer.Channels, func(ch protocol.CoinbaseChannel) bool { return ch.Name == t.channel.name })
		if i < 0 {
			i = len(answer.Channels)
			answer.Channels = append(answer.Channels, protocol.CoinbaseChannel{Name: t.channel.name})
		}
		answer.Channels[i].Products = append(answer.Channels[i].Products, t.market.name)
	}
	return answer
}

func (coinbase) attend(c *conn, now time.Time) {
	if !c.asked && now.Sub(c.born) > coinbasePatience {
		c.close(ws.StatusPolicyViolation, "no subscription within 5 seconds")
	}
}

func (coinbase) message(t *topic, q *quote) any {
	if !t.channel.prices {
		return protocol.CoinbaseHeartbeat{
			Type:        "heartbeat",
			LastTradeID: q.trade,
			Product:     t.market.name,
			Sequence:    q.sequence,
			Time:        protocol.Time(q.at),
		}
	}
	return protocol.CoinbaseTicker{
		Type:        "ticker",
		Sequence:    q.sequence,
		Product:     t.market.name,
		Price:       q.money(q.price),
		Open24h:     q.money(q.open),
		Volume24h:   amount(q.volume),
		Low24h:      q.money(q.low),
		High24h:     q.money(q.high),
		Volume30d:   amount(30 * q.volume),
		BestBid:     q.money(q.bid),
		BestBidSize: amount(q.bidSize),
		BestAsk:     q.money(q.ask),
		BestAskSize: amount(q.askSize),
		Side:        q.side,
		Time:        protocol.Time(q.at),
		TradeID:     q.trade,
		LastSize:    amount(q.size),
	}
}
