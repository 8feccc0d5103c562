package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// reachTimeout bounds the tries to reach another NATS system at the start, and
	// reachPause is between two, as it is between two to reach it again.
	reachTimeout = 30 * time.Second
	reachPause   = 500 * time.Millisecond
)

// reach waits until the other NATS system takes a connection.
func (s *Server) reach(ctx context.Context) error {
	deadline := time.Now().Add(reachTimeout)
	for {
		c, err := s.Connect("start")
		if err == nil {
			c.Close()
			return nil
		}
		if errors.Is(err, nats.ErrAuthorization) || time.Now().After(deadline) {
			return fmt.Errorf("bus.url: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(reachPause):
		}
	}
}

// Dial connects to another NATS system, as the settings say. What is published while it
// is away is sent when it is back, up to 8 MiB; then publishing fails.
func Dial(cfg Config, name string, log *slog.Logger) (*Conn, error) {
	v := newValve()
	options := []nats.Option{
		nats.SetCustomDialer(valved{v}),
		nats.ReconnectWait(reachPause),
		nats.PingInterval(linkPing), nats.MaxPingsOutstanding(linkPings),
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if !c.IsClosed() { // by us
				log.Warn("bus is away", "conn", name, "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("bus is back", "conn", name) }),
	}
	if cfg.Credentials != "" {
		options = append(options, nats.UserCredentials(cfg.Credentials))
	}
	nc, err := nats.Connect(cfg.URL, append(options, connectOptions(log, name)...)...)
	if err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", name, hosts(cfg.URL), err)
	}
	return &Conn{nats: nc, valve: v, replicas: cfg.replicas()}, nil
}

// hosts are the servers of a list of addresses, without passwords.
func hosts(list string) string {
	var names []string
	for address := range strings.SplitSeq(list, ",") {
		if u, err := url.Parse(strings.TrimSpace(address)); err == nil {
			names = append(names, u.Host)
		}
	}
	return strings.Join(names, ", ")
}

// valved dials connections that are read only as far as the valve lets.
type valved struct{ valve *valve }

// Dial is of nats.CustomDialer.
func (d valved) Dial(network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: connectTimeout}).Dial(network, address)
	if err != nil {
		return nil, err
	}
	return newReservoir(c, d.valve), nil
}
