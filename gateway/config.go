package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"

	"tickerd/bus"
)

// Config is the table [gateway] of the settings: what one client may do.
type Config struct {
	// MessageRate and MessageBurst limit each connection's messages, per second.
	MessageRate  int `toml:"message_rate"`
	MessageBurst int `toml:"message_burst"`
	// MaxConnectionsPerUser and MaxConnectionsPerIP limit connections; 0: no limit.
	MaxConnectionsPerUser int `toml:"max_connections_per_user"`
	MaxConnectionsPerIP   int `toml:"max_connections_per_ip"`
	// Compression accepts permessage-deflate where a client offers it.
	Compression bool `toml:"compression"`
}

// Defaults are the settings that nothing overrides.
func Defaults() Config {
	return Config{MessageRate: 20, MessageBurst: 40}
}

// Validate names the first key that is wrong.
func (c Config) Validate() error {
	switch {
	case c.MessageRate < 1 || c.MessageRate > 1_000_000:
		return &bus.KeyError{Key: "message_rate", Err: fmt.Errorf("%d is not between 1 and 1000000", c.MessageRate)}
	case c.MessageBurst < 1 || c.MessageBurst > 1_000_000:
		return &bus.KeyError{Key: "message_burst", Err: fmt.Errorf("%d is not between 1 and 1000000", c.MessageBurst)}
	case c.MaxConnectionsPerUser < 0:
		return &bus.KeyError{Key: "max_connections_per_user", Err: errNegative}
	case c.MaxConnectionsPerIP < 0:
		return &bus.KeyError{Key: "max_connections_per_ip", Err: errNegative}
	}
	return nil
}

// ServerConfig is the table [server]: where the world comes in, and how it is
// sent away.
type ServerConfig struct {
	// Listen is the address for HTTP and WebSocket.
	Listen string `toml:"listen"`
	// AdminListen is the address for metrics and profiles; empty: none.
	AdminListen string `toml:"admin_listen"`
	// AllowedOrigins are those of CORS and of the WebSocket's Origin; "*": any.
	AllowedOrigins []string `toml:"allowed_origins"`
	// TrustedProxies are the CIDRs whose X-Forwarded-For is believed.
	TrustedProxies []string `toml:"trusted_proxies"`
	// TLSCert and TLSKey are PEM files; both or none.
	TLSCert string `toml:"tls_cert"`
	TLSKey  string `toml:"tls_key"`
	// ReusePort lets several processes listen on one port.
	ReusePort bool `toml:"reuse_port"`
	// DrainSpread is the time over which connections are sent away at the end,
	// DrainTimeout when what is left is cut.
	DrainSpread  time.Duration `toml:"drain_spread"`
	DrainTimeout time.Duration `toml:"drain_timeout"`
}

// ServerDefaults are the settings that nothing overrides.
func ServerDefaults() ServerConfig {
	return ServerConfig{
		Listen:         ":8081",
		AdminListen:    "127.0.0.1:8082",
		AllowedOrigins: []string{"*"},
		TrustedProxies: []string{},
		DrainSpread:    5 * time.Second,
		DrainTimeout:   15 * time.Second,
	}
}

const (
	errNegative = Error("must not be negative")

	maxDrain = time.Hour
)

// Validate names the first key that is wrong.
func (c ServerConfig) Validate() error {
	if err := checkAddress(c.Listen); err != nil {
		return &bus.KeyError{Key: "listen", Err: err}
	}
	if c.AdminListen != "" {
		if err := checkAddress(c.AdminListen); err != nil {
			return &bus.KeyError{Key: "admin_listen", Err: err}
		}
	}
	for _, o := range c.AllowedOrigins {
		if err := checkOrigin(o); err != nil {
			return &bus.KeyError{Key: "allowed_origins", Err: err}
		}
	}
	if _, err := parseProxies(c.TrustedProxies); err != nil {
		return &bus.KeyError{Key: "trusted_proxies", Err: err}
	}
	switch {
	case c.TLSCert != "" && c.TLSKey == "":
		return &bus.KeyError{Key: "tls_cert", Err: errors.New("is set, and tls_key is not")}
	case c.TLSCert == "" && c.TLSKey != "":
		return &bus.KeyError{Key: "tls_key", Err: errors.New("is set, and tls_cert is not")}
	case c.DrainSpread < 0 || c.DrainSpread > maxDrain:
		return &bus.KeyError{Key: "drain_spread", Err: fmt.Errorf("%v is not between 0 and %v", c.DrainSpread, maxDrain)}
	case c.DrainTimeout < 0 || c.DrainTimeout > maxDrain:
		return &bus.KeyError{Key: "drain_timeout", Err: fmt.Errorf("%v is not between 0 and %v", c.DrainTimeout, maxDrain)}
	}
	return nil
}

func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port", s)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q: no such port", s)
	}
	return nil
}

func checkOrigin(s string) error {
	if s == anyOrigin {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return fmt.Errorf("%q is not an origin such as https://example.com", s)
	}
	return nil
}

// parseProxies reads CIDRs; a single address stands for itself.
func parseProxies(list []string) ([]netip.Prefix, error) {
	prefixes := make([]netip.Prefix, 0, len(list))
	for _, s := range list {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			addr, addrErr := netip.ParseAddr(s)
			if addrErr != nil {
				return nil, fmt.Errorf("%q is not a CIDR such as 10.0.0.0/8", s)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return prefixes, nil
}
