package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"tickerd/bus"
)

// maxToken bounds what Verify looks at.
const maxToken = 16 << 10

// Signer makes and checks tokens with one key, without asking anyone. It is safe
// for concurrent use.
type Signer struct {
	// Clock tells the time. It may be replaced before the first use.
	Clock func() time.Time

	key    []byte
	kid    string
	header string // the first part of our tokens, as it stands there
	ttl    time.Duration
	parser *jwt.Parser
	grants sharing[Grant] // of the tokens that were verified
}

// NewSigner uses key, of at least MinTokenKey bytes, for tokens that live for ttl.
func NewSigner(key []byte, ttl time.Duration) *Signer {
	sum := sha256.Sum256(key)
	s := &Signer{
		Clock: time.Now,
		key:   key,
		kid:   hex.EncodeToString(sum[:8]),
		ttl:   ttl,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithStrictDecoding(),
			jwt.WithoutClaimsValidation(), // claims.token does it, with a leeway on one side only
		),
	}
	if text, err := s.unsigned(Token{Grant: &Grant{}}).SigningString(); err == nil {
		s.header, _, _ = strings.Cut(text, ".")
	}
	return s
}

// KeyID names the key, as the header "kid" of its tokens does.
func (s *Signer) KeyID() string { return s.kid }

// unsigned is t in the library's form.
func (s *Signer) unsigned(t Token) *jwt.Token {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, t.claims())
	token.Header["kid"] = s.kid
	return token
}

// Sign makes a token for the user behind a key. It ends with the key where that
// ends first, and on a full second.
func (s *Signer) Sign(who bus.ExchangeResult) (raw string, t Token, err error) {
	return s.sign(who, time.Time{})
}

// sign is Sign, of a token that is later than after.
func (s *Signer) sign(who bus.ExchangeResult, after time.Time) (string, Token, error) {
	now := s.Clock()
	if who.Error != "" || who.ExpiresAt != 0 && who.ExpiresAt <= now.Unix() {
		return "", Token{}, ErrKeyInvalid
	}
	issued := max(now.Unix(), after.Unix()+1)
	expires := issued + int64(s.ttl/time.Second)
	if who.ExpiresAt != 0 {
		expires = min(expires, who.ExpiresAt)
	}
	t := Token{
		ID:        bus.NewID(),
		IssuedAt:  issued,
		ExpiresAt: expires,
		Grant: &Grant{
			KeyID:    who.KeyID,
			UserID:   who.UserID,
			Role:     who.Role,
			Policies: who.Policies,
			Allowed:  who.Allowed,
		},
	}
	raw, err := s.unsigned(t).SignedString(s.key)
	if err != nil {
		return "", Token{}, fmt.Errorf("sign token: %w", err)
	}
	return raw, t, nil
}

// Verify gives what a token says if it is signed with our key and valid now, or
// else ErrTokenMalformed, ErrTokenSignature, ErrTokenForeign, ErrTokenEarly or
// ErrTokenExpired. Whether it was revoked is for the Verifier to know.
func (s *Signer) Verify(raw string) (Token, error) {
	// The library's base64 passes over line breaks: a token has one spelling.
	if len(raw) > maxToken || strings.ContainsAny(raw, "\r\n") {
		return Token{}, ErrTokenMalformed
	}
	var c claims
	err := s.parse(raw, &c)
	switch {
	case err == nil:
		t, err := c.token(s.Clock())
		if err != nil {
			return Token{}, err
		}
		t.Grant = t.Grant.shared(&s.grants)
		return t, nil
	case errors.Is(err, jwt.ErrTokenMalformed):
		return Token{}, ErrTokenMalformed
	case errors.Is(err, ErrTokenForeign):
		return Token{}, ErrTokenForeign
	default:
		return Token{}, ErrTokenSignature
	}
}

// parse reads what a token claims, and checks its signature. A token with the header
// that ours have is spared the reading of it, which is a third of the cost.
func (s *Signer) parse(raw string, c *claims) error {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || parts[0] == "" || parts[0] != s.header {
		_, err := s.parser.ParseWithClaims(raw, c, s.keyFor)
		return err
	}
	text, err := s.parser.DecodeSegment(parts[1])
	if err != nil || json.Unmarshal(text, c) != nil {
		return jwt.ErrTokenMalformed
	}
	sum, err := s.parser.DecodeSegment(parts[2])
	if err != nil {
		return jwt.ErrTokenMalformed
	}
	return jwt.SigningMethodHS256.Verify(raw[:len(raw)-len(parts[2])-1], sum, s.key)
}

// keyFor refuses the tokens of another key, and those with extensions that must
// be understood: we know of none.
func (s *Signer) keyFor(t *jwt.Token) (any, error) {
	if kid, there := t.Header["kid"]; there && kid != s.kid {
		return nil, ErrTokenForeign
	}
	if _, there := t.Header["crit"]; there {
		return nil, ErrTokenForeign
	}
	return s.key, nil
}
