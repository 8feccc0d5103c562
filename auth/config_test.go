package auth

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	policy := func(change func(*Policy)) func(*Config) {
		return func(c *Config) {
			p := Policy{Name: "p", Effect: Deny, Actions: []string{"read"}, Resources: []string{"btc-*"}, Groups: []string{"user"}}
			change(&p)
			c.Policies = append(c.Policies, p)
		}
	}
	tests := map[string]struct {
		change func(*Config)
		key    string // empty: it is valid
		says   string
	}{
		"postgres":         {func(c *Config) { c.Database = "postgres://db/tickerd" }, "", ""},
		"no database":      {func(c *Config) { c.Database = "none" }, "", ""},
		"other database":   {func(c *Config) { c.Database = "mysql" }, "database", "sqlite"},
		"short key":        {func(c *Config) { c.TokenKey = strings.Repeat("k", 31) }, "token_key", "31 bytes"},
		"long enough key":  {func(c *Config) { c.TokenKey = strings.Repeat("k", 32) }, "", ""},
		"no ttl":           {func(c *Config) { c.TokenTTL = 0 }, "token_ttl", "from 1s"},
		"negative ttl":     {func(c *Config) { c.TokenTTL = -time.Hour }, "token_ttl", "from 1s"},
		"long ttl":         {func(c *Config) { c.TokenTTL = MaxTokenTTL + time.Second }, "token_ttl", "720h"},
		"broken ttl":       {func(c *Config) { c.TokenTTL = 1500 * time.Millisecond }, "token_ttl", "whole seconds"},
		"failures":         {func(c *Config) { c.FailuresPerMinute = -1 }, "failures_per_minute", "-1"},
		"no limits":        {func(c *Config) { c.FailuresPerMinute, c.TokensPerMinute = 0, 0 }, "", ""},
		"tokens":           {func(c *Config) { c.TokensPerMinute = maxRate + 1 }, "tokens_per_minute", "1000001"},
		"good policy":      {policy(func(*Policy) {}), "", ""},
		"no policies":      {func(c *Config) { c.Policies = nil }, "", ""},
		"no name":          {policy(func(p *Policy) { p.Name = "" }), "policies", "number 2"},
		"bad name":         {policy(func(p *Policy) { p.Name = "a b" }), "policies", `"a b"`},
		"long name":        {policy(func(p *Policy) { p.Name = strings.Repeat("n", 33) }), "policies", "1 to 32"},
		"two of a name":    {policy(func(p *Policy) { p.Name = "user_policy" }), "policies", "two of this name"},
		"bad effect":       {policy(func(p *Policy) { p.Effect = "Deny" }), "policies", `p: effect "Deny"`},
		"no actions":       {policy(func(p *Policy) { p.Actions = nil }), "policies", "p: actions"},
		"mistyped action":  {policy(func(p *Policy) { p.Actions = []string{"raed"} }), "policies", `"raed"`},
		"no resources":     {policy(func(p *Policy) { p.Resources = nil }), "policies", "p: resources"},
		"a route":          {policy(func(p *Policy) { p.Resources = []string{"*/ticker"} }), "", ""},
		"no such resource": {policy(func(p *Policy) { p.Resources = []string{"BTC_USD"} }), "policies", `"BTC_USD"`},
		"no groups":        {policy(func(p *Policy) { p.Groups = nil }), "policies", "p: groups"},
		"bad group":        {policy(func(p *Policy) { p.Groups = []string{"*"} }), "policies", `group "*"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Defaults()
			tt.change(&c)
			err := c.Validate()
			if tt.key == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var keyErr *bus.KeyError
			if !errors.As(err, &keyErr) || keyErr.Key != tt.key || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want key %s and %q", err, tt.key, tt.says)
			}
		})
	}
}
