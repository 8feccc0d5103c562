package auth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"tickerd/bus"
)

const (
	queue = "auth" // the group of nodes that have a database
	// backlog is how many requests wait; what comes then gets no answer.
	backlog = 4096
	// answerTimeout bounds the work for one request.
	answerTimeout = 10 * time.Second
	// flushTimeout bounds the wait for the bus at the end.
	flushTimeout = 2 * time.Second
	// writeAgain is the pause after a revocation could not be stored.
	writeAgain = time.Second
)

// Service answers for a Store on the bus: exchanges, what was revoked, and the
// command line; and it stores the revocations that it hears of.
type Service struct {
	conn     *bus.Conn
	store    *Store
	policies *Policies
	log      *slog.Logger

	requests chan *bus.Msg
	heard    *inbox // what is to be stored
}

// ServiceParts is what a Service is made of.
type ServiceParts struct {
	Bus      *bus.Conn
	Store    *Store
	Policies *Policies
	Node     string
	// Cluster says that other nodes have databases too.
	Cluster bool
	// Verifier is this node's, and learns at once of what others revoked; it may be nil.
	Verifier *Verifier
	Log      *slog.Logger
}

// NewService needs its Run.
func NewService(p ServiceParts) *Service {
	return &Service{
		conn: p.Bus, store: p.Store, policies: p.Policies, log: p.Log,
		requests: make(chan *bus.Msg, backlog), heard: newInbox(),
	}
}

// Touch is to be called in a cluster when this node gains or loses touch with the
// majority; at first it has none. It does not block.
func (s *Service) Touch(in bool) {}

// Current is nil while this node answers for keys as the whole cluster would, and else
// says why it does not. It costs next to nothing.
func (s *Service) Current() error { return nil }

// KeySeq is how far this node has applied the changes of keys; 0 where there is no
// journal of them.
func (s *Service) KeySeq() uint64 { return 0 }

// Run answers until ctx ends; then it answers what is waiting, stores what it has
// heard, and returns.
func (s *Service) Run(ctx context.Context) error {
	subs, err := s.subscribe()
	if err != nil {
		return fmt.Errorf("auth service: %w", err)
	}
	var workers, writer sync.WaitGroup
	quiet := make(chan struct{})          // closed when no request comes any more
	for range runtime.GOMAXPROCS(0) + 1 { // one of them may wait for the disk
		workers.Go(func() { s.work(ctx, quiet) })
	}
	answered := make(chan struct{})
	writer.Go(func() { s.write(ctx, answered) })

	<-ctx.Done()
	s.unsubscribe(subs)
	close(quiet)
	workers.Wait()
	close(answered)
	writer.Wait()
	return nil
}

// subscribe takes requests into one channel, and revocations into heard.
func (s *Service) subscribe() ([]*bus.Subscription, error) {
	var subs []*bus.Subscription
	for _, subject := range []string{bus.Exchange, bus.Revocations, bus.KeyCreate, bus.KeyList, bus.KeyRevoke} {
		sub, err := s.conn.SubscribeQueueChan(subject, queue, s.requests)
		if err != nil {
			s.unsubscribe(subs)
			return nil, err
		}
		subs = append(subs, sub)
	}
	sub, err := s.conn.Subscribe(bus.Revoked, s.hear)
	if err != nil {
		s.unsubscribe(subs)
		return nil, err
	}
	return append(subs, sub), nil
}

// unsubscribe returns when nothing more comes, and what came until then is in
// requests and heard. Errors say that the connection is gone, and that is that.
func (s *Service) unsubscribe(subs []*bus.Subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	for _, sub := range subs {
		_ = sub.Drain()
	}
	_ = s.conn.Flush(ctx)
}

// work answers requests until quiet is closed and none is left.
func (s *Service) work(ctx context.Context, quiet <-chan struct{}) {
	for {
		select {
		case m := <-s.requests:
			s.answer(ctx, m)
			continue
		case <-quiet:
		}
		select {
		case m := <-s.requests:
			s.answer(ctx, m)
		default:
			return
		}
	}
}

func (s *Service) answer(ctx context.Context, m *bus.Msg) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTimeout)
	defer cancel()
	var result any
	switch m.Subject {
	case bus.Exchange:
		result = s.exchange(ctx, m.Data)
	case bus.Revocations:
		result = s.revocations(ctx, m.Data)
	case bus.KeyCreate:
		result = s.create(ctx, m.Data)
	case bus.KeyList:
		result = s.list(ctx, m.Data)
	case bus.KeyRevoke:
		result = s.revoke(ctx, m.Data)
	}
	if m.Reply == "" {
		return
	}
	if err := s.conn.PublishJSON(m.Reply, result); err != nil {
		s.log.Error("answer", "subject", m.Subject, "err", err)
	}
}

