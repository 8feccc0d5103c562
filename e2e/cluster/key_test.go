package cluster_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"tickerd/e2e/nodetest"
)

// promptly is how soon what is made or revoked on one node counts on all: 1 s, and more
// where the machine is busy. What it took is logged.
const promptly = 5 * time.Second

// TestKeys makes a key on one node and revokes it on another, while a third is down. It
// counts on all that run, and on the third from its first moment.
func TestKeys(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	first, second, third := f.berths[0], f.berths[1], f.berths[2]
	f.kill(third)

	key, id := first.NewKey(t, "--user", "ann")
	made := time.Now()
	var token string
	eventually(t, "the key counts on the other node", func() bool {
		status, g := second.Exchange(t, key)
		token = g.Token
		return status == http.StatusOK
	}, nil)
	within(t, "a key that was made counts on another node", made)

	var clients []*nodetest.Client
	for _, b := range f.others() {
		c := b.Dial(t, token, "")
		c.Greeting()
		clients = append(clients, c)
	}
	second.Must(t, "key", "revoke", id)
	revoked := time.Now()
	for _, c := range clients {
		if code := c.End(); code != 4500 {
			t.Errorf("the connection of a revoked key is closed with %d", code)
		}
	}
	within(t, "the connections of a revoked key are closed on all nodes", revoked)
	for _, b := range f.others() {
		eventually(t, "the key is refused", func() bool { status, _ := b.Exchange(t, key); return status == http.StatusUnauthorized }, nil)
		checkRefused(t, b, key, token)
	}

	f.begin(third)
	eventually(t, "the node that was down is ready", func() bool {
		checkNotAdmitted(t, third, key, token)
		return third.Unready(t) == ""
	}, nil)
	checkRefused(t, third, key, token)
	fresh, _ := third.NewKey(t, "--user", "ann")
	eventually(t, "a key that the third node made counts on the first", func() bool {
		status, _ := first.Exchange(t, fresh)
		return status == http.StatusOK
	}, nil)
}

// within logs how long something took, and fails the test where it was too long.
func within(t *testing.T, what string, since time.Time) {
	t.Helper()
	took := time.Since(since)
	t.Logf("%s within %v", what, took.Round(time.Millisecond))
	if took > promptly {
		t.Errorf("%s only after %v", what, took)
	}
}

// checkRefused checks that a revoked key and its token are refused as such.
func checkRefused(t *testing.T, b *berth, key, token string) {
	t.Helper()
	if status, g := b.Exchange(t, key); status != http.StatusUnauthorized {
		t.Errorf("%s answers a revoked key with status %d, %q", b.name, status, g.Error)
	}
	if c, status, reason := b.Upgrade(t, token, ""); c != nil || status != http.StatusUnauthorized {
		t.Errorf("%s answers a revoked token with status %d, %q", b.name, status, reason)
	}
}

// checkNotAdmitted checks that a revoked key and its token are refused, for whatever
// reason.
func checkNotAdmitted(t *testing.T, b *berth, key, token string) {
	t.Helper()
	if status, _ := b.Exchange(t, key); status == http.StatusOK {
		t.Errorf("%s takes a revoked key", b.name)
	}
	if c, _, _ := b.Upgrade(t, token, ""); c != nil {
		t.Errorf("%s takes a revoked token", b.name)
	}
}

// TestKeysWithoutMajority asks for changes of keys that cannot be confirmed. They fail, and
// have changed nothing when the others are back.
func TestKeysWithoutMajority(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3)
	lonely := f.berths[0]
	key, id := lonely.NewKey(t, "--user", "ann")
	for _, b := range f.others(lonely) {
		f.kill(b)
	}
	if r := lonely.Run(t, "key", "create", "--user", "bob"); r.Status != 1 || r.Stdout != "" || r.Stderr == "" {
		t.Errorf("a key is made that nobody else knows of: %+v", r)
	}
	if r := lonely.Run(t, "key", "revoke", id); r.Status != 1 || r.Stderr == "" {
		t.Errorf("a key is revoked, of which nobody else knows: %+v", r)
	}
	f.launch()
	for _, b := range f.berths {
		eventually(t, "the key counts on "+b.name, func() bool { status, _ := b.Exchange(t, key); return status == http.StatusOK }, nil)
		if slices.ContainsFunc(b.Keys(t), func(k nodetest.KeyInfo) bool { return k.UserID == "bob" }) {
			t.Errorf("%s has the key that could not be made", b.name)
		}
	}
}

// TestExpiry lets tokens end. Their connections are closed on every node.
func TestExpiry(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, "auth.token_ttl=3s")
	token := f.token()
	ends := time.Now().Add(3 * time.Second)
	var clients []*nodetest.Client
	for _, b := range f.berths {
		clients = append(clients, b.Dial(t, token, ""))
	}
	for _, c := range clients {
		if code := c.End(); code != 4001 {
			t.Errorf("a token ends, and the connection with %d", code)
		}
	}
	within(t, "the connections of a token that has ended are closed", ends)
}

// TestLimit has the connections of a user count on all nodes together.
func TestLimit(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, "gateway.max_connections_per_user=3")
	token := f.token()
	var clients []*nodetest.Client
	for _, b := range f.berths {
		c := b.Dial(t, token, "")
		c.Greeting()
		clients = append(clients, c)
	}
	for _, b := range f.berths {
		eventually(t, b.name+" knows of the connections on the others", func() bool {
			c, status, _ := b.Upgrade(t, token, "")
			if c != nil {
				c.Bye()
			}
			return status == http.StatusTooManyRequests
		}, nil)
	}
	clients[0].Bye()
	eventually(t, "there is room again", func() bool {
		c, status, _ := f.berths[2].Upgrade(t, token, "")
		return c != nil && status == http.StatusSwitchingProtocols
	}, nil)
	f.kill(f.berths[1])
	eventually(t, "the connections of a node that is gone count no more", func() bool {
		c, _, _ := f.berths[0].Upgrade(t, token, "")
		return c != nil
	}, nil)
}
