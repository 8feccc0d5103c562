package nodetest

import (
	"encoding/json"
	"strings"
	"testing"
)

// A KeyInfo is a key as the list tells of it.
type KeyInfo struct {
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

// NewKey makes a key by the command line, and gives it with its id.
func (n *Node) NewKey(tb testing.TB, flags ...string) (key, id string) {
	tb.Helper()
	made := n.Must(tb, append([]string{"key", "create"}, flags...)...)
	key = strings.TrimSuffix(made, "\n")
	if !strings.HasPrefix(key, "tk_") || strings.ContainsAny(key, " \n") {
		tb.Fatalf("a new key is not alone on standard output: %q", made)
	}
	Eventually(tb, "a new key in the list", func() bool { // which another node of a cluster may give
		for _, info := range n.Keys(tb) {
			if strings.HasPrefix(key, info.Prefix) {
				id = info.ID
			}
		}
		return id != ""
	})
	return key, id
}

// Keys is what "tickerd key list" tells.
func (n *Node) Keys(tb testing.TB) (list []KeyInfo) {
	tb.Helper()
	if err := json.Unmarshal([]byte(n.Must(tb, "key", "list", "--json")), &list); err != nil {
		tb.Fatal(err)
	}
	return list
}
