package gateway_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"tickerd/auth"
	"tickerd/bus"
)

// endWithin is how soon the end of a token ends its connection.
const endWithin = time.Second

// A revoked key, user or token closes what stands on it, within a second, and
// nothing else.
func TestRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 2 })
	sign := func(user, key string) (raw, id string) {
		raw = w.signFor(bus.ExchangeResult{KeyID: key, UserID: user, Role: auth.RoleUser})
		token, err := w.verifier.Verify(raw)
		if err != nil {
			t.Fatal(err)
		}
		return raw, token.ID
	}
	w.bothWays(t, func(t *testing.T, w *world, by way) {
		suffix := string(by)
		byKey, _ := sign("ann"+suffix, "k1"+suffix)
		byUser, _ := sign("bob"+suffix, "k2"+suffix)
		byToken, tokenID := sign("cid"+suffix, "k3"+suffix)
		sameKey, _ := sign("cid"+suffix, "k3"+suffix)
		bystander := w.begin(upgrade(sameKey))
		for _, c := range []struct{ raw, revocation string }{
			{byKey, fmt.Sprintf(`{"key_id":%q}`, "k1"+suffix)},
			{byUser, fmt.Sprintf(`{"user_id":%q}`, "bob"+suffix)},
			{byToken, fmt.Sprintf(`{"token_id":%q}`, tokenID)},
		} {
			var clients []*client
			for range 3 {
				client := w.dialBy(by).upgraded(upgrade(c.raw))
				client.welcome()
				client.snapshot()
				clients = append(clients, client)
			}
			began := time.Now()
			w.publish(bus.Revoked, c.revocation)
			for _, client := range clients {
				client.wantEnd(4500, "token or key revoked")
			}
			if took := time.Since(began); took > endWithin {
				t.Errorf("%s: took %v", c.revocation, took)
			}
			wantReply(t, w.ask(by, upgrade(c.raw)), 401, unauthenticated)
		}
		bystander.want(w.tick("BTC-USD=1"))
		bystander.bye()
	})
}

// The command line revokes a key by way of the bus.
func TestKeyRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := auth.NewRemote(w.bus)
	key, info, err := keys.Create(context.Background(), auth.NewKey{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	got := w.ask(first, exchange(key))
	raw := tokenIn(t, got)
	c := w.begin(upgrade(raw))
	if err := keys.Revoke(context.Background(), info.ID); err != nil {
		t.Fatal(err)
	}
	c.wantEnd(4500, "token or key revoked")
	wantReply(t, w.ask(first, exchange(key)), 401, invalidKey)
	wantReply(t, w.ask(first, upgrade(raw)), 401, unauthenticated)
}

// A client that is being written to and does not read is no exception.
func TestRevokedWhileItsSocketIsFull(t *testing.T) {
	t.Parallel()
	w := narrow(t)
	c := w.begin(upgrade(w.sign("ann", auth.RoleUser)))
	witness := w.begin(upgrade(w.demo()))
	for i := range 500 { // a megabyte
		witness.want(w.tick(wide(30, i)...))
	}
	began := time.Now()
	w.publish(bus.Revoked, `{"user_id":"ann"}`)
	w.wantLeave(c.id, 4500, "token or key revoked")
	if took := time.Since(began); took > endWithin+time.Second/2 {
		t.Errorf("took %v", took)
	}
	c.within(w.patience)
	for {
		if _, _, err := c.tryFrame(); err != nil {
			break // torn at the end of what the socket held
		}
	}
	witness.want(w.tick("BTC-USD=1"))
}

// One that no handler has claimed yet is closed all the same.
func TestRevokedBeforeTheClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	c := w.open(upgrade(w.sign("ann", auth.RoleUser)))
	held := hand.take()
	w.publish(bus.Revoked, `{"user_id":"ann"}`)
	if code, _ := c.ended(); code != 4500 {
		t.Errorf("closed with %d", code)
	}
	held.welcome()
	held.wantLeft(4500, "token or key revoked")
}

// A token that was revoked between its handler's look at it and its arrival here
// is no better than one that is revoked later.
func TestRenewalWithARevokedToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	c, held := w.hand().quiet(first)
	raw := w.signFor(bus.ExchangeResult{KeyID: "gone", UserID: "demo", Role: auth.RoleUser})
	token, err := w.verifier.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	w.publish(bus.Revoked, `{"key_id":"gone"}`)
	w.revoked(raw)
	held.answer(`{"payload":"refreshed","renewal":{"token_id":%q,"key_id":"gone","role":"user","policies":["user_policy"],"issued_at":%d,"expires_at":%d}}`,
		token.ID, token.IssuedAt, token.ExpiresAt)
	c.within(endWithin)
	c.wantEnd(4500, "token or key revoked")
}

// After a renewal it is the new token that counts, and the old one no more.
func TestRenewalReplacesTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *options) { o.workers = 0 })
	hand := w.hand()
	c, held := hand.quiet(first)
	raw := w.signFor(bus.ExchangeResult{KeyID: "new", UserID: "demo", Role: auth.RoleUser})
	token, err := w.verifier.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	held.answer(`{"payload":"refreshed","renewal":{"token_id":%q,"key_id":"new","role":"user","policies":["user_policy"],"issued_at":%d,"expires_at":%d}}`,
		token.ID, token.IssuedAt, token.ExpiresAt)
	c.want("refreshed")
	old := w.demo()
	w.publish(bus.Revoked, `{"key_id":"key-demo"}`)
	w.revoked(old)
	held.answer(`{"payload":"still here"}`)
	c.want("still here")
	held.die()
	c.say("hello")
	again := hand.take()
	if again.join.ExpiresAt != token.ExpiresAt || again.join.AuthTime != token.IssuedAt {
		t.Errorf("joined anew with %s", again.raw)
	}
	again.answer(`{}`)
	again.wantMessage("hello")
	w.publish(bus.Revoked, `{"key_id":"new"}`)
	c.wantEnd(4500, "token or key revoked")
}

// Connections may be let in and revoked at the same moment: none stays.
func TestRevokedAtTheDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for round := range 10 {
		user := fmt.Sprintf("user%d", round)
		r := upgrade(w.sign(user, auth.RoleUser))
		var doors sync.WaitGroup
		for range 8 {
			c := w.dial()
			doors.Go(func() {
				c.send(r.String())
				got := c.reply("GET")
				if got.status == 401 {
					return
				}
				client := &client{wire: c}
				if code, _ := client.ended(); code != 4500 {
					t.Errorf("closed with %d", code)
				}
			})
		}
		w.publish(bus.Revoked, fmt.Sprintf(`{"user_id":%q}`, user))
		doors.Wait()
	}
}
