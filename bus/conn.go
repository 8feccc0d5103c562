package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Msg is one message: Subject, Reply, Header and Data. Its data belongs to the
// receiver.
type Msg = nats.Msg

// Subscription is ended with Unsubscribe.
type Subscription = nats.Subscription

// Conn is one part's connection to the bus, safe for concurrent use.
type Conn struct {
	nats     *nats.Conn
	valve    *valve
	node     string // the node that it belongs to; "": none
	replicas int    // how many nodes are to keep a stream
}

// dialer opens a connection to the server, as NATS asks for each.
type dialer func() (net.Conn, error)

func (dial dialer) InProcessConn() (net.Conn, error) { return dial() }

// connect never gives up: a part that lost the bus for a while goes on when it is
// there again.
func connect(log *slog.Logger, name string, dial dialer, login nats.Option) (*Conn, error) {
	v := newValve()
	through := dialer(func() (net.Conn, error) {
		c, err := dial()
		if err != nil {
			return nil, err
		}
		return newReservoir(c, v), nil
	})
	nc, err := nats.Connect("", append(connectOptions(log, name), nats.InProcessServer(through), login)...)
	if err != nil {
		return nil, fmt.Errorf("connect %s to the bus: %w", name, err)
	}
	return &Conn{nats: nc, valve: v, replicas: 1}, nil
}

// connectOptions are those of every connection.
func connectOptions(log *slog.Logger, name string) []nats.Option {
	return []nats.Option{
		nats.Name(name),
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Error("bus", "conn", name, "subject", subject, "err", err)
		}),
	}
}

// NewID makes an identifier of 22 letters and digits, unique in a cluster and
// safe as a token of a subject.
func NewID() string { return nuid.Next() }

// Publish sends data; it does not wait for anyone.
func (c *Conn) Publish(subject string, data []byte) error {
	return c.nats.Publish(subject, data)
}

// PublishMsg is Publish with headers.
func (c *Conn) PublishMsg(m *Msg) error { return c.nats.PublishMsg(m) }

// PublishJSON is Publish of v's encoding.
func (c *Conn) PublishJSON(subject string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("publish %s: %w", subject, err)
	}
	return c.nats.Publish(subject, data)
}

// Ask sends data with a reply subject, at which answers come, or at once a
// message that NoResponders recognises.
func (c *Conn) Ask(subject, reply string, data []byte) error {
	return c.nats.PublishRequest(subject, reply, data)
}

// AskJSON is Ask with v's encoding.
func (c *Conn) AskJSON(subject, reply string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("publish %s: %w", subject, err)
	}
	return c.nats.PublishRequest(subject, reply, data)
}

// NoResponders reports whether m is the server's notice that nobody took the
// message which asked for an answer here, and the subject of that message.
func NoResponders(m *Msg) (subject string, yes bool) {
	if len(m.Data) > 0 || m.Header.Get("Status") != "503" {
		return "", false
	}
	return m.Header.Get("Nats-Subject"), true
}

// Subscribe calls f for every message, one after the other. f must not block: what
// comes meanwhile waits in memory, without limit, for no message may be lost.
func (c *Conn) Subscribe(subject string, f func(*Msg)) (*Subscription, error) {
	return unlimited(c.nats.Subscribe(subject, f))
}

// SubscribeQueue is Subscribe as a member of a group, one of which gets each message.
func (c *Conn) SubscribeQueue(subject, queue string, f func(*Msg)) (*Subscription, error) {
	return unlimited(c.nats.QueueSubscribe(subject, queue, f))
}

func unlimited(sub *Subscription, err error) (*Subscription, error) {
	if err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return sub, nil
}

// SubscribeChan delivers into ch, which many subscriptions may share. What finds
// ch full is lost; see [Inbox] where nothing may be.
func (c *Conn) SubscribeChan(subject string, ch chan *Msg) (*Subscription, error) {
	return c.nats.ChanSubscribe(subject, ch)
}

// SubscribeQueueChan is SubscribeChan as a member of a group.
func (c *Conn) SubscribeQueueChan(subject, queue string, ch chan *Msg) (*Subscription, error) {
	return c.nats.ChanQueueSubscribe(subject, queue, ch)
}

// Request sends v's encoding and decodes the answer into result; a *[]byte gets it as
// it came. Where nobody listens, it is ErrNoResponders at once.
func (c *Conn) Request(ctx context.Context, subject string, v, result any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("request %s: %w", subject, err)
	}
	m, err := c.nats.RequestWithContext(ctx, subject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		err = ErrNoResponders
	}
	if err != nil {
		return fmt.Errorf("request %s: %w", subject, err)
	}
	if raw, ok := result.(*[]byte); ok {
		*raw = m.Data
		return nil
	}
	if err := json.Unmarshal(m.Data, result); err != nil {
		return fmt.Errorf("request %s: answer: %w", subject, err)
	}
	return nil
}

// RequestNear is Request of the connection's own node, where that answers for subject,
// and else of whoever does. So it does not wait for another node that stands still, or is
// cut off, and of which nobody knows yet.
func (c *Conn) RequestNear(ctx context.Context, subject string, v, result any) error {
	if c.node != "" {
		if err := c.Request(ctx, At(subject, c.node), v, result); !errors.Is(err, ErrNoResponders) {
			return err
		}
	}
	return c.Request(ctx, subject, v, result)
}

// flushTimeout bounds the wait for the server where the caller sets no bound.
const flushTimeout = 10 * time.Second

// Flush returns when the server has handled everything sent so far.
func (c *Conn) Flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	return c.nats.FlushWithContext(ctx)
}

// Ready reports whether the bus answers.
func (c *Conn) Ready(ctx context.Context) error {
	if err := c.Flush(ctx); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	return nil
}

// Close sends what is buffered and ends the connection and its subscriptions.
func (c *Conn) Close() { c.nats.Close() }
