package auth

import (
	"runtime"
	"testing"

	"tickerd/ticker"
)

// testPolicies have one of every kind.
func testPolicies() *Policies {
	return NewPolicies([]Policy{
		{Name: "all", Effect: Allow, Actions: []string{"*"}, Resources: []string{"*"}, Groups: []string{"user", "admin"}},
		{Name: "btc", Effect: Allow, Actions: []string{"read"}, Resources: []string{"btc-*", "BTC-USD", "*-BTC"}, Groups: []string{"trial"}},
		{Name: "sse", Effect: Allow, Actions: []string{"connect"}, Resources: []string{"/sse/*"}, Groups: []string{"trial"}},
		{Name: "no_xrp", Effect: Deny, Actions: []string{"re*"}, Resources: []string{"xrp-*"}, Groups: []string{"user"}},
		{Name: "no_api", Effect: Deny, Actions: []string{"connect"}, Resources: []string{"/api/*"}, Groups: []string{"user"}},
		{Name: "nothing", Effect: Deny, Actions: []string{"*"}, Resources: []string{"*"}, Groups: []string{"locked"}},
	})
}

func TestScopeAllows(t *testing.T) {
	tests := []struct {
		role              string
		policies, allowed []string
		action, resource  string
		want              bool
	}{
		{"admin", nil, nil, ActionConnect, "/ws/ticker", true},
		{"admin", nil, nil, ActionRead, "XRP-USD", true},
		{"admin", nil, nil, "write", "BTC-USD", true}, // the policy says *
		{"user", nil, nil, ActionConnect, "/ws/ticker", true},
		{"user", nil, nil, ActionConnect, "/api/v1/prices", false}, // denied
		{"user", nil, nil, ActionRead, "BTC-USD", true},
		{"user", nil, nil, ActionRead, "XRP-USD", false}, // denied in lower case
		{"trial", nil, nil, ActionConnect, "/ws/ticker", false},
		{"trial", nil, nil, ActionConnect, "/sse/ticker", true},
		{"trial", nil, nil, ActionRead, "BTC-EUR", true},
		{"trial", nil, nil, ActionRead, "ETH-BTC", true},
		{"trial", nil, nil, ActionRead, "ETH-USD", false},
		{"locked", []string{"all", "nothing"}, nil, ActionRead, "BTC-USD", false},

		// The token's policies count, not those of its role.
		{"user", []string{"all"}, nil, ActionRead, "XRP-USD", true},
		{"admin", []string{"all", "no_xrp"}, nil, ActionRead, "XRP-USD", false},
		{"user", []string{"unknown"}, nil, ActionConnect, "/ws/ticker", false},
		{"user", []string{"unknown", "btc"}, nil, ActionRead, "BTC-USD", true},
		{"", nil, nil, ActionConnect, "/ws/ticker", false},
		{"nobody", nil, nil, ActionRead, "BTC-USD", false},
		{"nobody", []string{"all"}, nil, ActionRead, "BTC-USD", true},

		// The key's patterns narrow the reading, and nothing else.
		{"user", nil, []string{"ETH-*"}, ActionRead, "ETH-USD", true},
		{"user", nil, []string{"ETH-*"}, ActionRead, "BTC-USD", false},
		{"user", nil, []string{"ETH-*", "XRP-*"}, ActionRead, "XRP-USD", false},
		{"user", nil, []string{"ETH-*"}, ActionConnect, "/ws/ticker", true},
	}
	p := testPolicies()
	for _, tt := range tests {
		s := p.Scope(tt.role, tt.policies, tt.allowed)
		if got := s.Allows(tt.action, tt.resource); got != tt.want {
			t.Errorf("role %q, policies %q, allowed %q: %s %s is %v", tt.role, tt.policies, tt.allowed, tt.action, tt.resource, got)
		}
		if tt.action == ActionRead && s.Sees(ticker.Symbol(tt.resource)) != tt.want {
			t.Errorf("role %q, policies %q: Sees %s is %v", tt.role, tt.policies, tt.resource, !tt.want)
		}
	}
}

func TestScopeKey(t *testing.T) {
	tests := []struct {
		role              string
		policies, allowed []string
		want              string
	}{
		{"admin", nil, nil, "*"},
		{"admin", []string{"all", "sse"}, nil, "*"},
		{"user", nil, nil, "*!XRP-*"},
		{"user", []string{"no_xrp", "no_api", "all"}, nil, "*!XRP-*"},
		{"trial", nil, nil, "*-BTC,BTC-*"}, // BTC-USD is within BTC-*
		{"trial", nil, []string{"BTC-USD"}, "*-BTC,BTC-*&BTC-USD"},
		{"admin", nil, []string{"ETH-USD", "BTC-*", "ETH-USD"}, "BTC-*,ETH-USD"},
		{"locked", []string{"all", "nothing"}, nil, "!*"},
		{"nobody", nil, nil, "!*"},
		{"admin", nil, []string{"**", "*"}, "*"},
	}
	p := testPolicies()
	for _, tt := range tests {
		if got := p.Scope(tt.role, tt.policies, tt.allowed).Key(); got != tt.want {
			t.Errorf("role %q, policies %q, allowed %q: key %q, want %q", tt.role, tt.policies, tt.allowed, got, tt.want)
		}
	}
}

func TestWholeRolesShareAScope(t *testing.T) {
	p := testPolicies()
	if a, b := p.Scope("user", nil, nil), p.Scope("user", p.Of("user"), nil); a != b {
		t.Error("a role with all its policies has two scopes")
	}
	if a, b := p.Scope("user", nil, nil), p.Scope("user", nil, []string{"BTC-*"}); a == b {
		t.Error("a limited key has the scope of an unlimited one")
	}
}

func TestEqualTokensShareAScope(t *testing.T) {
	p := testPolicies()
	one := p.Scope("user", []string{"all"}, []string{"BTC-*"})
	for _, other := range []struct{ policies, allowed []string }{
		{[]string{"all"}, []string{"BTC-*", "ETH-*"}},
		{[]string{"all"}, nil},
		{[]string{"all", "BTC-*"}, nil},
		{[]string{"all", "no_api"}, []string{"BTC-*"}},
		{nil, []string{"BTC-*"}},
	} {
		if p.Scope("user", other.policies, other.allowed) == one {
			t.Errorf("policies %q, allowed %q: the scope of another token", other.policies, other.allowed)
		}
	}
	if p.Scope("admin", []string{"all"}, []string{"BTC-*"}) != one {
		t.Error("tokens with the same policies and limits have two scopes")
	}
	runtime.KeepAlive(one)
}

func TestSeesDoesNotAllocate(t *testing.T) {
	s := testPolicies().Scope("user", nil, []string{"ETH-*", "BTC-*"})
	if n := testing.AllocsPerRun(100, func() { s.Sees("BTC-USD") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSees(b *testing.B) {
	p := testPolicies()
	for name, s := range map[string]*Scope{
		"everything": p.Scope("admin", nil, nil),
		"limited":    p.Scope("user", nil, []string{"ETH-*", "BTC-*"}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Sees("BTC-USD")
			}
		})
	}
}

func BenchmarkScope(b *testing.B) {
	p := testPolicies()
	policies := []string{"all", "no_xrp", "no_api"}
	b.ReportAllocs()
	for b.Loop() {
		p.Scope("user", policies, nil)
	}
}
