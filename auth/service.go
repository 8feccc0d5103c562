package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"tickerd/bus"
)

const (
	queue = "auth" // the group of nodes that have a database
	// backlog is how many requests wait; what comes then gets no answer.
	backlog = 4096
	// answerTimeout bounds the work for one request, and changeTimeout that for a change
	// of which a majority of the nodes must know.
	answerTimeout = 10 * time.Second
	changeTimeout = 25 * time.Second
	// changers is how many changes may be waited for at once.
	changers = 8
	// flushTimeout bounds the wait for the bus at the end.
	flushTimeout = 2 * time.Second
	// writeAgain is the pause after a revocation could not be stored.
	writeAgain = time.Second
)

// Service answers for a Store on the bus: exchanges, what was revoked, and the
// command line; and it stores the revocations that it hears of. In a cluster in which
// each node has a database of its own, it keeps this node's in step with the others, and
// answers only while it is.
type Service struct {
	conn     *bus.Conn
	store    *Store
	policies *Policies
	verifier *Verifier
	node     string
	cluster  bool
	journal  *journal // nil where the others need not be told what is in the database
	log      *slog.Logger

	requests chan *bus.Msg // to be answered from the database
	changes  chan *bus.Msg // of keys, which may take their time
	heard    *inbox        // what is to be stored
}

// ServiceParts is what a Service is made of.
type ServiceParts struct {
	Bus      *bus.Conn
	Store    *Store
	Policies *Policies
	Node     string
	// Cluster says that other nodes answer for keys too.
	Cluster bool
	// Verifier is this node's, and learns at once of what others revoked; it may be nil.
	Verifier *Verifier
	Log      *slog.Logger
}

// NewService needs its Run.
func NewService(p ServiceParts) *Service {
	s := &Service{
		conn: p.Bus, store: p.Store, policies: p.Policies, verifier: p.Verifier, node: p.Node, cluster: p.Cluster, log: p.Log,
		requests: make(chan *bus.Msg, backlog), changes: make(chan *bus.Msg, backlog), heard: newInbox(),
	}
	if p.Cluster && !p.Store.shared {
		s.journal = newJournal(p)
	}
	return s
}

// Touch is to be called in a cluster when this node gains or loses touch with the
// majority; at first it has none. It does not block.
func (s *Service) Touch(in bool) {
	if s.journal != nil {
		s.journal.turned(in)
	}
}

// Current is nil while this node answers for keys as the whole cluster would, and else
// ErrUnreachable. It costs next to nothing.
func (s *Service) Current() error {
	if s.journal != nil && !s.journal.touch.isCurrent() {
		return ErrUnreachable
	}
	return nil
}

// KeySeq is how far this node has applied the journal; 0 where there is none.
func (s *Service) KeySeq() uint64 {
	if s.journal == nil {
		return 0
	}
	return s.journal.applied.at()
}

// Run answers until ctx ends; then it answers what is waiting, stores what it has
// heard, and returns.
func (s *Service) Run(ctx context.Context) error {
	subs, err := s.listen()
	if err != nil {
		return fmt.Errorf("auth service: %w", err)
	}
	var workers, writer sync.WaitGroup
	quiet := make(chan struct{})          // closed when no request comes any more
	for range runtime.GOMAXPROCS(0) + 1 { // one of them may wait for the disk
		workers.Go(func() { s.work(ctx, s.requests, quiet) })
	}
	for range changers {
		workers.Go(func() { s.work(ctx, s.changes, quiet) })
	}
	answered := make(chan struct{})
	writer.Go(func() { s.write(ctx, answered) })

	members, err := s.serve(ctx)
	s.unsubscribe(append(subs, members...))
	close(quiet)
	workers.Wait()
	close(answered)
	writer.Wait()
	if err != nil {
		return fmt.Errorf("auth service: %w", err)
	}
	return nil
}

