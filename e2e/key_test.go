package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
)

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
			testKeys(t, nodetest.Start(t, settings...))
		})
	}
}

func testKeys(t *testing.T, n *nodetest.Node) {
	key, id := n.NewKey(t, "--user", "ann", "--symbols", "BTC-*", "--expires", "720h")
	token := n.Token(t, key)
	c := n.Dial(t, token, "")
	if welcome, snapshot := c.Greeting(); welcome.UserID != "user:ann" || !slices.Equal(named(snapshot), []string{"BTC-USD"}) {
		t.Errorf("the stream of a key for BTC-* begins with %s and %s", welcome.Raw, snapshot.Raw)
	}
	other := n.Dial(t, n.Token(t, n.Key), "")
	other.Greeting()

	n.Must(t, "key", "revoke", id)
	revoked := time.Now()
	if code := c.End(); code != 4500 {
		t.Errorf("the connection of a revoked key closes with %d", code)
	}
	if took := time.Since(revoked); took > time.Second {
		t.Errorf("the connection of a revoked key is closed after %v", took)
	}
	checkRefused(t, n, key, token)
	other.Until("a tick of another key", func(m nodetest.Message) bool { return m.TS > revoked.UnixMicro() })

	i := slices.IndexFunc(n.Keys(t), func(k nodetest.KeyInfo) bool { return k.ID == id })
	if i < 0 {
		t.Fatal("a revoked key is not in the list")
	}
	info := n.Keys(t)[i]
	if info.UserID != "ann" || info.Role != "user" || !slices.Equal(info.Symbols, []string{"BTC-*"}) ||
		info.ExpiresAt == nil || *info.ExpiresAt-info.CreatedAt != 720*3600 || info.RevokedAt == nil || info.LastUsedAt == nil {
		t.Errorf("a used and revoked key is listed as %+v", info)
	}
	if r := n.Run(t, "key", "revoke", "nothing"); r.Status != 1 || r.Stderr == "" {
		t.Errorf("revoking an unknown key: %+v", r)
	}
	secrets := []string{key, token}
	for _, file := range []string{"token.key", "operator.password"} {
		kept, err := os.ReadFile(filepath.Join(n.Dir, file))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, strings.TrimSpace(string(kept)))
	}
	for _, secret := range secrets {
		if strings.Contains(n.Logged(), secret) {
			t.Error("the log has a secret")
		}
	}
}

// checkRefused checks that a key and a token of it are good for nothing.
func checkRefused(t *testing.T, n *nodetest.Node, key, token string) {
	t.Helper()
	if status, g := n.Exchange(t, key); status != http.StatusUnauthorized || g.Error != "invalid API key" {
		t.Errorf("a revoked key: status %d, %q", status, g.Error)
	}
	c, status, reason := n.Upgrade(t, token, "")
	if c != nil || status != http.StatusUnauthorized || reason != "authentication required" {
		t.Errorf("the token of a revoked key: status %d, %q", status, reason)
	}
}

// TestKeyRevokedWhileDown revokes a key and the demo key while no server runs.
func TestKeyRevokedWhileDown(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	kept, _ := n.NewKey(t, "--user", "ann")
	key, id := n.NewKey(t, "--user", "ann")
	token, keptToken := n.Token(t, key), n.Token(t, kept)
	demo := n.Keys(t)[slices.IndexFunc(n.Keys(t), func(k nodetest.KeyInfo) bool { return k.UserID == "demo" })]
	n.Stop(t)

	n.Must(t, "key", "revoke", id)
	n.Must(t, "key", "revoke", demo.ID)
	offline, _ := n.NewKey(t, "--user", "bob")
	if r := n.Run(t, "key", "revoke", "nothing"); r.Status != 1 || r.Stderr == "" {
		t.Errorf("revoking an unknown key: %+v", r)
	}

	n = nodetest.StartOn(t, n.Dir)
	checkRefused(t, n, key, token)
	if n.Key != "" {
		t.Error("the log tells a demo key that is revoked")
	}
	n.Token(t, offline)
	n.Dial(t, keptToken, "").Greeting()
	n.Dial(t, n.Token(t, kept), "").Greeting()
}
