package kraken

import (
	"fmt"
	"log/slog"
	"strings"

	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

// online is what the exchange's engine is when all is well.
const online = "online"

// protocol is an exchange.Protocol.
type protocol struct {
	log         *slog.Logger
	frame       Frame  // the last one; its memory is used again
	system      string // as last told
	maintenance string // as last told
}

// Name is "BTC/USD".
func (*protocol) Name(s ticker.Symbol) string { return s.Base() + "/" + s.Quote() }

func (*protocol) Request(symbols []string, subscribe bool) []byte {
	method, snapshot := "unsubscribe", ""
	if subscribe {
		method, snapshot = "subscribe", `,"snapshot":true`
	}
	return fmt.Appendf(nil, `{"method":"%s","params":{"channel":"ticker","symbol":["%s"],"event_trigger":"bbo"%s}}`,
		method, strings.Join(symbols, `","`), snapshot)
}

func (p *protocol) Handle(c *exchange.Conn, msg []byte) error {
	f := &p.frame
	if err := f.Decode(msg); err != nil {
		c.Bad(msg, err)
		return nil
	}
	switch f.Channel {
	case ChannelTicker:
		for _, t := range f.Tickers {
			c.Price(t.Symbol, exchange.Trade{Price: t.Last, Time: t.Time})
		}
	case ChannelStatus:
		p.status()
	case "":
		return p.answer(c)
	}
	return nil
}

// answer takes the answer to a request.
func (p *protocol) answer(c *exchange.Conn) error {
	f := &p.frame
	switch {
	case strings.Contains(f.Error, "Exceeded msg rate"): // which request was lost, it does not say
		return exchange.ErrTooOften
	case f.Error != "" && f.Method == "subscribe" && f.Symbol != "":
		c.Refused(f.Symbol, f.Error)
	case f.Error != "":
		c.Complaint(f.Error)
	case f.Method == "subscribe":
		c.Accepted(f.Symbol)
	}
	return nil
}

// status tells the log of maintenance, once. That prices are missing shows by itself.
func (p *protocol) status() {
	f := &p.frame
	if f.System != p.system {
		tell := p.log.Warn
		if f.System == online {
			tell = p.log.Info
		}
		tell("the exchange's system has changed", "system", clip(f.System))
		p.system = f.System
	}
	if f.Maintenance != p.maintenance && f.Maintenance != "" {
		p.log.Warn("the exchange announces maintenance", "start", clip(f.Maintenance))
	}
	p.maintenance = f.Maintenance
}

func clip(s string) string { return fmt.Sprintf("%.40s", s) }
