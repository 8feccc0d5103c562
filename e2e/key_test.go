package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A keyInfo is a key as the list tells of it.
type keyInfo struct {
	ID         string   `json:"id"`
	Prefix     string   `json:"prefix"`
	UserID     string   `json:"user_id"`
	Role       string   `json:"role"`
	Symbols    []string `json:"symbols"`
	CreatedAt  int64    `json:"created_at"`
	ExpiresAt  *int64   `json:"expires_at"`
	RevokedAt  *int64   `json:"revoked_at"`
	LastUsedAt *int64   `json:"last_used_at"`
}

// newKey makes a key by the command line, and gives it with its id.
func (n *node) newKey(tb testing.TB, flags ...string) (key, id string) {
	tb.Helper()
	made := n.must(tb, append([]string{"key", "create"}, flags...)...)
	key = strings.TrimSuffix(made, "\n")
	if !strings.HasPrefix(key, "tk_") || strings.ContainsAny(key, " \n") {
		tb.Fatalf("a new key is not alone on standard output: %q", made)
	}
	for _, info := range n.keys(tb) {
		if strings.HasPrefix(key, info.Prefix) {
			return key, info.ID
		}
	}
	tb.Fatal("a new key is not in the list")
	return "", ""
}

// keys is what "tickerd key list" tells.
func (n *node) keys(tb testing.TB) (list []keyInfo) {
	tb.Helper()
	if err := json.Unmarshal([]byte(n.must(tb, "key", "list", "--json")), &list); err != nil {
		tb.Fatal(err)
	}
	return list
}

// TestKeys makes and revokes a key beside the running server, also where it has no
// port for NATS clients.
func TestKeys(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"bus with a port":    nil,
		"bus without a port": {"bus.listen="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testKeys(t, start(t, settings...))
		})
	}
}

func testKeys(t *testing.T, n *node) {
	key, id := n.newKey(t, "--user", "ann", "--symbols", "BTC-*", "--expires", "720h")
	token := n.token(t, key)
	c := n.dial(t, token, "")
	if welcome, snapshot := c.greeting(); welcome.UserID != "user:ann" || !slices.Equal(named(snapshot), []string{"BTC-USD"}) {
		t.Errorf("the stream of a key for BTC-* begins with %s and %s", welcome.raw, snapshot.raw)
	}
	other := n.dial(t, n.token(t, n.key), "")
	other.greeting()

	n.must(t, "key", "revoke", id)
	revoked := time.Now()
	if code := c.end(); code != 4500 {
		t.Errorf("the connection of a revoked key closes with %d", code)
	}
	if took := time.Since(revoked); took > time.Second {
		t.Errorf("the connection of a revoked key is closed after %v", took)
	}
	n.refuses(t, key, token)
	other.until("a tick of another key", func(m message) bool { return m.TS > revoked.UnixMicro() })

	i := slices.IndexFunc(n.keys(t), func(k keyInfo) bool { return k.ID == id })
	if i < 0 {
		t.Fatal("a revoked key is not in the list")
	}
	info := n.keys(t)[i]
	if info.UserID != "ann" || info.Role != "user" || !slices.Equal(info.Symbols, []string{"BTC-*"}) ||
		info.ExpiresAt == nil || *info.ExpiresAt-info.CreatedAt != 720*3600 || info.RevokedAt == nil || info.LastUsedAt == nil {
		t.Errorf("a used and revoked key is listed as %+v", info)
	}
	if r := n.run(t, "key", "revoke", "nothing"); r.status != 1 || r.stderr == "" {
		t.Errorf("revoking an unknown key: %+v", r)
	}
	secrets := []string{key, token}
	for _, file := range []string{"token.key", "operator.password"} {
		kept, err := os.ReadFile(filepath.Join(n.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, strings.TrimSpace(string(kept)))
	}
	for _, secret := range secrets {
		if strings.Contains(n.logged(), secret) {
			t.Error("the log has a secret")
		}
	}
}

// refuses checks that a key and a token of it are good for nothing.
func (n *node) refuses(t *testing.T, key, token string) {
	t.Helper()
	if status, g := n.exchange(t, key); status != http.StatusUnauthorized || g.Error != "invalid API key" {
		t.Errorf("a revoked key: status %d, %q", status, g.Error)
	}
	c, status, reason := n.upgrade(t, token, "")
	if c != nil || status != http.StatusUnauthorized || reason != "authentication required" {
		t.Errorf("the token of a revoked key: status %d, %q", status, reason)
	}
}

// TestKeyRevokedWhileDown revokes a key and the demo key while no server runs.
func TestKeyRevokedWhileDown(t *testing.T) {
	t.Parallel()
	n := start(t)
	kept, _ := n.newKey(t, "--user", "ann")
	key, id := n.newKey(t, "--user", "ann")
	token, keptToken := n.token(t, key), n.token(t, kept)
	demo := n.keys(t)[slices.IndexFunc(n.keys(t), func(k keyInfo) bool { return k.UserID == "demo" })]
	n.stop(t)

	n.must(t, "key", "revoke", id)
	n.must(t, "key", "revoke", demo.ID)
	offline, _ := n.newKey(t, "--user", "bob")
	if r := n.run(t, "key", "revoke", "nothing"); r.status != 1 || r.stderr == "" {
		t.Errorf("revoking an unknown key: %+v", r)
	}

	n = startOn(t, n.dir)
	n.refuses(t, key, token)
	if n.key != "" {
		t.Error("the log tells a demo key that is revoked")
	}
	n.token(t, offline)
	n.dial(t, keptToken, "").greeting()
	n.dial(t, n.token(t, kept), "").greeting()
}
