package bus

import (
	"context"
	"fmt"
	"time"
)

// An Inbox is where many subscriptions deliver, for one goroutine to take: the
// cheapest way to hold very many of them, at 1.15 kB each.
//
// Nothing is lost, and nothing overtakes another, however much comes at once.
// While an inbox is more than half full, its connection is not read: what the
// server sends waits in memory, and with it all else that comes over this
// connection.
//
// So the taker must not wait for anything of the same connection, as Flush and
// Request do. Subscribing and publishing do not wait.
type Inbox struct {
	conn *Conn
	ch   chan *Msg
}

const (
	// inboxRoom is so much that the reader has work while the taker waits for a
	// processor, and the other way round.
	inboxRoom = 1 << 12

	// settleTimeout bounds the wait for the server, before which stands all that was
	// not taken yet.
	settleTimeout = time.Minute
)

// NewInbox makes an inbox, to be closed after its subscriptions have ended.
func (c *Conn) NewInbox() *Inbox { return c.newInbox(inboxRoom) }

func (c *Conn) newInbox(room int) *Inbox {
	b := &Inbox{conn: c, ch: make(chan *Msg, room)}
	c.valve.add(b)
	return b
}

// Subscribe delivers what comes for subject.
func (b *Inbox) Subscribe(subject string) (*Subscription, error) {
	return b.conn.SubscribeChan(subject, b.ch)
}

// SubscribeQueue is Subscribe as a member of a group, one of which gets each message.
func (b *Inbox) SubscribeQueue(subject, queue string) (*Subscription, error) {
	return b.conn.SubscribeQueueChan(subject, queue, b.ch)
}

// Next takes the next message. It is nil when done is closed.
func (b *Inbox) Next(done <-chan struct{}) *Msg {
	select {
	case m := <-b.ch:
		b.conn.valve.taken(b)
		return m
	case <-done:
		return nil
	}
}

// Settle takes all that the server sends before it has handled what was sent to
// it: behind Subscription.Drain, all that will ever come. It calls take with each.
func (b *Inbox) Settle(take func(*Msg)) error {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	var err error
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		err = b.conn.nats.FlushWithContext(ctx)
	}()
	for m := b.Next(flushed); m != nil; m = b.Next(flushed) {
		take(m)
	}
	for len(b.ch) > 0 {
		take(<-b.ch)
	}
	if err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	return nil
}

// Close lets the connection be read again, whatever is in the inbox.
func (b *Inbox) Close() { b.conn.valve.remove(b) }
