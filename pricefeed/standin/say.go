package standin

import (
	"slices"
	"strings"
	"time"
)

// sayAgain says what is due on a topic, unless it is known already.
func (v *venue) sayAgain(t *topic) {
	if t.channel.prices && t.told == t.market.quote.trade {
		return
	}
	v.say(t)
}

// sayFirst says on a topic what its market is, to one who has subscribed it just now.
func (v *venue) sayFirst(t *topic, c *conn) {
	q := t.market.quote
	q.first = true
	v.tell(t, q, []*conn{c})
}

// say says on a topic what its market is, to all who have subscribed it.
func (v *venue) say(t *topic) {
	t.told = t.market.quote.trade
	v.tell(t, t.market.quote, t.conns)
}

func (v *venue) tell(t *topic, q quote, to []*conn) {
	q.at = q.at.Add(v.faults.clock)
	if !t.channel.prices {
		q.at = time.Now().Add(v.faults.clock)
	}
	if slices.Contains(v.faults.delisted, t.market.symbol) {
		return
	}
	if !t.channel.prices {
		v.sendAll(to, jsonFrame(v.message(t, &q)))
		return
	}
	if v.faults.priceless || v.faults.maintenance && !v.rolling {
		return
	}
	if v.faults.take(faultNegative) {
		q.price = -q.price
	}
	if v.faults.take(faultBackwards) {
		q.at = q.at.Add(-time.Minute)
		q.sequence -= 1000
	}
	v.sendPrice(to, jsonFrame(v.message(t, &q)))
}

// What comes in the place of a message with a price.
const (
	garbage  = "<html><body>502 Bad Gateway</body></html>"
	hugeSize = 2 << 20
)

// sendPrice sends a message, or what has become of it.
func (v *venue) sendPrice(to []*conn, frame []byte) {
	if v.faults.take(faultGarbage) {
		frame = textFrame([]byte(garbage))
	}
	if v.faults.take(faultHuge) {
		frame = textFrame([]byte(`{"padding":"` + strings.Repeat("x", hugeSize) + `"}`))
	}
	if v.faults.take(faultDuplicate) {
		frame = append(frame, frame...)
	}
	half, drop := v.faults.take(faultHalf), v.faults.take(faultDrop)
	for _, c := range to {
		switch {
		case drop:
			c.drop()
		case half:
			c.send(frame[:len(frame)/2])
			c.mute = true
		default:
			c.send(frame)
		}
	}
}

func (v *venue) sendAll(to []*conn, frame []byte) {
	for _, c := range to {
		c.send(frame)
	}
}
