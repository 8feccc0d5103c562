package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/time/rate"
)

// healthyAfter is how long a connection lasts for its end to be an accident,
// after which the backoff starts anew. A shorter one counts as a failed attempt.
const healthyAfter = time.Minute

// Terms are what an exchange asks of its clients, and what an adapter knows of
// the exchange. Every field is required.
type Terms struct {
	ConnectEvery time.Duration // at least between two attempts to connect
	MessageEvery time.Duration // at least between two messages sent, on average
	Retry        time.Duration // the first wait after a failure is at most this
	Silence      time.Duration // without a message a connection is given up
}

// A Talk is what an adapter does with one connection: it subscribes, and reads
// until the connection is of no use any more, for the reason that it returns.
type Talk func(ctx context.Context, c *Conn) error

// A Client keeps a connection to an exchange up: it connects, by way of the
// proxy that the environment names, hands the connection to a [Talk], and
// connects anew when that has ended.
type Client struct {
	url   string
	terms Terms
	log   *slog.Logger
	dials *rate.Limiter
	sends *rate.Limiter // over all connections, as exchanges count by address

	proxy   func(*http.Request) (*url.URL, error)
	netDial func(ctx context.Context, network, addr string) (net.Conn, error)
	tls     *tls.Config // of the exchange, and of a proxy; nil: the system's

	counters counters
	badLog   rate.Sometimes
}

// NewClient makes a client of the exchange at url, a complete ws:// or wss://
// address.
func NewClient(url string, terms Terms, log *slog.Logger) *Client {
	return &Client{
		url:     url,
		terms:   terms,
		log:     log,
		dials:   rate.NewLimiter(rate.Every(terms.ConnectEvery), 1),
		sends:   rate.NewLimiter(rate.Every(terms.MessageEvery), 10),
		proxy:   http.ProxyFromEnvironment,
		netDial: (&net.Dialer{}).DialContext,
		badLog:  rate.Sometimes{First: 3, Interval: time.Minute},
	}
}

// Stats may be called at any time.
func (c *Client) Stats() Stats { return c.counters.stats() }

// Run connects and reconnects until ctx ends, and tells sink of every change.
// Run returns nil, after the last talk.
func (c *Client) Run(ctx context.Context, sink Sink, talk Talk) error {
	delay := backoff{first: c.terms.Retry}
	for sleep(ctx, c.dials.Reserve().Delay()) {
		lasted, err := c.connect(ctx, sink, talk)
		if ctx.Err() != nil {
			break
		}
		if lasted >= healthyAfter {
			delay.reset()
		}
		wait := delay.next()
		if refusal, ok := errors.AsType[*StatusError](err); ok {
			wait += refusal.RetryAfter
		}
		c.log.Warn("exchange is not connected", "err", err, "lasted", lasted.Round(time.Millisecond), "retry_in", wait.Round(time.Millisecond))
		if !sleep(ctx, wait) {
			break
		}
	}
	return nil
}

// connect makes one connection and stays with it to its end.
func (c *Client) connect(ctx context.Context, sink Sink, talk Talk) (lasted time.Duration, err error) {
	c.counters.attempts.Add(1)
	conn, err := c.dial(ctx)
	if err != nil {
		return 0, err
	}
	c.counters.connects.Add(1)
	c.log.Info("exchange is connected", "url", c.url)
	start := time.Now()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.interrupt()
		close(interrupted)
	})
	sink.Link(true)
	err = talk(ctx, conn)
	sink.Link(false)
	if !stop() {
		<-interrupted
	}
	conn.close(err)
	return time.Since(start), err
}

// sleep reports whether ctx goes on after it.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return ctx.Err() == nil
}