func (s *Service) exchange(ctx context.Context, data []byte) bus.ExchangeResult {
	var ask bus.ExchangeRequest
	if err := json.Unmarshal(data, &ask); err != nil {
		s.log.Warn("request not understood", "subject", bus.Exchange, "err", err)
		return bus.ExchangeResult{Error: bus.ExchangeInvalid}
	}
	who, err := s.store.exchange(ctx, ask.KeyHash)
	if err != nil {
		s.log.Error("auth", "err", err)
		return bus.ExchangeResult{Error: bus.ExchangeUnavailable}
	}
	if who.Error == "" {
		who.Policies = s.policies.Of(who.Role)
		s.heard.poke() // WriteUsed may have something to do
	}
	return who
}

// revocations answers with one page. A failure is an object, which nobody can take
// for a list.
func (s *Service) revocations(ctx context.Context, data []byte) any {
	var last bus.Revocation
	if len(data) > 0 {
		if err := json.Unmarshal(data, &last); err != nil {
			s.log.Warn("request not understood", "subject", bus.Revocations, "err", err)
			return failure(fmt.Errorf("%w: %w", errRequest, err))
		}
	}
	revs, err := s.store.Revocations(ctx, last)
	if err != nil {
		return s.failed(err)
	}
	return revs
}

func (s *Service) create(ctx context.Context, data []byte) keysAnswer {
	var ask createRequest
	if err := json.Unmarshal(data, &ask); err != nil {
		return failure(fmt.Errorf("%w: %w", errRequest, err))
	}
	if hash, err := hex.DecodeString(ask.KeyHash); err != nil || len(hash) != 32 || ask.KeyHash != strings.ToLower(ask.KeyHash) {
		return failure(fmt.Errorf("%w: key_hash: not a SHA-256 in lower-case hexadecimal", errRequest))
	}
	if !strings.HasPrefix(ask.Prefix, keyPrefix) || len(ask.Prefix) != prefixShown {
		return failure(fmt.Errorf("%w: prefix: not the first %d characters of a key", errRequest, prefixShown))
	}
	key, err := ask.newKey()
	if err != nil {
		return failure(err)
	}
	info, err := s.store.add(ctx, ask.KeyHash, ask.Prefix, key)
	if err != nil {
		return s.failed(err)
	}
	s.log.Info("key made", "key_id", info.ID, "user_id", info.UserID, "role", info.Role)
	return keysAnswer{Key: &info}
}

func (s *Service) list(ctx context.Context, data []byte) keysAnswer {
	var ask listRequest
	if len(data) > 0 {
		if err := json.Unmarshal(data, &ask); err != nil {
			return failure(fmt.Errorf("%w: %w", errRequest, err))
		}
	}
	infos, err := s.store.list(ctx, ask.After)
	if err != nil {
		return s.failed(err)
	}
	return keysAnswer{Keys: infos}
}

// revoke stores, tells everyone, and only then answers.
func (s *Service) revoke(ctx context.Context, data []byte) keysAnswer {
	var ask revokeRequest
	if err := json.Unmarshal(data, &ask); err != nil {
		return failure(fmt.Errorf("%w: %w", errRequest, err))
	}
	if err := s.store.Revoke(ctx, ask.ID); err != nil {
		return s.failed(err)
	}
	if err := s.conn.PublishJSON(bus.Revoked, bus.Revocation{KeyID: ask.ID, At: s.store.clock().Unix()}); err != nil {
		return s.failed(err)
	}
	s.log.Info("key revoked", "key_id", ask.ID)
	return keysAnswer{}
}

// failed is failure, logged where it is ours.
func (s *Service) failed(err error) keysAnswer {
	answer := failure(err)
	if answer.Error == codeUnavailable {
		s.log.Error("auth", "err", err)
	}
	return answer
}

// hear takes in what was revoked by anyone, an operator's hand included. It does
// not block. Where a user's does not say when, all nodes are told one time for it.
func (s *Service) hear(m *bus.Msg) {
	var rev bus.Revocation
	var kind string
	err := json.Unmarshal(m.Data, &rev)
	if err == nil {
		kind, _, err = subjectOf(rev)
	}
	if err != nil {
		s.log.Warn("revocation not understood", "subject", m.Subject, "err", err)
		return
	}
	if kind == kindUser && rev.At == 0 {
		rev.At = s.store.clock().Unix()
		if err := s.conn.PublishJSON(bus.Revoked, rev); err != nil {
			s.log.Error("auth", "err", err)
		}
	}
	s.heard.put(rev)
}

// write stores what was heard, and when keys were used, until all requests are
// answered. What cannot be stored now is tried again: it must outlive a restart.
func (s *Service) write(ctx context.Context, answered <-chan struct{}) {
	store := context.WithoutCancel(ctx)
	var unstored []bus.Revocation
	var again <-chan time.Time
	for {
		last := false
		select {
		case <-answered:
			last = true
		case <-s.heard.wake:
		case <-again:
		}
		again = nil
		unstored = append(unstored, s.heard.take()...)
		if len(unstored) > 0 {
			if err := s.store.Record(store, unstored...); err != nil {
				s.log.Error("auth", "err", err, "revocations", len(unstored))
				again = time.After(writeAgain)
			} else {
				unstored = nil
			}
		}
		if err := s.store.WriteUsed(store); err != nil {
			s.log.Warn("auth", "err", err)
		}
		if last {
			return
		}
	}
}
