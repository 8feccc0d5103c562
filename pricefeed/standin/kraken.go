package standin

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"tickerd/pricefeed/standin/protocol"
	"tickerd/ticker"
)

// kraken is Kraken's WebSocket v2.
type kraken struct{}

const (
	krakenName = "kraken"

	// Who says nothing for this time is sent away.
	krakenPatience = time.Minute
)

func newKraken() exchange {
	return exchange{
		name: krakenName,
		terms: terms{
			connects: allowance{n: 150, in: 10 * time.Minute, pause: 10 * time.Minute},
			messages: allowance{n: 20, in: 2 * time.Second},
			surplus:  protocol.KrakenTooMany,
			requests: allowance{n: 15, in: 15 * time.Second},
		},
		symbol:  krakenSymbol,
		dialect: kraken{},
	}
}

// krakenTicker is the one channel that is served.
var krakenTicker = channel{name: "ticker", prices: true}

// krakenSymbol reads "BTC/USD".
func krakenSymbol(name string) (ticker.Symbol, bool) {
	base, quote, ok := strings.Cut(name, "/")
	if !ok || base == "XBT" {
		return "", false
	}
	return parsed(base + "-" + quote)
}

func (kraken) status(c *conn) {
	system := protocol.KrakenSystem{
		Version:      "2.0.10",
		System:       "online",
		APIVersion:   "v2",
		ConnectionID: 1<<63 | rand.Uint64(), // beyond 63 bits, as they may be
	}
	if c.venue.faults.maintenance {
		system.System = "maintenance"
	}
	c.say(protocol.KrakenStatus{Channel: "status", Type: "update", Data: []protocol.KrakenSystem{system}})
	c.flush()
}

func (d kraken) receive(c *conn, text []byte) {
	in := time.Now()
	var request protocol.KrakenRequest
	if err := json.Unmarshal(text, &request); err != nil {
		d.refuse(c, request, protocol.KrakenBadRequest, "", in)
		return
	}
	switch request.Method {
	case "ping":
		c.say(d.answer(c, protocol.KrakenAnswer{Method: "pong", ID: request.ID}, in))
	case "subscribe", "unsubscribe":
		if request.Params.Channel != krakenTicker.name {
			d.refuse(c, request, protocol.KrakenNoChannel, "", in)
			return
		}
		c.asked = true
		for _, name := range request.Params.Symbols {
			d.handle(c, request, name, in)
		}
	default:
		d.refuse(c, request, protocol.KrakenBadRequest, "", in)
	}
}

// handle is receive for one symbol.
func (d kraken) handle(c *conn, request protocol.KrakenRequest, name string, in time.Time) {
	if request.Method == "unsubscribe" {
		if !c.venue.unsubscribe(c, krakenTicker, name) {
			d.refuse(c, request, protocol.KrakenNotHeld, name, in)
			return
		}
		d.accept(c, request, protocol.KrakenResult{Channel: krakenTicker.name, Symbol: name}, in)
		return
	}
	m, ok := c.venue.market(name)
	if !ok {
		d.refuse(c, request, protocol.KrakenNoSymbol+name, name, in)
		return
	}
	t := c.venue.subscribe(c, krakenTicker, m)
	wantsSnapshot := request.Params.Snapshot == nil || *request.Params.Snapshot
	trigger := request.Params.Trigger
	if trigger == "" {
		trigger = "trades"
	}
	d.accept(c, request, protocol.KrakenResult{Channel: krakenTicker.name, Trigger: trigger, Snapshot: &wantsSnapshot, Symbol: name}, in)
	if wantsSnapshot {
		c.venue.sayFirst(t, c)
	}
}

func (d kraken) accept(c *conn, request protocol.KrakenRequest, result protocol.KrakenResult, in time.Time) {
	c.say(d.answer(c, protocol.KrakenAnswer{Method: request.Method, Result: &result, ID: request.ID, Success: new(true)}, in))
}

func (d kraken) refuse(c *conn, request protocol.KrakenRequest, reason, symbol string, in time.Time) {
	c.say(d.answer(c, protocol.KrakenAnswer{Error: reason, Method: request.Method, ID: request.ID, Success: new(false), Symbol: symbol}, in))
}

// answer adds the times.
func (kraken) answer(c *conn, a protocol.KrakenAnswer, in time.Time) protocol.KrakenAnswer {
	a.TimeIn = protocol.Time(in.Add(c.venue.faults.clock))
	a.TimeOut = protocol.Time(time.Now().Add(c.venue.faults.clock))
	return a
}

func (kraken) attend(c *conn, now time.Time) {
	switch {
	case now.Sub(c.heard) > krakenPatience:
		c.close(ws.StatusNormalClosure, "inactivity")
	case c.holds() && now.Sub(c.told) >= time.Second:
		c.send(textFrame([]byte(protocol.KrakenHeartbeat)))
	}
}

func (kraken) message(t *topic, q *quote) any {
	change, percent := q.change()
	kind := "update"
	if q.first {
		kind = "snapshot"
	}
	return protocol.KrakenTickers{Channel: krakenTicker.name, Type: kind, Data: []protocol.KrakenTicker{{
		Symbol:        t.market.name,
		Bid:           json.Number(q.money(q.bid)),
		BidQuantity:   json.Number(amount(q.bidSize)),
		Ask:           json.Number(q.money(q.ask)),
		AskQuantity:   json.Number(amount(q.askSize)),
		Last:          json.Number(q.money(q.price)),
		Volume:        json.Number(amount(q.volume)),
		VWAP:          json.Number(q.money(q.average())),
		Low:           json.Number(q.money(q.low)),
		High:          json.Number(q.money(q.high)),
		Change:        json.Number(q.money(change)),
		ChangePercent: json.Number(decimal(percent, 2)),
		Trades:        q.tradesOfDay,
		Timestamp:     protocol.Time(q.at),
	}}}
}
