package handler

import (
	"time"
	"unique"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/ticker"
)

// routeWebSocket is what a connection's policy must allow it to connect to, unless it
// came by another route; also to renew its token, which nobody asks for by another.
const routeWebSocket = "/ws/ticker"

// A conn is what a worker knows of a connection that it holds. There are very
// many, and most are alike: what several may have in common they share.
type conn struct {
	who      unique.Handle[holder]
	rules    ticker.HeldRules
	expires  int64  // unix seconds
	join     uint32 // the number of the join by which it is held
	interval uint16 // milliseconds, at most maxIntervalMS
	broken   bool   // one of its messages made us panic: it is being closed
}

// A holder is whose a connection is, at which node, and what it may do.
type holder struct {
	node  string
	user  string // the actor: "user:demo"
	scope *auth.Scope
}

func (c *conn) node() string       { return c.who.Value().node }
func (c *conn) user() string       { return c.who.Value().user }
func (c *conn) scope() *auth.Scope { return c.who.Value().scope }

// says is a with the word by which join c is held.
func (c *conn) says(a answer) answer {
	a.Join = int(c.join)
	return a
}

// decide answers one message of the client.
func (c *conn) decide(h *Handler, data []byte) answer {
	m, bad := parseMessage(data)
	if bad != nil {
		return h.refuse(bad, nil)
	}
	var a answer
	switch m.kind {
	case typePing:
		a = answer{Payload: pong{typePong, m.id, h.Clock().UnixMicro()}}
	case typeSubscribe:
		a, bad = c.subscribe(h, m)
	case typeUnsubscribe:
		a, bad = c.unsubscribe(h, m)
	case typeRefresh:
		a, bad = c.refresh(h, m)
	case "":
		bad = faultf(codeUnknownType, "type is missing or not a string")
	default:
		bad = faultf(codeUnknownType, "unknown type %.40q", m.kind)
	}
	if bad != nil {
		return h.refuse(bad, m.id)
	}
	return a
}

func (c *conn) subscribe(h *Handler, m message) (answer, *fault) {
	patterns, bad := c.patterns(h, m)
	if bad != nil {
		return answer{}, bad
	}
	interval, bad := m.intervalMS()
	if bad != nil {
		return answer{}, bad
	}
	if len(patterns) == 0 && interval == nil {
		return answer{}, faultf(codeBadSymbol, "no symbols")
	}
	rules := c.rules.Rules().Subscribe(patterns...)
	if err := rules.Check(); err != nil {
		return answer{}, &fault{codeBadSymbol, err.Error()}
	}
	c.rules = rules.Hold()
	if interval != nil {
		c.interval = uint16(*interval)
	}
	return answer{
		Payload: subscribed{typeSubscribed, m.id, rules, int64(c.interval)},
		Answer:  bus.Answer{Subscribe: patterns, IntervalMS: interval},
	}, nil
}

func (c *conn) unsubscribe(h *Handler, m message) (answer, *fault) {
	patterns, bad := c.patterns(h, m)
	if bad != nil {
		return answer{}, bad
	}
	if len(patterns) == 0 {
		return answer{}, faultf(codeBadSymbol, "no symbols")
	}
	rules := c.rules.Rules().Unsubscribe(patterns...)
	if err := rules.Check(); err != nil {
		return answer{}, &fault{codeBadSymbol, err.Error()}
	}
	c.rules = rules.Hold()
	return answer{
		Payload: unsubscribed{typeUnsubscribed, m.id, rules},
		Answer:  bus.Answer{Unsubscribe: patterns},
	}, nil
}

// patterns are what a request names: well-formed, allowed, and known, looked at
// in this order. What the client may not see it is not told the existence of. A
// pattern means "of those, all that I may see", now or later, so that none is
// forbidden or unknown.
func (c *conn) patterns(h *Handler, m message) ([]string, *fault) {
	patterns, bad := m.patterns()
	if bad != nil {
		return nil, bad
	}
	var hidden, unknown []string
	for _, p := range patterns {
		switch {
		case ticker.IsPattern(p):
		case !c.scope().Sees(ticker.Symbol(p)):
			hidden = append(hidden, p)
		case !h.catalog.has(ticker.Symbol(p)):
			unknown = append(unknown, p)
		}
	}
	switch {
	case hidden != nil:
		return nil, faultf(codeForbidden, "not allowed to see %q", hidden)
	case unknown != nil:
		return nil, faultf(codeBadSymbol, "unknown symbol %q", unknown)
	}
	return patterns, nil
}

// refresh puts the connection on a newer token. Where that cannot be, it goes on
// with the one it has.
func (c *conn) refresh(h *Handler, m message) (answer, *fault) {
	raw, ok := text(m.token)
	if !ok {
		return answer{}, faultf(codeBadToken, "token is missing or not a string")
	}
	t, err := h.verifier.Verify(raw)
	if err != nil {
		h.log.Debug("refresh refused", "user_id", c.user(), "err", err)
		return answer{}, faultf(codeBadToken, "invalid token")
	}
	scope := h.policies.Scope(t.Role, t.Policies, t.Allowed)
	switch {
	case t.Actor() != c.user():
		return answer{}, faultf(codeBadToken, "token of another user")
	case t.ExpiresAt <= c.expires:
		return answer{}, faultf(codeBadToken, "token does not end later than the present one")
	case !scope.Allows(auth.ActionConnect, routeWebSocket):
		return answer{}, faultf(codeBadToken, "policy of the token does not allow to connect")
	}
	c.who, c.expires = unique.Make(holder{c.node(), c.user(), scope}), t.ExpiresAt
	return answer{
		Payload: refreshed{typeRefreshed, m.id, remaining(t.ExpiresAt, h.Clock())},
		Answer: bus.Answer{Renewal: &bus.Renewal{
			TokenID:   t.ID,
			KeyID:     t.KeyID,
			Role:      t.Role,
			Policies:  t.Policies,
			Allowed:   t.Allowed,
			IssuedAt:  t.IssuedAt,
			ExpiresAt: t.ExpiresAt,
		}},
	}, nil
}

// remaining is the seconds until a token ends.
func remaining(expires int64, now time.Time) int64 { return max(expires-now.Unix(), 0) }
