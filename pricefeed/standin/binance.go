package standin

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"tickerd/pricefeed/standin/protocol"
	"tickerd/ticker"
)

// binance is Binance Spot's combined stream.
type binance struct{}

const (
	binanceName = "binance"

	binancePingEvery = 20 * time.Second
	binancePatience  = time.Minute      // for the pong
	binanceNotice    = 10 * time.Second // before a shutdown
	maxStreams       = 1024             // of a connection
)

func newBinance() exchange {
	return exchange{
		name: binanceName,
		terms: terms{
			connects:      allowance{n: 300, in: 5 * time.Minute},
			messages:      allowance{n: 5, in: time.Second},
			perConnection: true,
			requests:      allowance{n: 3000, in: time.Minute}, // of weight 2
		},
		symbol:  binanceSymbol,
		rolling: true,
		dialect: binance{},
	}
}

// binanceTicker is the one kind of stream that brings something.
var binanceTicker = channel{name: protocol.BinanceTickerStream, prices: true, every: time.Second}

// binanceSymbol reads "BTCUSDT".
func binanceSymbol(name string) (ticker.Symbol, bool) { return parted(name) }

// status announces the end of the connection. Who connects then comes to another of the
// exchange's servers.
func (binance) status(c *conn) {
	if !c.venue.faults.maintenance || !c.asked {
		return
	}
	now := time.Now()
	c.say(protocol.BinanceEvent{
		Stream: protocol.BinanceShutdownStream,
		Data:   protocol.BinanceShutdown{Event: protocol.BinanceShutdownEvent, Time: now.Add(c.venue.faults.clock).UnixMilli()},
	})
	c.leaves = now.Add(binanceNotice)
}

func (d binance) receive(c *conn, text []byte) {
	var request protocol.BinanceRequest
	if err := json.Unmarshal(text, &request); err != nil {
		c.say(protocol.BinanceError{Code: 3, Message: fmt.Sprintf("Invalid JSON: %v at line 1 column %d", err, len(text))})
		return
	}
	answer := protocol.BinanceAnswer{ID: request.ID}
	switch request.Method {
	case "SUBSCRIBE":
		if !d.subscribe(c, request.Params) {
			return
		}
	case "UNSUBSCRIBE":
		for _, stream := range request.Params {
			name, _ := strings.CutSuffix(stream, protocol.BinanceTickerStream)
			c.venue.unsubscribe(c, binanceTicker, strings.ToUpper(name))
		}
	case "LIST_SUBSCRIPTIONS":
		answer.Result = streamsOf(c)
	case "GET_PROPERTY":
		if !slices.Equal(request.Params, []string{"combined"}) {
			c.say(protocol.BinanceError{Code: 0, Message: "Unknown property"})
			return
		}
		answer.Result = true
	case "":
		c.say(protocol.BinanceError{Code: 2, Message: fmt.Sprintf("Invalid request: missing field `method` at line 1 column %d", len(text))})
		return
	default:
		c.say(protocol.BinanceError{Code: 2, Message: fmt.Sprintf("Invalid request: unknown variant `%s`", request.Method)})
		return
	}
	c.say(answer)
}

// subscribe takes streams, and says nothing of those that do not exist. Who wants too many
// is sent away.
func (binance) subscribe(c *conn, streams []string) bool {
	c.asked = true
	for _, stream := range streams {
		name, ok := strings.CutSuffix(stream, protocol.BinanceTickerStream)
		if !ok || name != strings.ToLower(name) {
			continue
		}
		if m, ok := c.venue.market(strings.ToUpper(name)); ok {
			c.venue.subscribe(c, binanceTicker, m)
		}
	}
	if len(c.topics) > maxStreams {
		c.close(ws.StatusPolicyViolation, "too many streams")
		return false
	}
	return true
}

func streamOf(t *topic) string { return strings.ToLower(t.market.name) + t.channel.name }

func streamsOf(c *conn) []string {
	list := []string{}
	for _, t := range c.topics {
		list = append(list, streamOf(t))
	}
	return list
}

func (binance) attend(c *conn, now time.Time) {
	life := c.venue.config.Life
	switch {
	case !c.leaves.IsZero() && now.After(c.leaves):
		c.close(ws.StatusGoingAway, "the server shuts down")
	case life > 0 && now.Sub(c.born) > life:
		c.close(ws.StatusGoingAway, "24 hours are over")
	case c.ping != "" && now.Sub(c.pinged) > binancePatience:
		c.close(ws.StatusPolicyViolation, "Pong timeout")
	case c.ping == "" && now.Sub(c.pinged) > binancePingEvery:
		c.pinged, c.ping = now, strconv.FormatInt(now.UnixMilli(), 10)
		c.control(ws.OpPing, []byte(c.ping))
	}
}

func (binance) message(t *topic, q *quote) any {
	money := func(n int64) string { return padded(q.money(n), q.digits) }
	change, percent := q.change()
	now := q.at.UnixMilli()
	return protocol.BinanceEvent{Stream: streamOf(t), Data: protocol.BinanceTicker{
		Event:         protocol.BinanceTickerEvent,
		Time:          now,
		Symbol:        t.market.name,
		Change:        money(change),
		ChangePercent: decimal(percent*10, 3),
		VWAP:          money(q.average()),
		Before:        money(q.open),
		Close:         money(q.price),
		Quantity:      amount(q.size),
		Bid:           money(q.bid),
		BidQuantity:   amount(q.bidSize),
		Ask:           money(q.ask),
		AskQuantity:   amount(q.askSize),
		Open:          money(q.open),
		High:          money(q.high),
		Low:           money(q.low),
		Volume:        amount(q.volume),
		QuoteVolume:   money(q.volume / lot * q.average()),
		OpenTime:      now - (24 * time.Hour).Milliseconds(),
		CloseTime:     now,
		FirstTrade:    q.trade - q.tradesOfDay,
		LastTrade:     q.trade,
		Trades:        q.tradesOfDay,
	}}
}

// padded has eight digits behind the point, as all that Binance writes.
func padded(number string, digits int) string {
	return number + strings.Repeat("0", max(sizeDigits-digits, 0))
}

// hearStreams takes those of /stream?streams=a/b/c.
func (v *venue) hearStreams(c *conn, streams string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d, ok := v.dialect.(binance); ok {
		d.subscribe(c, strings.Split(streams, "/"))
	}
}
