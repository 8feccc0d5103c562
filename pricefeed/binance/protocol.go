package binance

import (
	"fmt"
	"strings"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// protocol is an exchange.Protocol.
type protocol struct {
	alias    alias
	requests int // so far, which is their id
}

func (p *protocol) Name(s ticker.Symbol) string { return p.alias.market(s) }

func (p *protocol) Request(markets []string, subscribe bool) []byte {
	method := "UNSUBSCRIBE"
	if subscribe {
		method = "SUBSCRIBE"
	}
	p.requests++
	streams := strings.ToLower(strings.Join(markets, `@ticker","`))
	return fmt.Appendf(nil, `{"method":"%s","params":["%s@ticker"],"id":%d}`, method, streams, p.requests)
}

func (p *protocol) Handle(c *exchange.Conn, msg []byte) error {
	f, err := Decode(msg)
	switch {
	case err != nil:
		c.Bad(msg, err)
	case f.Type == TypeTicker:
		c.Price(f.Market, exchange.Trade{Price: f.Price, Time: f.Time})
	case f.Type == TypeShutdown:
		c.Retire("the exchange's server is shutting down")
	case f.Error != "":
		c.Complaint(f.Error)
	}
	return nil
}
