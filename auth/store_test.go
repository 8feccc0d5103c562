package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"encoding/json"

	"tickerd/bus"
)

var invalid = bus.ExchangeResult{Error: bus.ExchangeInvalid}

// storeTests are those that every database must pass.
func storeTests() map[string]func(*testing.T, *Store) {
	return map[string]func(*testing.T, *Store){
		"CreateListExchangeRevoke": testCreateListExchangeRevoke,
		"InfoJSON":                 testInfoJSON,
		"ExchangeRefuses":          testExchangeRefuses,
		"CreateRefuses":            testCreateRefuses,
		"UnlimitedSymbols":         testUnlimitedSymbols,
		"ListInPages":              testListInPages,
		"LastUsedOnceAMinute":      testLastUsedOnceAMinute,
		"DemoKeyRefused":           testDemoKeyRefused,
		"Record":                   testRecord,
		"RevocationsInPages":       testRevocationsInPages,
		"ClosedStoreIsUnavailable": testClosedStoreIsUnavailable,
		"ManyAtOnce":               testManyAtOnce,
	}
}

func TestStore(t *testing.T) {
	for name, test := range storeTests() {
		t.Run(name, func(t *testing.T) { test(t, openStore(t)) })
	}
}

func testCreateListExchangeRevoke(t *testing.T, s *Store) {
	s.clock = at(now0)
	ctx := t.Context()
	key, info, err := s.Create(ctx, NewKey{User: "ann@example.com", Role: "admin", Symbols: []string{"btc-*", "ETH-USD"}, Expires: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	want := Info{
		ID: info.ID, Prefix: key.Prefix(), UserID: "ann@example.com", Role: "admin",
		Symbols: []string{"BTC-*", "ETH-USD"}, CreatedAt: now0, ExpiresAt: new(int64(now0 + 3600)),
	}
	if !reflect.DeepEqual(info, want) || len(info.ID) != idLength {
		t.Errorf("made %+v, want %+v", info, want)
	}
	list, err := s.List(ctx)
	if err != nil || len(list) != 1 || !reflect.DeepEqual(list[0], want) {
		t.Errorf("listed %+v, %v", list, err)
	}
	who := bus.ExchangeResult{KeyID: info.ID, UserID: "ann@example.com", Role: "admin", Allowed: []string{"BTC-*", "ETH-USD"}, ExpiresAt: now0 + 3600}
	if got := s.Exchange(ctx, key.Hash()); !reflect.DeepEqual(got, who) {
		t.Errorf("exchanged %+v, want %+v", got, who)
	}
	for range 2 {
		if err := s.Revoke(ctx, info.ID); err != nil {
			t.Fatal(err)
		}
		s.clock = at(now0 + 10)
	}
	if got := s.Exchange(ctx, key.Hash()); !reflect.DeepEqual(got, invalid) {
		t.Errorf("exchanged %+v after its revocation", got)
	}
	list, err = s.List(ctx)
	if err != nil || *list[0].RevokedAt != now0 {
		t.Errorf("listed %+v, %v", list, err)
	}
}

func testInfoJSON(t *testing.T, s *Store) {
	s.clock = at(now0)
	key, info, err := s.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`{"id":%q,"prefix":%q,"user_id":"ann","role":"user","symbols":["*"],"created_at":1700000000,`+
		`"expires_at":null,"revoked_at":null,"last_used_at":null}`, info.ID, key.Prefix())
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func testExchangeRefuses(t *testing.T, s *Store) {
	s.clock = at(now0)
	ctx := t.Context()
	revoked, info, err := s.Create(ctx, NewKey{User: "ann"})
	if err == nil {
		err = s.Revoke(ctx, info.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	expired, _, err := s.Create(ctx, NewKey{User: "ann", Expires: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Exchange(ctx, expired.Hash()); got.Error != "" {
		t.Errorf("expires in a second: %+v", got)
	}
	s.clock = at(now0 + 1)
	for name, hash := range map[string]string{
		"revoked": revoked.Hash(), "expired": expired.Hash(), "unknown": RandomKey().Hash(),
		"no hash": "", "not a hash": "' OR 1=1 --", "the key": string(revoked),
	} {
		if got := s.Exchange(ctx, hash); !reflect.DeepEqual(got, invalid) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func testCreateRefuses(t *testing.T, s *Store) {
	for _, tt := range []struct {
		k    NewKey
		says string
	}{
		{NewKey{}, `user ""`},
		{NewKey{User: "a b"}, "1 to 64 letters"},
		{NewKey{User: "user:demo"}, `user "user:demo"`},
		{NewKey{User: strings.Repeat("u", 65)}, "1 to 64 letters"},
		{NewKey{User: strings.Repeat("ü", 200)}, "…"},
		{NewKey{User: "ann", Role: "a.b"}, `role "a.b"`},
		{NewKey{User: "ann", Role: strings.Repeat("r", 33)}, "1 to 32"},
		{NewKey{User: "ann", Symbols: []string{"BTC-*", "nonsense", "B/C"}}, `["nonsense" "B/C"]`},
		{NewKey{User: "ann", Symbols: []string{""}}, "symbols"},
		{NewKey{User: "ann", Symbols: make([]string, 33)}, "at most 32"},
		{NewKey{User: "ann", Expires: -time.Hour}, "expires -1h"},
		{NewKey{User: "ann", Expires: time.Millisecond}, "whole seconds"},
	} {
		_, _, err := s.Create(t.Context(), tt.k)
		if !errors.Is(err, ErrKeyRefused) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v, want %q", tt.k, err, tt.says)
		}
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 0 || list == nil {
		t.Errorf("listed %+v, %v", list, err)
	}
}

func testUnlimitedSymbols(t *testing.T, s *Store) {
	for _, symbols := range [][]string{nil, {}, {"*"}, {"BTC-*", "*"}} {
		key, info, err := s.Create(t.Context(), NewKey{User: "ann", Symbols: symbols})
		if err != nil || !slices.Equal(info.Symbols, []string{"*"}) {
			t.Errorf("%q: %q, %v", symbols, info.Symbols, err)
		}
		if who := s.Exchange(t.Context(), key.Hash()); who.Allowed != nil || who.Error != "" {
			t.Errorf("%q: %+v", symbols, who)
		}
	}
}

func TestRevokeUnknownKey(t *testing.T) {
	if err := openStore(t).Revoke(t.Context(), "nothing"); !errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
}

func testListInPages(t *testing.T, s *Store) {
	const n = keysPage + 2
	rows := make([]keyRow, n)
	for i := range rows {
		rows[i] = s.row(fmt.Sprint("hash", i), "tk_AAAAA", NewKey{User: fmt.Sprintf("u%04d", i)})
		rows[i].CreatedAt = now0 + int64(i)/3 // several at once
	}
	if err := s.db.CreateInBatches(rows, 500).Error; err != nil {
		t.Fatal(err)
	}
	list, err := s.List(t.Context())
	if err != nil || len(list) != n {
		t.Fatal(len(list), err)
	}
	if !slices.IsSortedFunc(list, func(a, b Info) int { return int(a.CreatedAt - b.CreatedAt) }) {
		t.Error("not in the order of making")
	}
	seen := make(map[string]bool)
	for _, info := range list {
		seen[info.UserID] = true
	}
	if len(seen) != n {
		t.Errorf("%d keys of %d", len(seen), n)
	}
}

func testLastUsedOnceAMinute(t *testing.T, s *Store) {
	ctx := t.Context()
	key, _, err := s.Create(ctx, NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ now, want int64 }{
		{now0, now0}, {now0 + 59, now0}, {now0 + 60, now0 + 60}, {now0 + 61, now0 + 60},
	} {
		s.clock = at(step.now)
		for range 3 {
			if who := s.Exchange(ctx, key.Hash()); who.Error != "" {
				t.Fatal(who)
			}
		}
		if _, err := s.WriteUsed(ctx); err != nil {
			t.Fatal(err)
		}
		list, err := s.List(ctx)
		if err != nil || list[0].LastUsedAt == nil || *list[0].LastUsedAt != step.want {
			t.Errorf("at %d: %+v, %v", step.now, list, err)
		}
	}
}

func TestDemoKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tickerd.db")
	ctx := t.Context()
	first, second := RandomKey(), RandomKey()

	s := openAt(t, path)
	info, err := s.EnsureDemo(ctx, "test", first)
	if err != nil || info.UserID != "demo" || info.Role != "user" || info.Prefix != first.Prefix() {
		t.Fatalf("%+v, %v", info, err)
	}
	again, err := s.EnsureDemo(ctx, "test", first)
	if err != nil || !reflect.DeepEqual(again, info) {
		t.Errorf("the second time %+v, %v", again, err)
	}
	if who := s.Exchange(ctx, first.Hash()); who.UserID != "demo" {
		t.Errorf("%+v", who)
	}
	revoked := bus.Revocation{KeyID: info.ID}
	if got := revocations(t, s); len(got) != 0 {
		t.Errorf("revoked: %+v", got)
	}

	// Where the demo is off, nothing has called EnsureDemo.
	off := openAt(t, path)
	if who := off.Exchange(ctx, first.Hash()); !reflect.DeepEqual(who, invalid) {
		t.Errorf("with the demo off: %+v", who)
	}
	if got := revocations(t, off); !slices.Equal(got, []bus.Revocation{revoked}) {
		t.Errorf("with the demo off, revoked: %+v", got)
	}

	// Another demo key takes the place of the first.
	if _, err := s.EnsureDemo(ctx, "test", second); err != nil {
		t.Fatal(err)
	}
	if who := s.Exchange(ctx, first.Hash()); !reflect.DeepEqual(who, invalid) {
		t.Errorf("the former demo key: %+v", who)
	}
	if who := s.Exchange(ctx, second.Hash()); who.UserID != "demo" {
		t.Errorf("the new demo key: %+v", who)
	}
	if got := revocations(t, s); !slices.Equal(got, []bus.Revocation{revoked}) {
		t.Errorf("revoked: %+v", got)
	}

	// One that was revoked stays so.
	back, err := s.EnsureDemo(ctx, "test", first)
	if err != nil || back.RevokedAt == nil {
		t.Errorf("%+v, %v", back, err)
	}
	if who := s.Exchange(ctx, first.Hash()); !reflect.DeepEqual(who, invalid) {
		t.Errorf("a revoked demo key: %+v", who)
	}
}

// revocations are all of a store's, without their times.
func revocations(t testing.TB, s *Store) []bus.Revocation {
	t.Helper()
	list, err := s.Revocations(t.Context(), bus.Revocation{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if list[i].At == 0 {
			t.Errorf("%+v has no time", list[i])
		}
		list[i].At = 0
	}
	return list
}

func testDemoKeyRefused(t *testing.T, s *Store) {
	if _, err := s.EnsureDemo(t.Context(), "test", "tk_short"); !errors.Is(err, ErrKeyMalformed) {
		t.Error(err)
	}
	key, _, err := s.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.EnsureDemo(t.Context(), "test", key)
	if err == nil || !strings.Contains(err.Error(), "of ann") || strings.Contains(err.Error(), string(key)) {
		t.Error(err)
	}
	if who := s.Exchange(t.Context(), key.Hash()); who.UserID != "ann" {
		t.Errorf("%+v", who)
	}
}

func testRecord(t *testing.T, s *Store) {
	s.clock = at(now0)
	ctx := t.Context()
	key, info, err := s.Create(ctx, NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	record := func(want error, revs ...bus.Revocation) {
		t.Helper()
		if err := s.Record(ctx, revs...); !errors.Is(err, want) {
			t.Errorf("%+v: %v", revs, err)
		}
	}
	for range 2 {
		record(nil, bus.Revocation{KeyID: info.ID}, bus.Revocation{KeyID: "elsewhere"}, bus.Revocation{TokenID: "t"},
			bus.Revocation{UserID: "ann", At: now0 - 5}, bus.Revocation{UserID: "ann", At: now0 - 7},
			bus.Revocation{UserID: "bob"}, bus.Revocation{UserID: "cat", At: now0 * 1000})
	}
	record(ErrRevocation, bus.Revocation{TokenID: "not stored"}, bus.Revocation{})
	record(ErrRevocation, bus.Revocation{TokenID: "a", KeyID: "b"})
	record(ErrRevocation, bus.Revocation{UserID: "user:ann"})
	record(ErrRevocation, bus.Revocation{TokenID: strings.Repeat("x", maxID+1)})

	got, err := s.Revocations(ctx, bus.Revocation{})
	want := []bus.Revocation{
		{KeyID: info.ID, At: now0}, {KeyID: "elsewhere", At: now0}, {TokenID: "t", At: now0},
		{UserID: "ann", At: now0 - 5}, {UserID: "bob", At: now0}, {UserID: "cat", At: now0 + 4},
	}
	slices.SortFunc(want[:2], func(a, b bus.Revocation) int { return strings.Compare(a.KeyID, b.KeyID) })
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if who := s.Exchange(ctx, key.Hash()); !reflect.DeepEqual(who, invalid) {
		t.Errorf("exchanged %+v", who)
	}

	// They are forgotten when no token can be alive that they concern.
	s.clock = at(now0 + int64(remembered/time.Second))
	got, err = s.Revocations(ctx, bus.Revocation{})
	if err != nil || !slices.Equal(got, want[5:]) {
		t.Errorf("a month later %+v, %v", got, err)
	}
	record(nil, bus.Revocation{TokenID: "later"})
	var rows int64
	if err := s.db.Model(&revocationRow{}).Count(&rows).Error; err != nil || rows != 2 {
		t.Errorf("%d rows, %v", rows, err)
	}
	if who := s.Exchange(ctx, key.Hash()); !reflect.DeepEqual(who, invalid) {
		t.Errorf("a month later exchanged %+v", who)
	}
}

func testRevocationsInPages(t *testing.T, s *Store) {
	const n = revocationsPage + 3
	rows := make([]revocationRow, n)
	for i := range rows {
		rows[i] = revocationRow{kindToken, fmt.Sprintf("t%05d", i), time.Now().Unix()}
	}
	rows[n-1] = revocationRow{kindUser, "ann", time.Now().Unix()}
	if err := s.db.CreateInBatches(rows, 500).Error; err != nil {
		t.Fatal(err)
	}
	page, err := s.Revocations(t.Context(), bus.Revocation{})
	if err != nil || len(page) != revocationsPage {
		t.Fatal(len(page), err)
	}
	rest, err := s.Revocations(t.Context(), page[len(page)-1])
	if err != nil || len(rest) != 3 || rest[0].TokenID != "t05000" || rest[2].UserID != "ann" {
		t.Errorf("%+v, %v", rest, err)
	}
}

func TestOpenMigratesOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space, 100% & ?#", "tickerd.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, path)
	key, _, err := s.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	if err := s.db.Raw("SELECT id FROM migrations ORDER BY id").Scan(&ids).Error; err != nil ||
		!slices.Equal(ids, []string{"0001_keys", "0002_revocations", "0003_journal"}) {
		t.Errorf("%q, %v", ids, err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	again := openAt(t, path)
	if who := again.Exchange(t.Context(), key.Hash()); who.UserID != "ann" {
		t.Errorf("%+v", who)
	}
	if err := again.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenMigratesAnOlderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tickerd.db")
	s := openAt(t, path)
	for _, sql := range []string{"DROP TABLE revocations", "DELETE FROM migrations WHERE id = '0002_revocations'"} {
		if err := s.db.Exec(sql).Error; err != nil {
			t.Fatal(err)
		}
	}
	newer := openAt(t, path)
	if err := newer.Record(t.Context(), bus.Revocation{TokenID: "t"}); err != nil {
		t.Error(err)
	}
}

func TestPragmas(t *testing.T) {
	s := openStore(t)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
		var got string
		if err := s.db.Raw("PRAGMA " + pragma).Scan(&got).Error; err != nil || got != want {
			t.Errorf("%s is %s, %v", pragma, got, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newer := filepath.Join(dir, "newer.db")
	if err := openAt(t, newer).db.Exec("INSERT INTO migrations VALUES ('9999_future')").Error; err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ path, says string }{
		"no database":          {file("text.db", strings.Repeat("this is not a database\n", 100)), "not a database"},
		"damaged":              {damaged(t), "the file is damaged: "},
		"newer":                {newer, string(ErrNewerSchema)},
		"no directory":         {filepath.Join(dir, "none", "tickerd.db"), "no such file or directory"},
		"directory for a file": {dir, "not a regular file"},
		"below a file":         {filepath.Join(file("file", ""), "tickerd.db"), "not a directory"},
	}
	if os.Getuid() != 0 { // root may write anywhere
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o500); err != nil {
			t.Fatal(err)
		}
		tests["read-only directory"] = struct{ path, says string }{filepath.Join(locked, "tickerd.db"), "permission denied"}
		tests["read-only file"] = struct{ path, says string }{unwritable(t, 0o400), "readonly"}
		tests["unreadable file"] = struct{ path, says string }{unwritable(t, 0), "no access"}
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := Open(t.Context(), Defaults(), tt.path, discard)
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), tt.path) || strings.Count(err.Error(), tt.path) != 1 || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q and the path once", err, tt.says)
			}
		})
	}
	if _, err := Open(t.Context(), Defaults(), newer, discard); !errors.Is(err, ErrNewerSchema) {
		t.Error(err)
	}
}

// unwritable is a good database with that mode.
func unwritable(t *testing.T, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "unwritable.db")
	s, err := Open(t.Context(), Defaults(), path, discard)
	if err == nil {
		err = errors.Join(s.Close(), os.Chmod(path, mode))
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// damaged is a database that begins well.
func damaged(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "damaged.db")
	s, err := Open(t.Context(), Defaults(), path, discard)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if _, _, err := s.Create(t.Context(), NewKey{User: "ann"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(content)-4096; i++ {
		content[i] ^= 0x55
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "tickerd.db")
	if s, err := Open(ctx, Defaults(), path, discard); err == nil {
		s.Close()
		t.Error("opened")
	} else if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func testClosedStoreIsUnavailable(t *testing.T, s *Store) {
	key, info, err := s.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if who := s.Exchange(t.Context(), key.Hash()); !reflect.DeepEqual(who, bus.ExchangeResult{Error: bus.ExchangeUnavailable}) {
		t.Errorf("exchanged %+v", who)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready")
	}
	if _, _, err := s.Create(t.Context(), NewKey{User: "ann"}); err == nil || errors.Is(err, ErrKeyRefused) {
		t.Error(err)
	}
	if err := s.Revoke(t.Context(), info.ID); err == nil || errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
	if _, err := s.List(t.Context()); err == nil {
		t.Error("listed")
	}
	if _, err := s.Revocations(t.Context(), bus.Revocation{}); err == nil {
		t.Error("listed revocations")
	}
}

// TestFileGone removes and replaces the file of an open store.
func TestFileGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tickerd.db")
	s := openAt(t, path)
	key, info, err := s.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if who := s.Exchange(t.Context(), key.Hash()); who.Error != bus.ExchangeUnavailable {
			t.Errorf("exchanged %+v", who)
		}
		if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
			t.Error(err)
		}
		if err := s.Revoke(t.Context(), info.ID); err == nil {
			t.Error("revoked")
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil { // now there is another
			t.Fatal(err)
		}
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if who := s.Exchange(t.Context(), key.Hash()); who.UserID != "ann" {
		t.Errorf("back again: %+v", who)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoHashInTheLog(t *testing.T) {
	log, text := testLog(slog.LevelDebug)
	s, err := Open(t.Context(), Defaults(), filepath.Join(t.TempDir(), "tickerd.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key, _, err := s.Create(t.Context(), NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	s.Exchange(t.Context(), key.Hash())
	if !strings.Contains(text.String(), "LEFT JOIN keys") {
		t.Error("statements are not logged at debug")
	}
	if strings.Contains(text.String(), key.Hash()) || strings.Contains(text.String(), key.Reveal()) {
		t.Error("the log has a secret", text)
	}
	// A failure is returned, and so not logged.
	if _, err := s.add(t.Context(), key.Hash(), key.Prefix(), NewKey{User: "bob"}); err == nil || strings.Contains(err.Error(), key.Hash()) {
		t.Error(err)
	}
	if strings.Contains(text.String(), "level=ERROR") || strings.Contains(text.String(), "level=WARN") {
		t.Error(text)
	}
}

// TestTwoProcesses has others open the same new file, and make keys in it, while
// this one serves.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tickerd.db")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var keys [3]bytes.Buffer
	var children sync.WaitGroup
	for i := range keys {
		children.Go(func() {
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Env = append(os.Environ(), childEnv+"="+path)
			cmd.Stdout, cmd.Stderr = &keys[i], os.Stderr
			if err := cmd.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	s := openAt(t, path)
	for range 50 {
		key, info, err := s.Create(t.Context(), NewKey{User: "parent"})
		if err != nil {
			t.Fatal(err)
		}
		if who := s.Exchange(t.Context(), key.Hash()); who.UserID != "parent" {
			t.Fatalf("%+v", who)
		}
		if err := s.Revoke(t.Context(), info.ID); err != nil {
			t.Fatal(err)
		}
	}
	children.Wait()
	for i := range keys {
		for key := range strings.FieldsSeq(keys[i].String()) {
			if who := s.Exchange(t.Context(), Key(key).Hash()); who.UserID != "child" {
				t.Errorf("%+v", who)
			}
		}
	}
	if list, err := s.List(t.Context()); err != nil || len(list) != 110 {
		t.Errorf("%d keys, %v", len(list), err)
	}
}

// TestManyAtOnce has the readers and the writers of one store at work together.
func testManyAtOnce(t *testing.T, s *Store) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				key, info, err := s.Create(t.Context(), NewKey{User: "ann"})
				if err != nil {
					t.Error(err)
					return
				}
				if who := s.Exchange(t.Context(), key.Hash()); who.KeyID != info.ID {
					t.Errorf("%+v", who)
				}
				if _, err := s.WriteUsed(t.Context()); err != nil {
					t.Error(err)
				}
				if err := s.Revoke(t.Context(), info.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkExchange(b *testing.B) {
	s := openStore(b)
	ctx := b.Context()
	key, _, err := s.Create(ctx, NewKey{User: "ann"})
	if err != nil {
		b.Fatal(err)
	}
	revoked, info, err := s.Create(ctx, NewKey{User: "ann"})
	if err == nil {
		err = s.Revoke(ctx, info.ID)
	}
	if err != nil {
		b.Fatal(err)
	}
	for name, hash := range map[string]string{"good": key.Hash(), "revoked": revoked.Hash(), "unknown": RandomKey().Hash()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Exchange(ctx, hash)
			}
		})
	}
}
