package auth

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

// nodes are those of a cluster, each with a database, a Service and a Verifier.
type nodes struct {
	*testing.T
	cluster *bustest.Cluster
	list    []*peer
}

// A peer is a node that can be stopped, and started again with what it has kept.
type peer struct {
	*nodes
	i    int
	path string // of its database

	conn     *bus.Conn
	store    *Store
	service  *Service
	verifier *Verifier
	stop     func()
}

func newNodes(t *testing.T, n int) *nodes {
	c := &nodes{T: t, cluster: bustest.NewCluster(t, n)}
	for i := range n {
		p := &peer{nodes: c, i: i, path: filepath.Join(t.TempDir(), "tickerd.db")}
		c.list = append(c.list, p)
		t.Cleanup(func() { p.end() })
	}
	return c
}

// start starts the parts of all nodes, and waits until they are current.
func (c *nodes) start() {
	c.Helper()
	for _, p := range c.list {
		p.begin()
		p.touch(true)
	}
	for _, p := range c.list {
		p.waitCurrent()
	}
}

// begin starts the node's parts; its server runs.
func (p *peer) begin() {
	p.Helper()
	p.store = openOnce(p.T, p.path)
	p.verifier = NewVerifier(NewSigner([]byte(testKey), time.Hour), discard)
	server := p.cluster.Servers[p.i]
	conns := []*bus.Conn{connectOnce(p.T, server), connectOnce(p.T, server), connectOnce(p.T, server)}
	p.conn = conns[0]
	p.service = NewService(ServiceParts{
		Bus: conns[1], Store: p.store, Policies: NewPolicies(Defaults().Policies), Node: server.Node(), Cluster: true,
		Verifier: p.verifier, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- p.service.Run(ctx) }()
	go func() { done <- p.verifier.Run(ctx, conns[2], func([]bus.Revocation) {}) }()
	p.stop = func() {
		cancel()
		err := errors.Join(<-done, <-done)
		for _, c := range conns {
			c.Close()
		}
		if err := errors.Join(err, p.store.Close()); err != nil {
			p.Error(err)
		}
	}
}

// end stops the node's parts, if they run.
func (p *peer) end() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

func (p *peer) touch(in bool) {
	p.service.Touch(in)
	p.verifier.Touch(in)
}

func (p *peer) waitCurrent() {
	p.Helper()
	bustest.Until(p.T, "the node is current", func() bool { return p.service.Current() == nil && p.verifier.Current() == nil })
}

func openOnce(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Defaults(), path, discard)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connectOnce(t *testing.T, s *bus.Server) *bus.Conn {
	t.Helper()
	c, err := s.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// create makes a key by way of this node, through elections.
func (p *peer) create(user string) (Key, Info) {
	p.Helper()
	var key Key
	var info Info
	bustest.Until(p.T, "a key is made", func() (done bool) {
		var err error
		key, info, err = NewRemote(p.conn).Create(p.Context(), NewKey{User: user})
		return err == nil
	})
	return key, info
}

func (p *peer) revoke(id string) {
	p.Helper()
	bustest.Until(p.T, "a key is revoked", func() bool { return NewRemote(p.conn).Revoke(p.Context(), id) == nil })
}

// waitExchange waits until the node's own database says of a key that it is its user's, or,
// for nobody, that it is invalid.
func (p *peer) waitExchange(key Key, user string) {
	p.Helper()
	bustest.Until(p.T, "node has the key as of "+user, func() bool { return p.store.Exchange(context.Background(), key.Hash()).UserID == user })
}

// waitRefused waits until the node's Verifier refuses a token.
func (p *peer) waitRefused(t Token) {
	p.Helper()
	bustest.Until(p.T, "the token is refused", func() bool { return p.verifier.Revoked(t) })
}

// keysOf are the ids of a user's keys in the node's own database.
func (p *peer) keysOf(user string) []string {
	p.Helper()
	list, err := p.store.List(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	var ids []string
	for _, info := range list {
		if info.UserID == user {
			ids = append(ids, info.ID)
		}
	}
	return ids
}

// A key that is made or revoked on one node is so on all, whichever is down; who was down
// is not current before it knows.
func TestKeysInACluster(t *testing.T) {
	t.Parallel()
	c := newNodes(t, 3)
	c.start()
	key, info := c.list[0].create("ann")
	for _, p := range c.list {
		p.waitExchange(key, "ann")
	}
	old, oldInfo := c.list[1].create("bob")

	for gone := range c.list {
		away := c.list[gone]
		other := c.list[(gone+1)%3]
		away.end()
		c.cluster.Stop(gone)
		made, _ := other.create("cat")
		if gone == 0 {
			other.revoke(oldInfo.ID)
		}
		c.cluster.Start(gone)
		away.begin()
		if err := away.service.Current(); !errors.Is(err, ErrUnreachable) {
			t.Errorf("current before it is in touch: %v", err)
		}
		if err := away.verifier.Current(); err == nil {
			t.Error("its verifier is current at the start")
		}
		away.touch(true)
		bustest.Until(t, "the service is current", func() bool { return away.service.Current() == nil })
		if got := away.store.Exchange(t.Context(), made.Hash()); got.UserID != "cat" {
			t.Errorf("node %d is current and does not know the key: %+v", gone, got)
		}
		if got := away.store.Exchange(t.Context(), old.Hash()); got.UserID != "" {
			t.Errorf("node %d is current and does not know of the revocation: %+v", gone, got)
		}
		away.waitCurrent()
		if !away.verifier.Revoked(Token{Grant: &Grant{KeyID: oldInfo.ID}}) {
			t.Errorf("node %d: its verifier is current and does not know of the revocation", gone)
		}
	}
	c.list[2].revoke(info.ID)
	for _, p := range c.list {
		p.waitExchange(key, "")
		p.waitRefused(Token{Grant: &Grant{KeyID: info.ID}})
		if got := p.keysOf("cat"); len(got) < 3 { // a try whose answer was lost may have made one more
			t.Errorf("node %d has %d keys of three", p.i, len(got))
		}
		if p.service.KeySeq() == 0 {
			t.Error("nothing applied")
		}
	}
}

// Without a majority nothing is changed, and nothing will have been.
func TestNoMajority(t *testing.T) {
	t.Parallel()
	c := newNodes(t, 3)
	c.start()
	key, info := c.list[0].create("ann")
	for _, p := range c.list {
		p.waitExchange(key, "ann")
	}
	for _, i := range []int{1, 2} {
		c.list[i].end()
		c.cluster.Stop(i)
	}
	left := c.list[0]
	remote := NewRemote(left.conn)
	if _, _, err := remote.Create(t.Context(), NewKey{User: "bob"}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("create: %v", err)
	}
	left.touch(false)
	if err := left.service.Current(); !errors.Is(err, ErrUnreachable) {
		t.Errorf("current: %v", err)
	}
	if err := left.verifier.Current(); !errors.Is(err, ErrUnreachable) {
		t.Errorf("verifier: %v", err)
	}
	if err := remote.Revoke(t.Context(), info.ID); !errors.Is(err, ErrUnreachable) {
		t.Errorf("revoke: %v", err)
	}
	var who bus.ExchangeResult
	bustest.Until(t, "nobody exchanges keys", func() bool {
		err := left.conn.Request(t.Context(), bus.Exchange, bus.ExchangeRequest{KeyHash: key.Hash()}, &who)
		return errors.Is(err, bus.ErrNoResponders)
	})
	for _, i := range []int{1, 2} {
		c.cluster.Start(i)
		c.list[i].begin()
		c.list[i].touch(true)
	}
	left.touch(true)
	last, _ := left.create("cat")
	for _, p := range c.list {
		p.waitCurrent()
		p.waitExchange(last, "cat") // and so has applied all that was before it
		if got := p.keysOf("bob"); len(got) != 0 {
			t.Errorf("node %d has the keys %v, which could not be made", p.i, got)
		}
		p.waitExchange(key, "ann")
	}
}

// What stands in the journal and was never confirmed to who asked for it is undone.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	c := newNodes(t, 2)
	c.start()
	p, other := c.list[0], c.list[1]
	key, info := p.create("ann")
	other.waitExchange(key, "ann")

	j := p.service.journal
	made := p.store.row(RandomKey().Hash(), "tk_AAAAA", NewKey{User: "bob", Role: RoleUser})
	revoke := withdrawal{ID: "revoke.lost", KeyID: info.ID}
	events := []event{
		{ID: madeBy(made.ID), Key: made.journaled()},
		{ID: revoke.ID, Revocation: &bus.Revocation{KeyID: info.ID, At: time.Now().Unix()}},
	}
	for _, e := range events {
		if _, err := j.insist(t.Context(), e, 0, func() bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	token := Token{Grant: &Grant{KeyID: info.ID}}
	for _, q := range c.list {
		q.waitExchange(key, "")
		q.waitRefused(token)
	}
	for _, w := range []withdrawal{revoke, {ID: madeBy(made.ID), KeyID: made.ID}} {
		if err := p.store.begin(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	p.end() // before it could say how it went
	p.begin()
	p.touch(true)
	p.waitCurrent()
	for _, q := range c.list {
		q.waitExchange(key, "ann")
		bustest.Until(t, "the key that was made is gone", func() bool { return len(q.keysOf("bob")) == 0 })
		bustest.Until(t, "the token counts again", func() bool { return !q.verifier.Revoked(token) })
	}
	// The other order: what comes after its withdrawal has no effect.
	late := withdrawal{ID: "revoke.late", KeyID: info.ID}
	if err := p.store.withdraw(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	p.service.journal.poke()
	bustest.Until(t, "the withdrawal is put", func() bool {
		list, err := p.store.withdrawals(t.Context())
		return err == nil && len(list) == 0
	})
	if _, err := p.service.journal.insist(t.Context(), event{ID: late.ID, Revocation: events[1].Revocation}, 0, func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	last, _ := other.create("cat")
	for _, q := range c.list {
		q.waitExchange(last, "cat")
		q.waitExchange(key, "ann")
	}
}

// What was in the databases before there was a cluster counts in all of it; so do demo
// keys, each node's own, but where they are refused.
func TestDatabasesThatWereAlone(t *testing.T) {
	t.Parallel()
	c := newNodes(t, 2)
	var keys, demos []Key
	revoked := make([]Info, 2)
	for i, p := range c.list {
		s := openOnce(t, p.path)
		key, _, err := s.Create(t.Context(), NewKey{User: "ann"})
		if err == nil {
			_, revoked[i], err = s.Create(t.Context(), NewKey{User: "bob"})
		}
		if err == nil {
			err = s.Revoke(t.Context(), revoked[i].ID)
		}
		if err == nil {
			err = s.Record(t.Context(), bus.Revocation{UserID: "cat"}, bus.Revocation{TokenID: c.cluster.Servers[i].Node()})
		}
		demo := RandomKey()
		if err == nil {
			_, err = s.EnsureDemo(t.Context(), c.cluster.Servers[i].Node(), demo)
		}
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		keys, demos = append(keys, key), append(demos, demo)
	}
	for i, p := range c.list {
		p.begin()
		if i == 0 {
			if _, err := p.store.EnsureDemo(t.Context(), c.cluster.Servers[i].Node(), demos[i]); err != nil {
				t.Fatal(err)
			}
		}
		p.touch(true)
	}
	for _, p := range c.list {
		for i, key := range keys {
			p.waitExchange(key, "ann")
			p.waitRefused(Token{Grant: &Grant{KeyID: revoked[i].ID}})
			p.waitRefused(Token{ID: c.cluster.Servers[i].Node(), Grant: &Grant{}})
		}
		p.waitRefused(Token{IssuedAt: 1, Grant: &Grant{UserID: "cat"}})
		bustest.Until(t, "both demo keys are known", func() bool { return len(p.keysOf(DemoUser)) == 2 })
	}
	admits, refuses := c.list[0], c.list[1]
	for _, demo := range demos {
		admits.waitExchange(demo, DemoUser)
		refuses.waitExchange(demo, "")
	}
	for _, id := range refuses.keysOf(DemoUser) {
		refuses.waitRefused(Token{Grant: &Grant{KeyID: id}})
		if admits.verifier.Revoked(Token{Grant: &Grant{KeyID: id}}) {
			t.Error("refused where it is admitted")
		}
	}
}

// A stream that was lost is filled again from the databases.
func TestLostJournal(t *testing.T) {
	t.Parallel()
	c := newNodes(t, 2)
	c.start()
	key, info := c.list[0].create("ann")
	c.list[1].waitExchange(key, "ann")
	was := c.list[0].service.journal.stream.Load().Created()
	loseJournal(t, c.list[0].conn)
	for _, p := range c.list {
		bustest.Until(t, "there is another stream", func() bool { return !p.service.journal.stream.Load().Created().Equal(was) })
	}
	c.list[1].revoke(info.ID)
	fresh := openStore(t)
	at := position{}
	stream := c.list[0].service.journal.stream.Load()
	bustest.Until(t, "the new stream says it all", func() bool {
		kept, err := stream.From(t.Context(), uint64(at.Seq+1))
		if err != nil {
			return fresh.Exchange(t.Context(), key.Hash()).UserID == "" && len(revocations(t, fresh)) > 0
		}
		e, err := readEvent(kept.Subject, kept.Data)
		if err == nil {
			_, err = fresh.apply(t.Context(), []entry{{e, kept.Seq}})
		}
		if err != nil {
			t.Fatal(err)
		}
		at.Seq = int64(kept.Seq)
		return false
	})
	list, err := fresh.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != info.ID || list[0].RevokedAt == nil {
		t.Errorf("%+v, %v", list, err)
	}
}

// An operator's hand is heard on one node, and by who was cut off.
func TestRevokedByHandInACluster(t *testing.T) {
	t.Parallel()
	c := newNodes(t, 3)
	c.start()
	away := c.list[2]
	away.end()
	c.cluster.Stop(2)
	bustest.Until(t, "it is heard", func() bool {
		if err := c.list[0].conn.Publish(bus.Revoked, []byte(`{"token_id":"lost"}`)); err != nil {
			t.Fatal(err)
		}
		return slices.Contains(revocations(t, c.list[0].store), bus.Revocation{TokenID: "lost"})
	})
	bustest.Until(t, "it is told", func() bool {
		rows, _, err := c.list[0].store.outbox(t.Context(), "node-0")
		return err == nil && len(rows) == 0
	})
	c.cluster.Start(2)
	away.begin()
	away.touch(true)
	away.waitCurrent()
	if !away.verifier.Revoked(Token{ID: "lost", Grant: &Grant{}}) {
		t.Error("current, and does not know what was revoked")
	}
}

// Others of the group that never answer, as one does that stands still, hold nobody up who
// asks a node that does.
func TestNearestNodeFirst(t *testing.T) {
	t.Parallel()
	c := newNodes(t, 2)
	c.start()
	silent := bustest.Connect(t, c.cluster.Servers[0], "silent")
	for _, subject := range append(keySubjects(), bus.Exchange) {
		for range 20 { // most of the group
			if _, err := silent.SubscribeQueue(subject, queue, func(*bus.Msg) {}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := silent.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.list {
		for range 3 {
			key, info := p.create("ann")
			var who bus.ExchangeResult
			if err := p.conn.RequestNear(t.Context(), bus.Exchange, bus.ExchangeRequest{KeyHash: key.Hash()}, &who); err != nil || who.KeyID != info.ID {
				t.Errorf("exchange: %+v, %v", who, err)
			}
			if _, err := NewRemote(p.conn).List(t.Context()); err != nil {
				t.Error(err)
			}
			p.revoke(info.ID)
		}
	}
}

// A node without a database asks the others.
func TestVerifierWithoutADatabase(t *testing.T) {
	t.Parallel()
	c := newNodes(t, 2)
	edge := NewVerifier(NewSigner([]byte(testKey), time.Hour), discard)
	conn := bustest.Connect(t, c.cluster.Servers[0], "edge")
	run(t, func(ctx context.Context) error { return edge.Run(ctx, conn, func([]bus.Revocation) {}) })
	if err := edge.Current(); !errors.Is(err, ErrNotReady) {
		t.Errorf("at first: %v", err)
	}
	c.start()
	<-edge.Ready()
	for range 2 {
		edge.Touch(false)
		if err := edge.Current(); !errors.Is(err, ErrUnreachable) {
			t.Errorf("without touch: %v", err)
		}
		edge.Touch(true)
		bustest.Until(t, "the edge is current", func() bool { return edge.Current() == nil })
	}
	_, info := c.list[1].create("ann")
	c.list[1].revoke(info.ID)
	bustest.Until(t, "the edge knows", func() bool { return edge.Revoked(Token{Grant: &Grant{KeyID: info.ID}}) })
}

// The last use is known on all nodes.
func TestLastUseInACluster(t *testing.T) {
	t.Parallel()
	c := newNodes(t, 2)
	c.start()
	key, _ := c.list[0].create("ann")
	for _, p := range c.list {
		p.waitExchange(key, "ann")
	}
	var who bus.ExchangeResult
	if err := c.list[0].conn.Request(t.Context(), bus.Exchange, bus.ExchangeRequest{KeyHash: key.Hash()}, &who); err != nil {
		t.Fatal(err)
	}
	for _, p := range c.list {
		bustest.Until(t, "the use is known", func() bool {
			list, err := p.store.List(t.Context())
			return err == nil && len(list) == 1 && list[0].LastUsedAt != nil
		})
	}
}
