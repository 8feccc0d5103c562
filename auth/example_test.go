package auth_test

import (
	"fmt"
	"time"

	"tickerd/auth"
	"tickerd/bus"
)

// A deny wins over every allow, and the key's own patterns narrow what is left.
func ExamplePolicies() {
	policies := auth.NewPolicies([]auth.Policy{
		{Name: "everything", Effect: auth.Allow, Actions: []string{"*"}, Resources: []string{"*"}, Groups: []string{"user"}},
		{Name: "no_xrp", Effect: auth.Deny, Actions: []string{"read"}, Resources: []string{"XRP-*"}, Groups: []string{"user"}},
	})
	scope := policies.Scope("user", policies.Of("user"), []string{"BTC-*", "XRP-*"})
	fmt.Println(scope.Allows(auth.ActionConnect, "/ws/ticker"))
	fmt.Println(scope.Sees("BTC-USD"), scope.Sees("ETH-USD"), scope.Sees("XRP-USD"))
	fmt.Println(scope.Key())
	// Output:
	// true
	// true false false
	// BTC-*,XRP-*!XRP-*
}

// Whoever has the key makes and checks tokens, without asking anyone.
func ExampleSigner() {
	signer := auth.NewSigner([]byte("0123456789abcdef0123456789abcdef"), time.Hour)
	raw, _, err := signer.Sign(bus.ExchangeResult{KeyID: "nbswy3dpo5xx", UserID: "demo", Role: "user"})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := signer.Verify(raw)
	fmt.Println(token.Actor(), token.Role, time.Duration(token.ExpiresAt-token.IssuedAt)*time.Second, err)
	_, err = signer.Verify(raw[:len(raw)-4])
	fmt.Println(err != nil)
	// Output:
	// user:demo user 1h0m0s <nil>
	// true
}

// A key shows no more than its start, unless it is revealed.
func ExampleKey() {
	key := auth.Key("tk_ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
	fmt.Println(key)
	fmt.Println(key.Reveal())
	// Output:
	// tk_ABCDE…
	// tk_ABCDEFGHIJKLMNOPQRSTUVWXYZ234567
}
