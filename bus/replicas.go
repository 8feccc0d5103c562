package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Voters is how many nodes keep the cluster's streams together, as far as they have
// agreed on it; 1 alone, 0 where it is not known.
func (s *Server) Voters() int {
	switch {
	case s.nats == nil || s.cfg.IsLeaf():
		return 0
	case !s.cfg.IsCluster():
		return 1
	case !s.cfg.Voter:
		return 0
	}
	info, err := s.nats.Jsz(nil)
	if err != nil || info.Meta == nil {
		return 0
	}
	return max(info.Meta.Size, 2) // a cluster of one cannot be
}

// Yield gives the leadership of a stream to another node, where this one has it and
// there is another.
func (s *Server) Yield(stream string) {
	if s.nats == nil || !s.cfg.IsCluster() || !s.nats.JetStreamIsStreamLeader(globalAccount, stream) {
		return
	}
	if err := s.nats.JetStreamStepdownStream(globalAccount, stream); err != nil {
		s.log.Debug("bus: give up leadership", "stream", stream, "err", err)
	}
}

const (
	globalAccount = "$G"

	// tendEvery is how often is looked for streams that too few nodes keep.
	tendEvery = 5 * time.Second
)

// startTending has streams kept by as many nodes as they should be.
func (s *Server) startTending() error {
	conn, err := s.Connect("replicas")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.tending, s.tended = cancel, make(chan struct{})
	go func() {
		defer close(s.tended)
		defer conn.Close()
		s.tend(ctx, conn)
	}()
	return nil
}

// tend raises what was made when there were fewer nodes, until ctx ends. One node does:
// the one that leads them.
func (s *Server) tend(ctx context.Context, conn *Conn) {
	clock := time.NewTicker(tendEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-clock.C:
		}
		if !s.nats.JetStreamIsLeader() {
			continue
		}
		peers := len(s.nats.JetStreamClusterPeers())
		if err := conn.raise(ctx, min(conn.replicas, peers)); err != nil && ctx.Err() == nil {
			s.log.Debug("bus: raise replicas", "err", err)
		}
	}
}

// raise has every stream kept by so many nodes at least.
func (c *Conn) raise(ctx context.Context, replicas int) error {
	js, err := jetstream.New(c.nats, jetstream.WithDefaultTimeout(storeTimeout))
	if err != nil {
		return err
	}
	list := js.ListStreams(ctx)
	for info := range list.Info() {
		if info.Config.Replicas >= replicas {
			continue
		}
		raised := info.Config
		raised.Replicas = replicas
		if _, err := js.UpdateStream(ctx, raised); err != nil {
			return fmt.Errorf("stream %s: %w", info.Config.Name, err)
		}
	}
	return list.Err()
}

// replicated makes something that several nodes keep, with fewer of them as long as
// there are not enough: two at least, where it is to be more than one. What is there
// already is opened as it is.
func (c *Conn) replicated(open func() error, create func(replicas int) error) error {
	err := create(max(c.replicas, 1))
	for replicas := c.replicas - 1; replicas >= 2 && isTooFew(err); replicas-- {
		if open() == nil {
			return nil
		}
		err = create(replicas)
	}
	return err
}

// isTooFew reports whether there are not as many nodes as replicas were asked for.
func isTooFew(err error) bool {
	const noPeers, resources, replicasUnsupported = 10005, 10023, 10074
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (e.ErrorCode == noPeers || e.ErrorCode == resources || e.ErrorCode == replicasUnsupported)
}
