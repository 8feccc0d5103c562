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
	ID        string // empty in tokens of services that do not say it
	IssuedAt  int64  // unix seconds, 0 when it does not say
	ExpiresAt int64  // unix seconds: from then on it is not good any more
	*Grant           // never nil but in the zero Token
}

// A Grant is what the tokens of one key say alike. Verified ones share it, for
// there may be very many of them: it is not changed.
type Grant struct {
	KeyID    string // empty in tokens of services that do not say it
	UserID   string // "demo"
	Role     string
	Policies []string
	Allowed  []string // the patterns that its key is limited to; none: no limit

	actor string // of those that are shared
}

// shared is the grant that is equal to g, for all who have such a one.
func (g *Grant) shared(grants *sharing[Grant]) *Grant {
	var room [256]byte
	key := appendKey(room[:0], g.KeyID, g.UserID, g.Role)
	key = appendListKey(appendListKey(key, g.Policies), g.Allowed)
	return grants.get(key, func() *Grant {
		g.actor = g.Actor()
		return g
	})
}

// Actor is who the token speaks for: "user:demo".
func (g *Grant) Actor() string {
	if g.actor != "" {
		return g.actor
	}
	return actorPrefix + g.UserID
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
			IssuedAt:  jwt.NewNumericDate(time.Unix(t.IssuedAt, 0)),
			ExpiresAt: jwt.NewNumericDate(time.Unix(t.ExpiresAt, 0)),
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
	t := Token{ID: c.ID, Grant: &Grant{KeyID: c.Key, UserID: user, Role: c.Role, Policies: c.Policies}}
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
		t.IssuedAt = iat
	}
	switch {
	case exp <= now.Unix():
		return ErrTokenExpired
	case exp > now.Unix()+life:
		return ErrTokenMalformed
	}
	t.ExpiresAt = exp
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
