package gateway

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tickerd/auth"
	"tickerd/ticker"
)

// Routes that a token opens; also the resources of auth.ActionConnect.
const (
	routeWebSocket = "/ws/ticker"
	routeEvents    = "/sse/ticker"
	routePrices    = "/api/v1/prices"
	routeCandles   = "/api/v1/candles"
	routeStats     = "/api/v1/stats"
)

// The subprotocols that a client may offer: ours, and one entry that is its token.
const (
	subprotocol       = "tickerd.v1"
	subprotocolBearer = "bearer."
)

// The headers of the handshake that both sides of it need.
const (
	headerKey        = "Sec-WebSocket-Key"
	headerProtocol   = "Sec-WebSocket-Protocol"
	headerExtensions = "Sec-WebSocket-Extensions"
)

const (
	tokenName   = "x-auth-token" // as a query value and as a cookie
	anyOrigin   = "*"
	maxInterval = time.Minute
)

// A refusal is an error answer, before anything else was said.
type refusal struct {
	status int
	reason string // {"error":reason}
	header string // one more header's name, with its value
	value  string
}

var (
	refuseNotFound = &refusal{status: http.StatusNotFound, reason: "not found"}
	refuseDraining = &refusal{status: http.StatusServiceUnavailable, reason: "draining", header: "Retry-After", value: "1"}
	refuseCutOff   = &refusal{status: http.StatusServiceUnavailable, reason: "cluster unreachable", header: "Retry-After", value: "1"}
	refuseNotReady = &refusal{status: http.StatusServiceUnavailable, reason: "not ready", header: "Retry-After", value: "1"}
	refuseToken    = &refusal{status: http.StatusUnauthorized, reason: "authentication required"}
	refusePolicy   = &refusal{status: http.StatusForbidden, reason: "forbidden"}
	refuseOrigin   = &refusal{status: http.StatusForbidden, reason: "origin not allowed"}
	refuseUpgrade  = &refusal{status: http.StatusUpgradeRequired, reason: "websocket upgrade required", header: "Sec-WebSocket-Version", value: "13"}
	refuseTooMany  = &refusal{status: http.StatusTooManyRequests, reason: "too many connections", header: "Retry-After", value: "5"}
	refuseInternal = &refusal{status: http.StatusInternalServerError, reason: "internal error"}
)

// refuseMethod refuses all but the methods.
func refuseMethod(methods []string) *refusal {
	return &refusal{status: http.StatusMethodNotAllowed, reason: "method not allowed", header: "Allow", value: strings.Join(methods, ", ")}
}

func badRequest(err error) *refusal {
	return &refusal{status: http.StatusBadRequest, reason: err.Error()}
}

// A visitor is who a valid token says.
type visitor struct {
	token auth.Token
	scope *auth.Scope
	addr  netip.Addr
}

// An admission is what a client asks for and may have.
type admission struct {
	visitor
	wish
}

// A wish is what the query asks for.
type wish struct {
	symbols  []string // patterns; none: all
	interval time.Duration
	since    *uint64
}

// A door is one of the ways to the stream.
type door struct {
	route   string
	methods []string
	check   func(h head) *refusal // what a request needs to come through
}

// The doors: an upgrade, and a plain request.
var (
	upgrades = door{routeWebSocket, []string{http.MethodGet}, checkUpgrade}
	events   = door{routeEvents, reads, func(head) *refusal { return nil }}
)

// admit judges a request for the stream. Where several refusals apply, the first
// of the order here is given. The caller owns the place that an admission holds:
// it gives it back with g.places.give.
func (g *Gateway) admit(d door, h head, peer netip.Addr) (admission, *refusal) {
	target, err := url.ParseRequestURI(h.target)
	switch {
	case err != nil:
		return admission{}, badRequest(errRequestLine)
	case g.isDraining():
		return admission{}, refuseDraining
	case g.isCutOff():
		return admission{}, refuseCutOff
	case target.Path != d.route:
		return admission{}, refuseNotFound
	case !slices.Contains(d.methods, h.method):
		return admission{}, refuseMethod(d.methods)
	}
	query, queryErr := url.ParseQuery(target.RawQuery)
	who, refused := g.identify(h, query, peer)
	if refused != nil {
		return admission{}, refused
	}
	wish, wishErr := parseWish(query)
	switch {
	case !who.scope.Allows(auth.ActionConnect, d.route) || !seesAll(who.scope, wish.symbols):
		return admission{}, refusePolicy
	case !g.allowsOrigin(h):
		return admission{}, refuseOrigin
	}
	if refused := d.check(h); refused != nil {
		return admission{}, refused
	}
	for _, err := range []error{queryErr, wishErr, g.checkKnown(wish.symbols)} {
		if err != nil {
			return admission{}, badRequest(err)
		}
	}
	if !g.places.take(who.token.UserID, who.addr) {
		return admission{}, refuseTooMany
	}
	return admission{who, wish}, nil
}

// isCutOff reports whether the cluster cannot be reached, so that nobody is let in.
func (g *Gateway) isCutOff() bool { return g.reach != nil && g.reach() != nil }

// identify finds and verifies the token of a request.
func (g *Gateway) identify(h head, query url.Values, peer netip.Addr) (visitor, *refusal) {
	raw := tokenOf(h, query)
	if raw == "" {
		return visitor{}, refuseToken
	}
	token, err := g.verifier.Verify(raw)
	if errors.Is(err, auth.ErrNotReady) {
		if g.reach != nil {
			return visitor{}, refuseCutOff // by those who know what was revoked
		}
		return visitor{}, refuseNotReady
	}
	if err != nil {
		g.log.Debug("token refused", "err", err)
		return visitor{}, refuseToken
	}
	return visitor{
		token: token,
		scope: g.policies.Scope(token.Role, token.Policies, token.Allowed),
		addr:  g.clientAddr(h, peer),
	}, nil
}

