package auth

import (
	"slices"
	"strings"

	"tickerd/ticker"
)

// What a token may be used for.
const (
	ActionConnect = "connect" // resource: a route: "/ws/ticker", "/sse/ticker", "/api/v1/prices"
	ActionRead    = "read"    // resource: a symbol: "BTC-USD"
)

// What a policy does.
const (
	Allow = "allow"
	Deny  = "deny"
)

// A Policy allows or denies whoever has it some actions on some resources. In
// both, * stands for any run of characters.
type Policy struct {
	Name      string   `toml:"name"`
	Effect    string   `toml:"effect"` // Allow or Deny
	Actions   []string `toml:"actions"`
	Resources []string `toml:"resources"` // routes, and patterns of symbols in either case
	Groups    []string `toml:"groups"`    // the roles that have this policy
}

// speaksOf reports whether p decides about action on resource.
func (p *Policy) speaksOf(action, resource string) bool {
	return matchAny(p.Actions, action) && matchAny(p.Resources, resource)
}

// symbols are the patterns of symbols whose reading p decides about.
func (p *Policy) symbols() []string {
	if !matchAny(p.Actions, ActionRead) {
		return nil
	}
	var patterns []string
	for _, r := range p.Resources {
		if !strings.Contains(r, "/") {
			patterns = append(patterns, strings.ToUpper(r))
		}
	}
	return patterns
}

func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ticker.Match(p, name) {
			return true
		}
	}
	return false
}

// Policies are all policies of a node. They never change, and are safe for
// concurrent use.
type Policies struct {
	list   []Policy
	roles  map[string]*Scope // what a role may do with all its policies and no limit
	scopes sharing[Scope]    // of the other tokens
}

// NewPolicies takes a list that Config.Validate found good.
func NewPolicies(list []Policy) *Policies {
	p := &Policies{list: slices.Clone(list), roles: make(map[string]*Scope)}
	groups := make(map[string][]string)
	for _, policy := range list {
		for _, group := range policy.Groups {
			groups[group] = append(groups[group], policy.Name)
		}
	}
	for role, names := range groups {
		p.roles[role] = p.scope(names, nil)
	}
	return p
}

// Of is the names of a role's policies, for its tokens. The caller does not
// change it.
func (p *Policies) Of(role string) []string {
	s := p.roles[role]
	if s == nil {
		return nil
	}
	return s.names
}

// Scope is what one token may do. A token without policies, which another service
// made, has those of its role; a name that no policy has grants nothing. allowed
// are the patterns that the token's key is limited to, in upper case; none: no
// limit.
//
// Tokens with the same policies and limits share one Scope.
func (p *Policies) Scope(role string, policies, allowed []string) *Scope {
	whole := p.roles[role]
	if len(policies) == 0 && whole != nil {
		policies = whole.names
	}
	if whole != nil && len(allowed) == 0 && slices.Equal(policies, whole.names) {
		return whole
	}
	var room [256]byte
	key := appendListKey(appendListKey(room[:0], policies), allowed)
	return p.scopes.get(key, func() *Scope { return p.scope(policies, allowed) })
}

func (p *Policies) scope(names, allowed []string) *Scope {
	var chosen []*Policy
	for i := range p.list {
		if slices.Contains(names, p.list[i].Name) {
			chosen = append(chosen, &p.list[i])
		}
	}
	return newScope(names, chosen, allowed)
}
