package pricefeed

import (
	"fmt"

	"tickerd/bus"
	"tickerd/ticker"
)

// maxRequests may wait for the end of a tick; what comes on top is lost, and
// asked again.
const maxRequests = 1024

// Requests come while they are open.
type requests struct {
	C    chan *bus.Msg
	subs []*bus.Subscription
}

// open subscribes to them.
func (r *requests) open(conn *bus.Conn) error {
	r.C = make(chan *bus.Msg, maxRequests)
	for _, subject := range []string{bus.PriceSnapshot, bus.PriceStatus} {
		sub, err := conn.SubscribeChan(subject, r.C)
		if err != nil {
			return fmt.Errorf("subscribe %s: %w", subject, err)
		}
		r.subs = append(r.subs, sub)
	}
	return nil
}

// close forgets those that have come.
func (r *requests) close(unsubscribe func(*bus.Subscription)) {
	for _, sub := range r.subs {
		unsubscribe(sub)
	}
	r.C, r.subs = nil, nil
}

// answer answers a request. It goes out by the same connection as the ticks: who
// listens to both gets a snapshot after the tick that it is of, and before the
// next.
func (f *Feed) answer(m *bus.Msg) {
	if m.Reply == "" {
		return
	}
	var err error
	switch m.Subject {
	case bus.PriceSnapshot:
		err = f.bus.PublishMsg(&bus.Msg{Subject: m.Reply, Header: f.message.Header, Data: f.snapshot()})
	case bus.PriceStatus:
		err = f.answerStatus(m.Reply)
	}
	if err != nil {
		f.complain("answer "+m.Subject, err)
	}
}

// snapshot is every price published so far.
func (f *Feed) snapshot() []byte {
	msg := ticker.AppendHead(nil, f.seq, f.ts, true)
	comma := false
	for _, m := range f.markets {
		if m.price.Price == "" {
			continue
		}
		if comma {
			msg = append(msg, ',')
		}
		msg, comma = m.price.AppendJSON(msg), true
	}
	return append(msg, ticker.Tail...)
}

// maxStatus is how long an answer with states becomes, in bytes. Those of one source and
// state fit into it, however many symbols there are.
const maxStatus = 512 << 10

// answerStatus answers with the state of every symbol, in as many messages as it takes.
func (f *Feed) answerStatus(reply string) error {
	for list := f.current(); ; {
		n := fitStatus(list)
		if err := f.bus.PublishJSON(reply, list[:n]); err != nil || n == len(list) {
			return err
		}
		list = list[n:]
	}
}

// fitStatus is how many of list an answer takes, one at least.
func fitStatus(list []bus.Status) int {
	const around = 256 // more than there is besides the symbols
	size := 0
	for n, s := range list {
		size += around
		for _, symbol := range s.Symbols {
			size += len(symbol) + len(`"",`)
		}
		if size > maxStatus && n > 0 {
			return n
		}
	}
	return len(list)
}

// current is the state of every symbol, as last told.
func (f *Feed) current() []bus.Status {
	all := make([]int, len(f.symbols))
	for i := range all {
		all[i] = i
	}
	list := []bus.Status{}
	for _, o := range f.origins {
		if o.board.staleAfter > 0 {
			list = append(list, f.ofOrigin(o, all)...)
		}
	}
	if f.isComposite() {
		list = append(list, f.ofComposite(all)...)
	}
	return append(list, f.ofGone(f.gone)...)
}
