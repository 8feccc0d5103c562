package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
)

// node is a bus with a Service on a Store, and a Verifier.
type node struct {
	*testing.T
	bus      *bus.Server
	conn     *bus.Conn // of whoever asks
	store    *Store
	verifier *Verifier
	acted    chan bus.Revocation
}

func newNode(t *testing.T) *node {
	n := &node{
		T: t, bus: bustest.New(t), store: openStore(t), acted: make(chan bus.Revocation, 100),
		verifier: NewVerifier(NewSigner([]byte(testKey), time.Hour), discard),
	}
	n.conn = bustest.Connect(t, n.bus, "test")
	n.serve(n.store)
	n.verify(n.verifier)
	return n
}

// run runs f until the test ends.
func run(t testing.TB, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (n *node) serve(s *Store) {
	run(n.T, NewService(ServiceParts{Bus: bustest.Connect(n.T, n.bus, "auth"), Store: s, Policies: NewPolicies(Defaults().Policies), Log: discard}).Run)
}

// verify runs v until it is ready.
func (n *node) verify(v *Verifier) {
	conn := bustest.Connect(n.T, n.bus, "gateway")
	run(n.T, func(ctx context.Context) error {
		return v.Run(ctx, conn, func(revs []bus.Revocation) {
			for _, rev := range revs {
				n.acted <- rev
			}
		})
	})
	<-v.Ready()
}

// token exchanges a key as a gateway does.
func (n *node) token(key Key) (string, Token, error) {
	var who bus.ExchangeResult
	if err := n.conn.Request(n.Context(), bus.Exchange, bus.ExchangeRequest{KeyHash: key.Hash()}, &who); err != nil {
		return "", Token{}, err
	}
	return n.verifier.Sign(who)
}

func (n *node) mustToken(key Key) (string, Token) {
	n.Helper()
	raw, token, err := n.token(key)
	if err != nil {
		n.Fatal(err)
	}
	if _, err := n.verifier.Verify(raw); err != nil {
		n.Fatal(err)
	}
	return raw, token
}

func TestKeyToTokenToRevocation(t *testing.T) {
	n := newNode(t)
	keys := map[string]Keys{"store": n.store, "remote": NewRemote(n.conn)}
	for name, maker := range keys {
		key, info, err := maker.Create(t.Context(), NewKey{User: name, Symbols: []string{"eth-*"}, Expires: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		raw, token := n.mustToken(key)
		want := Token{
			ID: token.ID, IssuedAt: token.IssuedAt, ExpiresAt: min(token.IssuedAt+3600, *info.ExpiresAt),
			Grant: &Grant{KeyID: info.ID, UserID: name, Role: "user", Policies: []string{"user_policy"}, Allowed: []string{"ETH-*"}},
		}
		if !equal(token, want) {
			t.Errorf("%s: token %+v, want %+v", name, token, want)
		}
		for i := range 2 {
			if err := keys["remote"].Revoke(t.Context(), info.ID); err != nil {
				t.Fatal(err)
			}
			if i > 0 {
				break // known already
			}
			if rev := <-n.acted; rev.KeyID != info.ID {
				t.Errorf("%s: acted on %+v", name, rev)
			}
		}
		if _, err := n.verifier.Verify(raw); err != ErrTokenRevoked || !n.verifier.Revoked(token) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := n.token(key); err != ErrKeyInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	lists := make(map[string][]Info)
	for name, lister := range keys {
		list, err := lister.List(t.Context())
		if err != nil || len(list) != 2 || list[0].RevokedAt == nil {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
		lists[name] = list
	}
	if len(n.acted) > 0 {
		t.Errorf("acted on %+v", <-n.acted)
	}
}

func TestRemoteErrors(t *testing.T) {
	n := newNode(t)
	remote := NewRemote(n.conn)
	if err := remote.Revoke(t.Context(), "nothing"); !errors.Is(err, ErrUnknownKey) || !strings.Contains(err.Error(), "nothing") {
		t.Error(err)
	}
	if _, _, err := remote.Create(t.Context(), NewKey{User: "a b"}); !errors.Is(err, ErrKeyRefused) {
		t.Error(err)
	}
	if err := n.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := remote.Create(t.Context(), NewKey{User: "ann"}); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if _, err := remote.List(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if err := remote.Revoke(t.Context(), "nothing"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	lonely := NewRemote(bustest.Connect(t, bustest.New(t), "test"))
	if _, err := lonely.List(t.Context()); !errors.Is(err, bus.ErrNoResponders) {
		t.Error(err)
	}
}

func TestErrorsCrossTheBus(t *testing.T) {
	for _, want := range []error{nil, ErrKeyRefused, ErrUnknownKey, ErrUnavailable, ErrUnreachable} {
		answer := keysAnswer{}
		if want != nil {
			answer = failure(fmt.Errorf("do: %w: why", want))
		}
		if got := answer.err(); !errors.Is(got, want) {
			t.Errorf("%v became %v", want, got)
		}
	}
	if got := failure(fmt.Errorf("%w: user", ErrKeyRefused)).err().Error(); got != "key refused: user" {
		t.Error(got)
	}
	if got := failure(errors.New("disk on fire")); !reflect.DeepEqual(got, keysAnswer{Error: codeUnavailable}) {
		t.Errorf("says too much: %+v", got)
	}
	if err := (keysAnswer{Error: "new"}).err(); err == nil {
		t.Error("an unknown code is no error")
	}
}

// TestRevocationOutlivesAnOutage has one heard while the store cannot write.
func TestRevocationOutlivesAnOutage(t *testing.T) {
	b, path := bustest.New(t), filepath.Join(t.TempDir(), "tickerd.db")
	s := openAt(t, path)
	log, tried := signalLog()
	service := NewService(ServiceParts{Bus: bustest.Connect(t, b, "auth"), Store: s, Policies: NewPolicies(nil), Log: log})
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	run(t, service.Run)
	service.hear(&bus.Msg{Data: []byte(`{"token_id":"t"}`)})
	<-tried
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	for !slices.Contains(revocations(t, s), bus.Revocation{TokenID: "t"}) {
		runtime.Gosched()
	}
}

// signalLog is a log that tells when something was logged.
func signalLog() (*slog.Logger, <-chan struct{}) {
	logged := make(chan struct{}, 100)
	return slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		logged <- struct{}{}
		return len(p), nil
	}), nil)), logged
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestRubbish sends what no part of tickerd would.
func TestRubbish(t *testing.T) {
	n := newNode(t)
	hash := RandomKey().Hash()
	for _, tt := range []struct{ subject, payload, want string }{
		{bus.Exchange, ``, `{"error":"invalid"}`},
		{bus.Exchange, `x`, `{"error":"invalid"}`},
		{bus.Exchange, `[]`, `{"error":"invalid"}`},
		{bus.Exchange, `{"key_hash":5}`, `{"error":"invalid"}`},
		{bus.Exchange, `{}`, `{"error":"invalid"}`},
		{bus.Revocations, ``, `[]`},
		{bus.Revocations, `{}`, `[]`},
		{bus.Revocations, `x`, `"error":"refused"`},
		{bus.KeyCreate, ``, `"error":"refused"`},
		{bus.KeyCreate, `{"user_id":"ann"}`, `key_hash`},
		{bus.KeyCreate, `{"user_id":"ann","key_hash":"` + strings.ToUpper(hash) + `","prefix":"tk_AAAAA"}`, `key_hash`},
		{bus.KeyCreate, `{"user_id":"ann","key_hash":"` + hash + `","prefix":"tk_AAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, `prefix`},
		{bus.KeyCreate, `{"user_id":"a b","key_hash":"` + hash + `","prefix":"tk_AAAAA"}`, `key refused: user \"a b\"`},
		{bus.KeyCreate, `{"user_id":"ann","key_hash":"` + hash + `","prefix":"tk_AAAAA","expires_in":-1}`, `"error":"refused","message":"key refused: expires`},
		{bus.KeyCreate, `{"user_id":"ann","key_hash":"` + hash + `","prefix":"tk_AAAAA","expires_in":9223372036854775807}`, `"error":"refused","message":"key refused: expires`},
		{bus.KeyCreate, `{"user_id":"ann","key_hash":"` + hash + `","prefix":"tk_AAAAA","expires_in":36028797018964028}`, `"error":"refused","message":"key refused: expires`},
		{bus.KeyList, `x`, `"error":"refused"`},
		{bus.KeyList, ``, `{}`},
		{bus.KeyRevoke, ``, `"error":"refused"`},
		{bus.KeyRevoke, `{}`, `"error":"unknown_key"`},
	} {
		if got := n.ask(tt.subject, tt.payload); !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: %s, want %s", tt.subject, tt.payload, got, tt.want)
		}
	}
	for _, payload := range []string{``, `x`, `[]`, `{}`, `{"token_id":5}`, `{"token_id":"a","user_id":"b"}`, `{"user_id":"user:ann"}`} {
		if err := n.conn.Publish(bus.Revoked, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	// What is good is still heard after it.
	n.publish(bus.Revocation{TokenID: "good"})
	if rev := <-n.acted; rev.TokenID != "good" {
		t.Errorf("acted on %+v", rev)
	}
}

func (n *node) ask(subject, payload string) string {
	n.Helper()
	var request, answer json.RawMessage
	if json.Valid([]byte(payload)) {
		request = json.RawMessage(payload)
		if err := n.conn.Request(n.Context(), subject, request, &answer); err != nil {
			n.Fatal(err)
		}
		return string(answer)
	}
	inbox, answers := "test."+bus.NewID(), make(chan *bus.Msg, 1)
	sub, err := n.conn.SubscribeChan(inbox, answers)
	if err != nil {
		n.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := n.conn.Ask(subject, inbox, []byte(payload)); err != nil {
		n.Fatal(err)
	}
	return string((<-answers).Data)
}

func (n *node) publish(rev bus.Revocation) {
	n.Helper()
	if err := n.conn.PublishJSON(bus.Revoked, rev); err != nil {
		n.Fatal(err)
	}
}

// TestRevokedByHand is `nats pub auth.revoked '{"user_id":"ann"}'` and the like:
// it counts at once, after a restart, and on a node that comes later.
func TestRevokedByHand(t *testing.T) {
	n := newNode(t)
	key, info, err := n.store.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"token", "user", "key"} {
		raw, token := n.mustToken(key)
		var rev bus.Revocation
		switch what {
		case "token":
			rev.TokenID = token.ID
		case "user":
			rev.UserID = "ann"
		case "key":
			rev.KeyID = info.ID
		}
		n.publish(rev)
		got := <-n.acted
		if got.At == 0 {
			t.Errorf("%s: acted on %+v, without its time", what, got)
		}
		if _, err := n.verifier.Verify(raw); err != ErrTokenRevoked {
			t.Errorf("%s: %v", what, err)
		}
		if what != "key" {
			n.mustToken(key) // the next one is good, though it is the same second
		}

		n.waitStored(rev)
		later := NewVerifier(NewSigner([]byte(testKey), time.Hour), discard)
		conn := bustest.Connect(t, n.bus, "later")
		run(t, func(ctx context.Context) error { return later.Run(ctx, conn, func([]bus.Revocation) {}) })
		<-later.Ready()
		if _, err := later.Verify(raw); err != ErrTokenRevoked {
			t.Errorf("%s, on a later node: %v", what, err)
		}
		for len(n.acted) > 0 {
			<-n.acted
		}
	}
	if list, err := n.store.List(t.Context()); err != nil || list[0].RevokedAt == nil {
		t.Errorf("%+v, %v", list, err)
	}
}

// waitStored waits until the service has stored rev.
func (n *node) waitStored(rev bus.Revocation) {
	n.Helper()
	for !slices.Contains(revocations(n.T, n.store), rev) {
		if err := n.conn.Flush(n.Context()); err != nil {
			n.Fatal(err)
		}
	}
}

func TestStoreFailureIsUnavailable(t *testing.T) {
	n := newNode(t)
	key, _, err := n.store.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, k := range []Key{key, RandomKey()} {
		if got := n.ask(bus.Exchange, `{"key_hash":"`+k.Hash()+`"}`); got != `{"error":"unavailable"}` {
			t.Error(got)
		}
	}
	if got := n.ask(bus.Revocations, `{}`); got != `{"error":"unavailable"}` {
		t.Error(got)
	}
}

// TestNotReadyBeforeRevocationsAreKnown starts a Verifier before anyone answers.
func TestNotReadyBeforeRevocationsAreKnown(t *testing.T) {
	b := bustest.New(t)
	log, _ := testLog(slog.LevelError)
	v := NewVerifier(NewSigner([]byte(testKey), time.Hour), log)
	raw, token, err := v.Sign(demo())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(raw); err != ErrNotReady {
		t.Error(err)
	}
	conn := bustest.Connect(t, b, "gateway")
	acted := make(chan []bus.Revocation, 1)
	run(t, func(ctx context.Context) error {
		return v.Run(ctx, conn, func(revs []bus.Revocation) { acted <- revs })
	})
	// A node whose store is broken does not make it ready, nor does rubbish.
	broken := make(chan struct{}, 10)
	answers := []any{failure(ErrUnavailable), "rubbish", []bus.Revocation{{TokenID: token.ID, At: time.Now().Unix()}, {}}}
	server := bustest.Connect(t, b, "auth")
	var asked int
	if _, err := server.Subscribe(bus.Revocations, func(m *bus.Msg) {
		broken <- struct{}{}
		asked++
		if err := server.PublishJSON(m.Reply, answers[min(asked, len(answers))-1]); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		<-broken
		if _, err := v.Verify(raw); err != ErrNotReady {
			t.Error(err)
		}
	}
	<-v.Ready()
	if _, err := v.Verify(raw); err != ErrTokenRevoked {
		t.Error(err)
	}
	if revs := <-acted; len(revs) != 1 || revs[0].TokenID != token.ID {
		t.Errorf("acted on %+v", revs)
	}
}

// What comes while something is acted on is acted on at once, and not one by one.
func TestVerifierActsOnManyAtOnce(t *testing.T) {
	n := newNode(t)
	v := NewVerifier(NewSigner([]byte(testKey), time.Hour), discard)
	acted := make(chan []bus.Revocation)
	run(t, func(ctx context.Context) error {
		return v.Run(ctx, n.conn, func(revs []bus.Revocation) { acted <- revs })
	})
	const many = 1000
	for i := range many {
		v.hear(bus.Revocation{TokenID: fmt.Sprint(i)})
	}
	first := <-acted // it may be only what came before the others
	got := len(first)
	if got < many {
		got += len(<-acted)
	}
	if got != many {
		t.Errorf("acted on %d of %d, in two goes", got, many)
	}
}

func TestVerifierReadsAllPages(t *testing.T) {
	b, s := bustest.New(t), openStore(t)
	rows := make([]revocationRow, 2*revocationsPage)
	for i := range rows {
		rows[i] = revocationRow{kindToken, fmt.Sprintf("t%05d", i), time.Now().Unix()}
	}
	if err := s.db.CreateInBatches(rows, 500).Error; err != nil {
		t.Fatal(err)
	}
	run(t, NewService(ServiceParts{Bus: bustest.Connect(t, b, "auth"), Store: s, Policies: NewPolicies(nil), Log: discard}).Run)
	v := NewVerifier(NewSigner([]byte(testKey), time.Hour), discard)
	conn := bustest.Connect(t, b, "gateway")
	run(t, func(ctx context.Context) error { return v.Run(ctx, conn, func([]bus.Revocation) {}) })
	<-v.Ready()
	for _, row := range rows {
		if !v.Revoked(Token{ID: row.ID, Grant: &Grant{}}) {
			t.Fatalf("%s is not revoked", row.ID)
		}
	}
}

// TestKeyRevokedBetweenExchangeAndSignature has the news overtake the signature.
func TestKeyRevokedBetweenExchangeAndSignature(t *testing.T) {
	v := NewVerifier(testSigner(), discard)
	v.revoked.add(bus.Revocation{KeyID: "k1"})
	if raw, _, err := v.Sign(demo()); err != ErrKeyInvalid || raw != "" {
		t.Error(err)
	}
}

func TestSignAfterRevocationOfUser(t *testing.T) {
	v := NewVerifier(testSigner(), discard)
	for _, ahead := range []int64{-5, 0, 3, 1000} { // of our clock
		v.hear(bus.Revocation{UserID: "demo", At: now0 + ahead})
		raw, token, err := v.Sign(demo())
		if err != nil || v.Revoked(token) {
			t.Errorf("%d: %+v, %v", ahead, token, err)
		}
		if _, err := v.signer.Verify(raw); err != nil {
			t.Errorf("%d: %v", ahead, err)
		}
	}
}

// TestServiceEnds gives the last requests and revocations just before the end.
func TestServiceEnds(t *testing.T) {
	b := bustest.New(t)
	path := filepath.Join(t.TempDir(), "tickerd.db")
	s := openAt(t, path)
	key, info, err := s.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	server := bustest.Connect(t, b, "auth")
	done := make(chan error)
	service := NewService(ServiceParts{Bus: server, Store: s, Policies: NewPolicies(nil), Log: discard})
	go func() { done <- service.Run(ctx) }()
	conn := bustest.Connect(t, b, "test")
	var who bus.ExchangeResult
	for who.UserID == "" {
		err := conn.Request(t.Context(), bus.Exchange, bus.ExchangeRequest{KeyHash: key.Hash()}, &who)
		if err != nil && !errors.Is(err, bus.ErrNoResponders) {
			t.Fatal(err)
		}
	}
	service.hear(&bus.Msg{Data: []byte(`{"token_id":"last","at":1700000000}`)})
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := revocations(t, s); !slices.Equal(got, []bus.Revocation{{TokenID: "last"}}) {
		t.Errorf("stored %+v", got)
	}
	list, err := s.List(t.Context())
	if err != nil || list[0].ID != info.ID || list[0].LastUsedAt == nil {
		t.Errorf("%+v, %v", list, err)
	}
	if err := conn.Request(t.Context(), bus.Exchange, bus.ExchangeRequest{}, &who); !errors.Is(err, bus.ErrNoResponders) {
		t.Errorf("after the end: %v", err)
	}
}

// TestExchangeWhileKeysAreMade has the command line at work beside a storm of
// exchanges.
func TestExchangeWhileKeysAreMade(t *testing.T) {
	n := newNode(t)
	key, _, err := n.store.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				if _, _, err := n.token(key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	remote := NewRemote(n.conn)
	for range 20 {
		_, info, err := remote.Create(t.Context(), NewKey{User: "bob"})
		if err == nil {
			err = remote.Revoke(t.Context(), info.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}

func TestPoliciesOfAnExchange(t *testing.T) {
	n := newNode(t)
	for role, want := range map[string][]string{"user": {"user_policy"}, "admin": {"user_policy"}, "other": nil} {
		key, _, err := n.store.Create(t.Context(), NewKey{User: "ann", Role: role})
		if err != nil {
			t.Fatal(err)
		}
		raw, _, err := n.token(key)
		if err != nil {
			t.Fatal(err)
		}
		token, err := n.verifier.Verify(raw)
		if err != nil || token.Role != role || len(token.Policies) != len(want) || len(want) > 0 && !reflect.DeepEqual(token.Policies, want) {
			t.Errorf("%s: %+v, %v", role, token, err)
		}
	}
}

func BenchmarkExchangeOverBus(b *testing.B) {
	server, s := bustest.New(b), openStore(b)
	key, _, err := s.Create(b.Context(), NewKey{User: "ann"})
	if err != nil {
		b.Fatal(err)
	}
	run(b, NewService(ServiceParts{Bus: bustest.Connect(b, server, "auth"), Store: s, Policies: NewPolicies(Defaults().Policies), Log: discard}).Run)
	conn := bustest.Connect(b, server, "gateway")
	exchange := func() error {
		var who bus.ExchangeResult
		return conn.Request(b.Context(), bus.Exchange, bus.ExchangeRequest{KeyHash: key.Hash()}, &who)
	}
	for errors.Is(exchange(), bus.ErrNoResponders) {
		continue // not subscribed yet
	}
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := exchange(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := exchange(); err != nil {
					b.Error(err)
				}
			}
		})
	})
}