// serve is a member of the group that is asked, while this node is current, until ctx
// ends. It returns the subscriptions that are left. Without touch, where there may be
// nobody else to ask, it is one for the command line too, to say so.
func (s *Service) serve(ctx context.Context) ([]*bus.Subscription, error) {
	if s.journal == nil {
		subs, err := s.join(slices.Concat(storeSubjects(), keySubjects(), s.ownSubjects()))
		if err == nil {
			s.refuseDemos(ctx)
		}
		return subs, err
	}
	var store, keys, own []*bus.Subscription
	s.journal.run(ctx, func() {
		current := s.journal.touch.isCurrent()
		s.member(&store, storeSubjects(), current)
		s.member(&own, s.ownSubjects(), current)
		s.member(&keys, keySubjects(), current || !s.journal.touch.isIn())
	})
	return slices.Concat(store, keys, own), nil
}

// member has subs be there or not.
func (s *Service) member(subs *[]*bus.Subscription, subjects []string, yes bool) {
	switch {
	case yes && *subs == nil:
		var err error
		if *subs, err = s.join(subjects); err != nil {
			s.log.Error("auth", "err", err)
		}
	case !yes && *subs != nil:
		s.unsubscribe(*subs)
		*subs = nil
	}
}

// refuseDemos has this node's Verifier refuse the demo keys where they are not admitted
// here, also those that other nodes put into the database, until ctx ends. (Alone, they
// are among the revocations that it asks for.)
func (s *Service) refuseDemos(ctx context.Context) {
	if !s.cluster || s.verifier == nil {
		<-ctx.Done()
		return
	}
	for {
		demos, err := s.store.refusedDemos(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Error("auth", "err", err)
		}
		s.verifier.hear(demos...)
		if pause(ctx, lookAgain) != nil {
			return
		}
	}
}

// storeSubjects are what gateways ask, keySubjects what the command line does.
func storeSubjects() []string { return []string{bus.Exchange, bus.Revocations} }
func keySubjects() []string   { return []string{bus.KeyCreate, bus.KeyList, bus.KeyRevoke} }

// ownSubjects are where this node's gateway and command line ask this node itself, of
// several.
func (s *Service) ownSubjects() []string {
	if !s.cluster {
		return nil
	}
	var own []string
	for _, subject := range append(keySubjects(), bus.Exchange) {
		own = append(own, bus.At(subject, s.node))
	}
	return own
}

// asked is what a subject asks for, whether of all nodes or of this one.
func (s *Service) asked(subject string) string { return strings.TrimSuffix(subject, "."+s.node) }

// join takes requests.
func (s *Service) join(subjects []string) ([]*bus.Subscription, error) {
	var subs []*bus.Subscription
	for _, subject := range subjects {
		to := s.requests
		if isChange(s.asked(subject)) {
			to = s.changes
		}
		sub, err := s.conn.SubscribeQueueChan(subject, queue, to)
		if err != nil {
			s.unsubscribe(subs)
			return nil, err
		}
		subs = append(subs, sub)
	}
	return subs, nil
}

// isChange reports whether a subject asks for a change of keys.
func isChange(subject string) bool { return subject == bus.KeyCreate || subject == bus.KeyRevoke }

// listen takes what is for every node.
func (s *Service) listen() ([]*bus.Subscription, error) {
	listeners := map[string]func(*bus.Msg){bus.Revoked: s.hear}
	if s.journal != nil {
		listeners[bus.KeysChanged] = func(*bus.Msg) { s.journal.poke() }
		listeners[bus.KeysUsed] = s.hearUsed
	}
	var subs []*bus.Subscription
	for subject, f := range listeners {
		sub, err := s.conn.Subscribe(subject, f)
		if err != nil {
			s.unsubscribe(subs)
			return nil, err
		}
		subs = append(subs, sub)
	}
	return subs, nil
}

// unsubscribe returns when nothing more comes, and what came until then is in
// requests, changes and heard. Errors say that the connection is gone, and that is that.
func (s *Service) unsubscribe(subs []*bus.Subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	for _, sub := range subs {
		_ = sub.Drain()
	}
	_ = s.conn.Flush(ctx)
}

