package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"tickerd/bus"
	"tickerd/ticker"
)

// Config is the table [auth] of the settings.
type Config struct {
	// Database is "sqlite": a file in the data directory; the "postgres://" address of one
	// that nodes share; or "none", for the database of another node, over the bus.
	Database string `toml:"database"`
	// TokenKey signs tokens, by the bytes of the string. Empty: a key is made once
	// and kept in the data directory.
	TokenKey string `toml:"token_key"`
	// TokenTTL is how long a token lives, in whole seconds.
	TokenTTL time.Duration `toml:"token_ttl"`
	// Demo admits the demo key.
	Demo bool `toml:"demo"`
	// FailuresPerMinute and TokensPerMinute bound what one client address may do at
	// /auth/token; 0: no limit. See [Limiter].
	FailuresPerMinute int `toml:"failures_per_minute"`
	TokensPerMinute   int `toml:"tokens_per_minute"`
	// Policies are all that there are: a list here replaces the default.
	Policies []Policy `toml:"policies"`
}

// The bounds of the settings.
const (
	MinTokenKey = 32                  // bytes
	MaxTokenTTL = 30 * 24 * time.Hour // also of tokens that other services make
	maxRate     = 1_000_000           // a minute
)

// Defaults are the settings that nothing overrides.
func Defaults() Config {
	return Config{
		Database:          "sqlite",
		TokenTTL:          time.Hour,
		Demo:              true,
		FailuresPerMinute: 20,
		TokensPerMinute:   600,
		Policies: []Policy{{
			Name:      "user_policy",
			Effect:    Allow,
			Actions:   []string{"*"},
			Resources: []string{"*"},
			Groups:    []string{RoleUser, RoleAdmin},
		}},
	}
}

// Validate names the first key that is wrong, with a [bus.KeyError].
func (c Config) Validate() error {
	if err := c.checkDatabase(); err != nil {
		return err
	}
	switch {
	case c.TokenKey != "" && len(c.TokenKey) < MinTokenKey:
		return keyError("token_key", "%d bytes: at least %d are needed", len(c.TokenKey), MinTokenKey)
	case c.TokenTTL < time.Second || c.TokenTTL > MaxTokenTTL:
		return keyError("token_ttl", "%v: must be from 1s to %v", c.TokenTTL, MaxTokenTTL)
	case c.TokenTTL%time.Second != 0:
		return keyError("token_ttl", "%v: must be whole seconds", c.TokenTTL)
	case c.FailuresPerMinute < 0 || c.FailuresPerMinute > maxRate:
		return keyError("failures_per_minute", "%d: must be from 0 (no limit) to %d", c.FailuresPerMinute, maxRate)
	case c.TokensPerMinute < 0 || c.TokensPerMinute > maxRate:
		return keyError("tokens_per_minute", "%d: must be from 0 (no limit) to %d", c.TokensPerMinute, maxRate)
	}
	return validatePolicies(c.Policies)
}

// The databases, but for those with an address.
const (
	databaseSQLite = "sqlite"
	databaseNone   = "none"
)

// HasDatabase reports whether the node opens a database.
func (c Config) HasDatabase() bool { return c.Database != databaseNone }

// isShared reports whether the database is one for all nodes.
func (c Config) isShared() bool {
	return strings.HasPrefix(c.Database, "postgres://") || strings.HasPrefix(c.Database, "postgresql://")
}

func (c Config) checkDatabase() error {
	switch {
	case c.Database == databaseSQLite || c.Database == databaseNone:
		return nil
	case !c.isShared():
		return keyError("database", `not a database: "sqlite", "none", or an address such as "postgres://user:password@host/name"`)
	}
	return nil
}

func keyError(key, format string, args ...any) error {
	return &bus.KeyError{Key: key, Err: fmt.Errorf(format, args...)}
}

func validatePolicies(list []Policy) error {
	names := make(map[string]bool, len(list))
	for i, p := range list {
		if !isName(p.Name) {
			return keyError("policies", "name %q of number %d: must be %s", p.Name, i+1, nameRule)
		}
		if names[p.Name] {
			return keyError("policies", "%s: there are two of this name", p.Name)
		}
		names[p.Name] = true
		if err := p.validate(); err != nil {
			return keyError("policies", "%s: %w", p.Name, err)
		}
	}
	return nil
}

func (p Policy) validate() error {
	switch {
	case p.Effect != Allow && p.Effect != Deny:
		return fmt.Errorf("effect %q: must be %q or %q", p.Effect, Allow, Deny)
	case len(p.Actions) == 0:
		return errors.New("actions: there are none")
	case len(p.Resources) == 0:
		return errors.New("resources: there are none")
	case len(p.Groups) == 0:
		return errors.New("groups: there are none")
	}
	for _, a := range p.Actions {
		if !ticker.Match(a, ActionConnect) && !ticker.Match(a, ActionRead) {
			return fmt.Errorf("action %q: stands for neither %q nor %q", a, ActionConnect, ActionRead)
		}
	}
	for _, r := range p.Resources {
		if strings.Contains(r, "/") {
			continue // a route
		}
		if _, err := ticker.ParsePattern(r); err != nil {
			return fmt.Errorf("resource %q: neither a route nor a pattern of symbols", r)
		}
	}
	for _, g := range p.Groups {
		if !isName(g) {
			return fmt.Errorf("group %q: must be %s", g, nameRule)
		}
	}
	return nil
}
