package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// The shape of a key: a secret scanner finds it by tk_[A-Z2-7]{32}.
const (
	keyPrefix   = "tk_"
	keySecret   = 32 // characters of 5 bits
	prefixShown = len(keyPrefix) + 5
)

// Key is an API key: "tk_" and 160 random bits in base32. Printed, logged or
// encoded it shows no more than its first characters; only Reveal gives it away.
type Key string

// RandomKey makes a key.
func RandomKey() Key {
	return Key(keyPrefix + (rand.Text() + rand.Text())[:keySecret])
}

// wellFormed reports whether k can be a key: one that was kept, as in a file, may
// be anything. A key that a client sent is not asked: a malformed one is just
// unknown.
func (k Key) wellFormed() bool {
	secret, ok := strings.CutPrefix(string(k), keyPrefix)
	return ok && len(secret) == keySecret && strings.Trim(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// Hash is what the key is stored and asked for by: its SHA-256, hexadecimal.
func (k Key) Hash() string {
	sum := sha256.Sum256([]byte(k))
	return hex.EncodeToString(sum[:])
}

// Prefix is the start of the key, by which its owner knows it again: "tk_ABCDE".
func (k Key) Prefix() string {
	if !k.wellFormed() {
		return ""
	}
	return string(k[:prefixShown])
}

// Reveal is the key itself.
func (k Key) Reveal() string { return string(k) }

// String is the key's prefix: "tk_ABCDE…".
func (k Key) String() string { return k.Prefix() + "…" }

// Format is String for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is String.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText is String.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