// work answers requests until quiet is closed and none is left.
func (s *Service) work(ctx context.Context, requests <-chan *bus.Msg, quiet <-chan struct{}) {
	for {
		select {
		case m := <-requests:
			s.answer(ctx, m)
			continue
		case <-quiet:
		}
		select {
		case m := <-requests:
			s.answer(ctx, m)
		default:
			return
		}
	}
}

func (s *Service) answer(ctx context.Context, m *bus.Msg) {
	result := s.result(ctx, m)
	if m.Reply == "" {
		return
	}
	if err := s.conn.PublishJSON(m.Reply, result); err != nil {
		s.log.Error("answer", "subject", m.Subject, "err", err)
	}
}

func (s *Service) result(ctx context.Context, m *bus.Msg) any {
	subject, timeout := s.asked(m.Subject), answerTimeout
	if s.journal != nil && isChange(subject) {
		timeout = changeTimeout // and not after the end, for it waits for others
	} else {
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := s.Current(); err != nil { // it came just before this node left the group
		if subject == bus.Exchange {
			return bus.ExchangeResult{Error: bus.ExchangeUnavailable}
		}
		return failure(err)
	}
	switch subject {
	case bus.Exchange:
		return s.exchange(ctx, m.Data)
	case bus.Revocations:
		return s.revocations(ctx, m.Data)
	case bus.KeyCreate:
		return s.create(ctx, m.Data)
	case bus.KeyList:
		return s.list(ctx, m.Data)
	default:
		return s.revoke(ctx, m.Data)
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
	list := s.store.Revocations
	if s.cluster { // which demo keys are refused is each node's own affair
		list = s.store.revocations
	}
	revs, err := list(ctx, last)
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
	if !isHash(ask.KeyHash) {
		return failure(fmt.Errorf("%w: key_hash: not a SHA-256 in lower-case hexadecimal", errRequest))
	}
	if !strings.HasPrefix(ask.Prefix, keyPrefix) || len(ask.Prefix) != prefixShown || !isText(ask.Prefix) {
		return failure(fmt.Errorf("%w: prefix: not the first %d characters of a key", errRequest, prefixShown))
	}
	key, err := ask.newKey()
	if err != nil {
		return failure(err)
	}
	add := s.store.add
	if s.journal != nil {
		add = s.journal.add
	}
	info, err := add(ctx, ask.KeyHash, ask.Prefix, key)
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
	revoke := s.store.Revoke
	if s.journal != nil {
		revoke = s.journal.revoke
	}
	if err := revoke(ctx, ask.ID); err != nil {
		return s.failed(err)
	}
	if err := s.tell(bus.Revocation{KeyID: ask.ID, At: s.store.clock().Unix()}); err != nil {
		return s.failed(err)
	}
	s.log.Info("key revoked", "key_id", ask.ID)
	return keysAnswer{}
}

// tell tells everyone of a revocation that is stored.
func (s *Service) tell(rev bus.Revocation) error {
	data, err := json.Marshal(rev)
	if err != nil {
		return err
	}
	m := &bus.Msg{Subject: bus.Revoked, Data: data, Header: map[string][]string{bus.HeaderStored: {"1"}}}
	return s.conn.PublishMsg(m)
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
	if m.Header.Get(bus.HeaderStored) != "" {
		return
	}
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

// hearUsed takes in when keys were used on another node.
func (s *Service) hearUsed(m *bus.Msg) {
	var used map[string]int64
	if err := json.Unmarshal(m.Data, &used); err != nil {
		s.log.Warn("use of keys not understood", "subject", m.Subject, "err", err)
		return
	}
	s.store.noteUsed(used)
	s.heard.poke()
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
				if s.journal != nil {
					s.journal.poke() // the others are to know of it
				}
			}
		}
		s.writeUsed(store)
		if last {
			return
		}
	}
}

// writeUsed writes when keys were used, and tells the other nodes.
func (s *Service) writeUsed(ctx context.Context) {
	used, err := s.store.WriteUsed(ctx)
	if err == nil && len(used) > 0 && s.journal != nil {
		err = s.conn.PublishJSON(bus.KeysUsed, used)
	}
	if err != nil {
		s.log.Warn("auth", "err", err)
	}
}