// tokenOf is the token in the first source that has one.
func tokenOf(h head, query url.Values) string {
	scheme, credentials, _ := strings.Cut(h.get("Authorization"), " ")
	if credentials = strings.TrimSpace(credentials); strings.EqualFold(scheme, "Bearer") && credentials != "" {
		return credentials
	}
	for _, name := range []string{tokenName, "token"} {
		if t := cmp.Or(query[name]...); t != "" {
			return t
		}
	}
	// A cookie that is malformed does not hide the others.
	for _, line := range h.all("Cookie") {
		for item := range strings.SplitSeq(line, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
			if value = strings.Trim(value, `"`); name == tokenName && value != "" {
				return value
			}
		}
	}
	for offer := range strings.SplitSeq(h.list(headerProtocol), ",") {
		if t, ok := strings.CutPrefix(strings.TrimSpace(offer), subprotocolBearer); ok && t != "" {
			return t
		}
	}
	return ""
}

// clientAddr is the address that a request comes from: the peer's, or behind
// trusted proxies the right-most one forwarded that is not such a proxy.
func (g *Gateway) clientAddr(h head, peer netip.Addr) netip.Addr {
	addr := peer.Unmap()
	forwarded := strings.Split(h.list("X-Forwarded-For"), ",")
	for _, hop := range slices.Backward(forwarded) {
		if !g.isTrusted(addr) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr
}

func (g *Gateway) isTrusted(addr netip.Addr) bool {
	return slices.ContainsFunc(g.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// allowsOrigin reports whether a browser's page may connect: one of a configured
// origin, or our own. Programs send no Origin.
func (g *Gateway) allowsOrigin(h head) bool {
	origin := h.get("Origin")
	if origin == "" || slices.Contains(g.origins, anyOrigin) {
		return true
	}
	if slices.ContainsFunc(g.origins, func(o string) bool { return strings.EqualFold(o, origin) }) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, h.get("Host"))
}

// wantsUpgrade reports whether the request is for WebSocket as we speak it.
func wantsUpgrade(h head) bool {
	return hasToken(h.list("Connection"), "upgrade") && hasToken(h.list("Upgrade"), "websocket") &&
		h.get("Sec-WebSocket-Version") == "13"
}

// checkUpgrade refuses what is no upgrade, or is malformed.
func checkUpgrade(h head) *refusal {
	if !wantsUpgrade(h) {
		return refuseUpgrade
	}
	if err := upgradeFault(h); err != nil {
		return badRequest(err)
	}
	return nil
}

// upgradeFault names what is malformed in an upgrade.
func upgradeFault(h head) error {
	key, err := base64.StdEncoding.DecodeString(h.get(headerKey))
	switch {
	case h.proto != "HTTP/1.1":
		return errors.New("malformed upgrade: needs HTTP/1.1")
	case h.hasBody():
		return errors.New("malformed upgrade: has a body")
	case len(h.all(headerKey)) > 1:
		return errors.New("malformed upgrade: more than one Sec-WebSocket-Key")
	case len(key) == 0 && err == nil:
		return errors.New("malformed upgrade: no Sec-WebSocket-Key")
	case err != nil || len(key) != 16:
		return errors.New("malformed upgrade: Sec-WebSocket-Key is not 16 bytes in base64")
	}
	return nil
}

// parseWish reads the query's options. With an error it gives those that it
// could read.
func parseWish(query url.Values) (wish, error) {
	var w wish
	var errs []error
	var err error
	if w.symbols, err = parseSymbols(query); err != nil {
		errs = append(errs, err)
	}
	if s := query.Get("interval"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 || d > maxInterval {
			errs = append(errs, fmt.Errorf("interval: %.40q is not a duration between 0 and %v, such as 100ms", s, maxInterval))
		}
		w.interval = (d + time.Millisecond - 1).Truncate(time.Millisecond) // what is asked for at least
	}
	if query.Has("since") {
		seq, err := strconv.ParseUint(query.Get("since"), 10, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("since: %.40q is not a sequence number", query.Get("since")))
		}
		w.since = &seq
	}
	if len(errs) > 0 {
		return w, errs[0]
	}
	return w, nil
}

// parseSymbols reads the query's patterns, nil where it has none.
func parseSymbols(query url.Values) ([]string, error) {
	s := query.Get("symbols")
	if s == "" {
		return nil, nil
	}
	patterns, err := ticker.ParsePatterns(splitList(s))
	if err == nil {
		err = ticker.Rules(patterns).Check()
	}
	if err != nil {
		return patterns, fmt.Errorf("symbols: %w", err)
	}
	return patterns, nil
}

// splitList parts a list at its commas; blanks around its elements do not count.
func splitList(s string) []string {
	list := strings.Split(s, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// seesAll reports whether the scope sees every symbol named by itself. A pattern
// means "of those, all that I may see".
func seesAll(scope *auth.Scope, patterns []string) bool {
	return !slices.ContainsFunc(patterns, func(p string) bool {
		return !ticker.IsPattern(p) && !scope.Sees(ticker.Symbol(p))
	})
}

// checkKnown names the symbols that do not exist.
func (g *Gateway) checkKnown(patterns []string) error {
	var unknown []string
	for _, p := range patterns {
		if !ticker.IsPattern(p) && !g.hub.Knows(ticker.Symbol(p)) {
			unknown = append(unknown, p)
		}
	}
	if unknown != nil {
		return fmt.Errorf("symbols: unknown symbol %q", unknown)
	}
	return nil
}
