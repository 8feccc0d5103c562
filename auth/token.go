package auth

import (
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"tickerd/ticker"
)

const (
	issuer      = "tickerd" // and the audience
	actorPrefix = "user:"

	// leeway is how far another node's clock may be ahead of ours. It is granted to
	// a token's beginning, never to its end.
	leeway = 5 * time.Second
)

// Token is what a verified token says.
type Token struct {
	ID, KeyID string // empty in tokens of services that do not say them
	UserID    string // "demo"
	Role      string
	Policies  []string
	Allowed   []string  // the patterns that its key is limited to; none: no limit
	IssuedAt  time.Time // zero when it does not say
	ExpiresAt time.Time

	grant *grant // nil in a token that was not verified
}

// A grant is what the tokens of one key say alike. They share it, for there may be
// thousands of them.
type grant struct {
	keyID, userID, role, actor string
	policies, allowed          []string
}

// shared is t with the grant that tokens like it have.
func (t Token) shared(grants *sharing[grant]) Token {
	var room [256]byte
	key := appendKey(room[:0], t.KeyID, t.UserID, t.Role)
	key = appendListKey(appendListKey(key, t.Policies), t.Allowed)
	g := grants.get(key, func() *grant {
		return &grant{t.KeyID, t.UserID, t.Role, t.Actor(), t.Policies, t.Allowed}
	})
	t.grant, t.KeyID, t.UserID, t.Role, t.Policies, t.Allowed = g, g.keyID, g.userID, g.role, g.policies, g.allowed
	return t
}

// Actor is who the token speaks for: "user:demo".
func (t Token) Actor() string {
	if t.grant != nil {
		return t.grant.actor
	}
	return actorPrefix + t.UserID
}

// claims is a token on the wire.
type claims struct {
	jwt.RegisteredClaims

	Role     string   `json:"role"`
	Policies []string `json:"policies"`
	Key      string   `json:"key,omitempty"`
	Symbols  []string `json:"symbols,omitempty"`
}

func (t Token) claims() *claims {
	return &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    issuer,
			Subject:   t.Actor(),
			ID:        t.ID,
			IssuedAt:  jwt.NewNumericDate(t.IssuedAt),
			ExpiresAt: jwt.NewNumericDate(t.ExpiresAt),
		},
		Role:     t.Role,
		Policies: append([]string{}, t.Policies...),
		Key:      t.KeyID,
		Symbols:  t.Allowed,
	}
}

// token is what the claims say, if they are good at the time now.
func (c *claims) token(now time.Time) (Token, error) {
	if c.Issuer != issuer || len(c.Audience) > 0 && !slices.Contains(c.Audience, issuer) {
		return Token{}, ErrTokenForeign
	}
	user, ok := strings.CutPrefix(c.Subject, actorPrefix)
	if !ok || !isUser(user) || c.ExpiresAt == nil || c.Role != "" && !isName(c.Role) {
		return Token{}, ErrTokenMalformed
	}
	t := Token{ID: c.ID, KeyID: c.Key, UserID: user, Role: c.Role, Policies: c.Policies}
	if len(c.Symbols) > 0 {
		var err error
		if t.Allowed, err = ticker.ParsePatterns(c.Symbols); err != nil {
			return Token{}, ErrTokenMalformed
		}
	}
	if err := c.times(&t, now); err != nil {
		return Token{}, err
	}
	return t, nil
}

// times checks exp, iat and nbf, and puts them into t. No token lives longer than
// MaxTokenTTL, or its revocation could be forgotten before it has ended.
func (c *claims) times(t *Token, now time.Time) error {
	exp, okExp := unix(c.ExpiresAt)
	iat, okIat := unix(c.IssuedAt)
	nbf, okNbf := unix(c.NotBefore)
	if !okExp || !okIat || !okNbf {
		return ErrTokenMalformed
	}
	latest := now.Add(leeway).Unix()
	if iat > latest || nbf > latest {
		return ErrTokenEarly
	}
	const life = int64(MaxTokenTTL / time.Second)
	if c.IssuedAt != nil {
		exp = min(exp, iat+life)
		t.IssuedAt = time.Unix(iat, 0)
	}
	switch {
	case exp <= now.Unix():
		return ErrTokenExpired
	case exp > now.Unix()+life:
		return ErrTokenMalformed
	}
	t.ExpiresAt = time.Unix(exp, 0)
	return nil
}

// unix is d in seconds, 0 for none. A date before 1970 is not ok, for so the
// library decodes one that is too large.
func unix(d *jwt.NumericDate) (s int64, ok bool) {
	if d == nil {
		return 0, true
	}
	s = d.Unix()
	return s, s >= 0
}
