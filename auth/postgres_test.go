package auth

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"tickerd/auth/postgrestest"
	"tickerd/bus"
	"tickerd/bus/bustest"
)

// openShared opens a store in a PostgreSQL database.
func openShared(t testing.TB, address string) *Store {
	t.Helper()
	cfg := Defaults()
	cfg.Database = address
	s, err := Open(t.Context(), cfg, "", discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStoreInPostgres(t *testing.T) {
	server := postgrestest.New(t)
	for name, test := range storeTests() {
		t.Run(name, func(t *testing.T) { test(t, openShared(t, server.Database(t))) })
	}
}

// Nodes that start at once on an empty database make its tables once, and share what is
// in it; each has a demo key of its own.
func TestNodesShareADatabase(t *testing.T) {
	address := postgrestest.New(t).Database(t)
	stores := make([]*Store, 4)
	var starting sync.WaitGroup
	for i := range stores {
		starting.Go(func() { stores[i] = openShared(t, address) })
	}
	starting.Wait()
	if t.Failed() {
		return
	}
	key, info, err := stores[0].Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	demos := []Key{RandomKey(), RandomKey()}
	for i, demo := range demos {
		if _, err := stores[i].EnsureDemo(t.Context(), "node-"+string('0'+rune(i)), demo); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range stores {
		if who := s.Exchange(t.Context(), key.Hash()); who.UserID != "ann" {
			t.Errorf("%d: %+v", i, who)
		}
		for _, demo := range demos {
			if who := s.Exchange(t.Context(), demo.Hash()); (who.UserID == DemoUser) != (i < len(demos)) {
				t.Errorf("%d: the demo key: %+v", i, who)
			}
		}
	}
	if err := stores[3].Revoke(t.Context(), info.ID); err != nil {
		t.Fatal(err)
	}
	if who := stores[0].Exchange(t.Context(), key.Hash()); who.Error != bus.ExchangeInvalid {
		t.Errorf("revoked: %+v", who)
	}
	var posted int64
	if err := stores[0].db.Model(&outboxRow{}).Count(&posted).Error; err != nil || posted != 0 {
		t.Errorf("%d rows for a journal that there is not, %v", posted, err)
	}
}

// An outage is one, and over when it is.
func TestPostgresOutage(t *testing.T) {
	server := postgrestest.New(t)
	s := openShared(t, server.Database(t))
	key, _, err := s.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	server.Stop()
	if who := s.Exchange(t.Context(), key.Hash()); who.Error != bus.ExchangeUnavailable {
		t.Errorf("without the database: %+v", who)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready without the database")
	}
	server.Start()
	bustest.Until(t, "the database is back", func() bool { return s.Exchange(t.Context(), key.Hash()).UserID == "ann" })
}

// A service on a shared database needs no journal, and is current at once.
func TestServiceOnPostgres(t *testing.T) {
	s := openShared(t, postgrestest.New(t).Database(t))
	b := bustest.New(t)
	service := NewService(ServiceParts{Bus: bustest.Connect(t, b, "auth"), Store: s, Policies: NewPolicies(nil), Node: "test", Cluster: true, Log: discard})
	run(t, service.Run)
	v := NewVerifier(NewSigner([]byte(testKey), time.Hour), discard)
	conn := bustest.Connect(t, b, "gateway")
	run(t, func(ctx context.Context) error { return v.Run(ctx, conn, func([]bus.Revocation) {}) })
	<-v.Ready()
	if err := errors.Join(service.Current(), v.Current()); err != nil || service.KeySeq() != 0 {
		t.Error(err)
	}
	_, info, err := NewRemote(conn).Create(t.Context(), NewKey{User: "ann"})
	if err == nil {
		err = NewRemote(conn).Revoke(t.Context(), info.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	bustest.Until(t, "it is revoked", func() bool { return v.Revoked(Token{Grant: &Grant{KeyID: info.ID}}) })
}

// Who cannot reach the database is told where it was looked for, and no secret.
func TestPostgresUnreachable(t *testing.T) {
	const secret = "hunter2hunter2"
	ctx, cancel := context.WithCancel(t.Context())
	var told strings.Builder
	log := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		cancel() // the first try has failed
		return told.Write(p)
	}), nil))
	cfg := Defaults()
	cfg.Database = "postgres://ann:" + secret + "@" + bustest.FreeAddress(t) + "/keys"
	s, err := Open(ctx, cfg, "", log)
	if err == nil {
		s.Close()
		t.Fatal("opened")
	}
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error()+told.String(), secret) {
		t.Errorf("%v\n%s", err, told.String())
	}
	for _, address := range []string{"postgres://ann:" + secret + "@host:port/keys", "postgres://%zz:" + secret + "@host", "postgres://ann:" + secret + "@host/db?sslmode=maybe"} {
		cfg.Database = address
		if _, err := Open(t.Context(), cfg, "", discard); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
