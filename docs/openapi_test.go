package docs_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"tickerd/bus"
)

// A call is a request that is to be answered as the document says under an
// operation and a status.
type call struct {
	operation string // "POST /auth/token"
	status    int
	method    string // the operation's where empty
	target    string // the operation's path where empty
	header    http.Header
	body      string
}

func TestOpenAPI(t *testing.T) {
	api := loadOpenAPI(t)
	seen := map[string]bool{}
	check := func(n *node, calls ...call) {
		t.Helper()
		for _, c := range calls {
			api.check(t, n, c)
			seen[fmt.Sprint(c.operation, " ", c.status)] = true
		}
	}

	n := start(t, "TICKERD_SERVER_ALLOWED_ORIGINS=https://example.com",
		"TICKERD_AUTH_FAILURES_PER_MINUTE=0", "TICKERD_AUTH_TOKENS_PER_MINUTE=0",
		"TICKERD_SERVER_DRAIN_SPREAD=1m", "TICKERD_SERVER_DRAIN_TIMEOUT=1m")
	anyone := header("Authorization", "Bearer "+n.token(t, n.key))
	limited := header("Authorization", "Bearer "+n.token(t, n.output(t, "key", "create", "--user", "ann", "--symbols", "BTC-*")))
	nobody := header("Authorization", "Bearer "+n.token(t, n.output(t, "key", "create", "--user", "bob", "--role", "nothing")))
	upgrade := header("Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13",
		"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	preflight := header("Origin", "https://example.com", "Access-Control-Request-Method", "POST")
	eventually(t, "prices", func() bool {
		resp := n.do(t, call{operation: "GET /api/v1/prices/BTC-USD", header: anyone})
		return resp.StatusCode == http.StatusOK
	})

	check(n,
		call{operation: "POST /auth/token", status: 200, body: `{"api_key":"` + n.key + `"}`},
		call{operation: "POST /auth/token", status: 200, body: `{"api_key":"` + n.key + `"}`, header: header("Origin", "https://example.com")},
		call{operation: "POST /auth/token", status: 400, body: `{"api_key":`},
		call{operation: "POST /auth/token", status: 400, body: `["api_key"]`},
		call{operation: "POST /auth/token", status: 400, body: `{"api_key":1}`},
		call{operation: "POST /auth/token", status: 400, body: `{}`},
		call{operation: "POST /auth/token", status: 400, body: `{"api_key":""}`},
		call{operation: "POST /auth/token", status: 401, body: `{"api_key":"tk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`},
		call{operation: "POST /auth/token", status: 405, method: "GET"},
		call{operation: "POST /auth/token", status: 413, body: strings.Repeat(" ", 4<<10+1)},
		call{operation: "OPTIONS /auth/token", status: 204, header: preflight},

		call{operation: "GET /ws/ticker", status: 101, header: merge(anyone, upgrade)},
		call{operation: "GET /ws/ticker", status: 101, header: merge(anyone, upgrade, header("Sec-WebSocket-Protocol", "tickerd.v1"))},
		call{operation: "GET /ws/ticker", status: 101, target: "/ws/ticker?symbols=btc-usd,ETH-*&interval=100ms&since=1", header: merge(limited, upgrade)},
		call{operation: "GET /ws/ticker", status: 101, header: merge(upgrade, header("Sec-WebSocket-Protocol", "tickerd.v1, bearer."+tokenIn(anyone)))},
		call{operation: "GET /ws/ticker", status: 400, header: merge(anyone, upgrade, header("Sec-WebSocket-Key", ""))},
		call{operation: "GET /ws/ticker", status: 400, target: "/ws/ticker?interval=1h", header: merge(anyone, upgrade)},
		call{operation: "GET /ws/ticker", status: 400, target: "/ws/ticker?since=x", header: merge(anyone, upgrade)},
		call{operation: "GET /ws/ticker", status: 400, target: "/ws/ticker?symbols=XYZ-USD", header: merge(anyone, upgrade)},
		call{operation: "GET /ws/ticker", status: 401, header: upgrade},
		call{operation: "GET /ws/ticker", status: 401, header: merge(upgrade, header("Authorization", "Bearer x"))},
		call{operation: "GET /ws/ticker", status: 403, header: merge(nobody, upgrade)},
		call{operation: "GET /ws/ticker", status: 403, target: "/ws/ticker?symbols=ETH-USD", header: merge(limited, upgrade)},
		call{operation: "GET /ws/ticker", status: 403, header: merge(anyone, upgrade, header("Origin", "https://elsewhere.com"))},
		call{operation: "GET /ws/ticker", status: 405, method: "POST", header: anyone},
		call{operation: "GET /ws/ticker", status: 426, header: anyone},
		call{operation: "GET /ws/ticker", status: 426, header: merge(anyone, upgrade, header("Sec-WebSocket-Version", "8"))},
		call{operation: "GET /ws/ticker", status: 431, header: header("X-Long", strings.Repeat("x", 20<<10))},

		call{operation: "GET /api/v1/prices", status: 200, header: anyone},
		call{operation: "GET /api/v1/prices", status: 200, header: merge(limited, header("Origin", "https://example.com"))},
		call{operation: "GET /api/v1/prices", status: 200, target: "/api/v1/prices?x-auth-token=" + tokenIn(anyone)},
		call{operation: "GET /api/v1/prices", status: 200, target: "/api/v1/prices?token=" + tokenIn(anyone)},
		call{operation: "GET /api/v1/prices", status: 200, header: header("Cookie", "x-auth-token="+tokenIn(anyone))},
		call{operation: "GET /api/v1/prices", status: 200, method: "HEAD", header: anyone},
		call{operation: "GET /api/v1/prices", status: 401},
		call{operation: "GET /api/v1/prices", status: 403, header: nobody},
		call{operation: "GET /api/v1/prices", status: 405, method: "PUT", header: anyone},
		call{operation: "OPTIONS /api/v1/prices", status: 204, header: preflight},

		call{operation: "GET /api/v1/prices/{symbol}", status: 200, target: "/api/v1/prices/BTC-USD", header: anyone},
		call{operation: "GET /api/v1/prices/{symbol}", status: 200, target: "/api/v1/prices/btc-usd", header: limited},
		call{operation: "GET /api/v1/prices/{symbol}", status: 200, target: "/api/v1/prices/BTC-USD", method: "HEAD", header: anyone},
		call{operation: "GET /api/v1/prices/{symbol}", status: 401, target: "/api/v1/prices/BTC-USD"},
		call{operation: "GET /api/v1/prices/{symbol}", status: 403, target: "/api/v1/prices/ETH-USD", header: limited},
		call{operation: "GET /api/v1/prices/{symbol}", status: 404, target: "/api/v1/prices/XYZ-USD", header: anyone},
		call{operation: "GET /api/v1/prices/{symbol}", status: 404, target: "/api/v1/prices/BTCUSD", header: anyone},
		call{operation: "GET /api/v1/prices/{symbol}", status: 405, target: "/api/v1/prices/BTC-USD", method: "DELETE", header: anyone},
		call{operation: "OPTIONS /api/v1/prices/{symbol}", status: 204, target: "/api/v1/prices/BTC-USD", header: preflight},

		call{operation: "GET /sse/ticker", status: 400, target: "/sse/ticker?interval=1h", header: anyone},
		call{operation: "GET /sse/ticker", status: 400, target: "/sse/ticker?symbols=XYZ-USD", header: anyone},
		call{operation: "GET /sse/ticker", status: 401},
		call{operation: "GET /sse/ticker", status: 403, header: nobody},
		call{operation: "GET /sse/ticker", status: 403, target: "/sse/ticker?symbols=ETH-USD", header: limited},
		call{operation: "GET /sse/ticker", status: 403, header: merge(anyone, header("Origin", "https://elsewhere.com"))},
		call{operation: "GET /sse/ticker", status: 405, method: "POST", header: anyone},
		call{operation: "GET /sse/ticker", status: 200, header: merge(anyone, header("Last-Event-ID", "1", "Origin", "https://example.com"))},
		call{operation: "GET /sse/ticker", status: 200, target: "/sse/ticker?symbols=btc-*&interval=1s&since=1&token=" + tokenIn(limited)},
		call{operation: "GET /sse/ticker", status: 200, method: "HEAD", header: anyone},
		call{operation: "OPTIONS /sse/ticker", status: 204, header: preflight},

		call{operation: "GET /api/v1/candles", status: 200, target: "/api/v1/candles?symbol=BTC-USD&interval=1s", header: anyone},
		call{operation: "GET /api/v1/candles", status: 200, target: "/api/v1/candles?symbol=btc-usd&interval=1d&limit=1500&end=1700000000", header: limited},
		call{operation: "GET /api/v1/candles", status: 200, target: "/api/v1/candles?symbol=BTC-USD&interval=1s", method: "HEAD", header: anyone},
		call{operation: "GET /api/v1/candles", status: 400, target: "/api/v1/candles?symbol=BTC-USD", header: anyone},
		call{operation: "GET /api/v1/candles", status: 400, target: "/api/v1/candles?symbol=BTC-USD&interval=1s&limit=1501", header: anyone},
		call{operation: "GET /api/v1/candles", status: 401},
		call{operation: "GET /api/v1/candles", status: 403, target: "/api/v1/candles?symbol=ETH-USD&interval=1s", header: limited},
		call{operation: "GET /api/v1/candles", status: 404, target: "/api/v1/candles?symbol=XYZ-USD&interval=1s", header: anyone},
		call{operation: "GET /api/v1/candles", status: 405, method: "POST", header: anyone},
		call{operation: "OPTIONS /api/v1/candles", status: 204, header: preflight},

		call{operation: "GET /api/v1/stats", status: 200, header: anyone},
		call{operation: "GET /api/v1/stats", status: 200, target: "/api/v1/stats?symbols=BTC-USD,*-EUR", header: limited},
		call{operation: "GET /api/v1/stats", status: 400, target: "/api/v1/stats?symbols=BTC", header: anyone},
		call{operation: "GET /api/v1/stats", status: 401},
		call{operation: "GET /api/v1/stats", status: 403, header: nobody},
		call{operation: "GET /api/v1/stats", status: 405, method: "PUT", header: anyone},
		call{operation: "OPTIONS /api/v1/stats", status: 204, header: preflight},

		call{operation: "GET /healthz", status: 200},
		call{operation: "GET /healthz", status: 200, method: "HEAD"},
		call{operation: "GET /healthz", status: 405, method: "POST"},
		call{operation: "GET /readyz", status: 200},
		call{operation: "GET /readyz", status: 200, method: "HEAD"},
		call{operation: "GET /readyz", status: 405, method: "POST"},

		call{operation: "GET /", status: 200},
		call{operation: "GET /", status: 304, header: header("If-None-Match", "*")},
		call{operation: "GET /", status: 405, method: "POST"},
		call{operation: "GET /{file}", status: 200, target: "/app.js"},
		call{operation: "GET /{file}", status: 200, target: "/style.css"},
		call{operation: "GET /{file}", status: 200, target: "/favicon.svg"},
		call{operation: "GET /{file}", status: 200, target: "/no-extension"},
		call{operation: "GET /{file}", status: 304, target: "/app.js", header: header("If-None-Match", "*")},
		call{operation: "GET /{file}", status: 404, target: "/nothing.js"},
		call{operation: "GET /{file}", status: 405, target: "/app.js", method: "POST"},
	)

	for _, target := range []string{"/api/nothing", "/auth/nothing", "/sse/nothing", "/ws/nothing"} {
		resp := n.do(t, call{operation: "GET " + target, header: anyone})
		if body := read(t, resp); resp.StatusCode != http.StatusNotFound || body != `{"error":"not found"}` {
			t.Errorf("GET %s: %s %s", target, resp.Status, body)
		}
	}

	n.breakDatabase(t)
	eventually(t, "the failing database to be asked", func() bool {
		resp := n.do(t, call{operation: "POST /auth/token", body: `{"api_key":"` + n.key + `"}`})
		return resp.StatusCode == http.StatusInternalServerError
	})
	seen["POST /auth/token 500"] = true

	held := n.do(t, call{operation: "GET /ws/ticker", header: merge(anyone, upgrade)})
	defer held.Body.Close()
	if _, err := held.Body.Read(make([]byte, 1)); err != nil { // of the welcome
		t.Fatal(err)
	}
	n.drain(t)
	eventually(t, "the drain", func() bool {
		return n.do(t, call{operation: "GET /readyz"}).StatusCode == http.StatusServiceUnavailable
	})
	check(n,
		call{operation: "GET /readyz", status: 503},
		call{operation: "GET /ws/ticker", status: 503, header: merge(anyone, upgrade)},
		call{operation: "GET /sse/ticker", status: 503, header: anyone},
	)

	tight := start(t, "TICKERD_PRICEFEED_SOURCE=coinbase", "TICKERD_PRICEFEED_COINBASE_URL=ws://127.0.0.1:1",
		"TICKERD_AUTH_FAILURES_PER_MINUTE=1", "TICKERD_GATEWAY_MAX_CONNECTIONS_PER_USER=1")
	anyone = header("Authorization", "Bearer "+tight.token(t, tight.key))
	only := tight.do(t, call{operation: "GET /ws/ticker", header: merge(anyone, upgrade)})
	defer only.Body.Close()
	check(tight,
		call{operation: "GET /readyz", status: 503},
		call{operation: "GET /api/v1/prices", status: 200, header: anyone},
		call{operation: "GET /ws/ticker", status: 429, header: merge(anyone, upgrade)},
		call{operation: "GET /sse/ticker", status: 429, header: anyone},
		call{operation: "POST /auth/token", status: 401, body: `{"api_key":"x"}`},
		call{operation: "POST /auth/token", status: 429, body: `{"api_key":"x"}`},
	)

	without := start(t, "TICKERD_PRICEFEED_SOURCE=none")
	anyone = header("Authorization", "Bearer "+without.token(t, without.key))
	check(without,
		call{operation: "GET /api/v1/candles", status: 503, target: "/api/v1/candles?symbol=BTC-USD&interval=1s", header: anyone},
		call{operation: "GET /api/v1/stats", status: 503, header: anyone},
	)

	apart := start(t, "TICKERD_BUS_CLUSTER_LISTEN=127.0.0.1:0", "TICKERD_BUS_ROUTES=127.0.0.1:1")
	check(apart,
		call{operation: "GET /healthz", status: 200},
		call{operation: "GET /readyz", status: 503},
		call{operation: "POST /auth/token", status: 503, body: `{"api_key":"` + apart.key + `"}`},
		call{operation: "GET /ws/ticker", status: 503, header: merge(anyone, upgrade)},
		call{operation: "GET /sse/ticker", status: 503, header: anyone},
		call{operation: "GET /api/v1/prices", status: 503, header: anyone},
		call{operation: "GET /api/v1/prices/{symbol}", status: 503, target: "/api/v1/prices/BTC-USD", header: anyone},
		call{operation: "GET /api/v1/candles", status: 503, target: "/api/v1/candles?symbol=BTC-USD&interval=1s", header: anyone},
		call{operation: "GET /api/v1/stats", status: 503, header: anyone},
	)

	for _, answer := range api.answers() {
		if !seen[answer] {
			t.Errorf("%s: in the document, but never seen", answer)
		}
	}
}

// Whatever status the gateway and the page can answer is in the document.
func TestOpenAPIHasEveryStatus(t *testing.T) {
	documented := map[string]bool{}
	for _, answer := range loadOpenAPI(t).answers() {
		documented[answer[strings.LastIndexByte(answer, ' ')+1:]] = true
	}
	for name, where := range statusesIn(t, "../gateway", "../web") {
		switch code := statusCode(name); {
		case code == 0:
			t.Errorf("%s: http.%s is no status", where, name)
		case code == http.StatusInternalServerError: // also the answer to what cannot happen
		case !documented[strconv.Itoa(code)]:
			t.Errorf("%s: http.%s is not in the document", where, name)
		}
	}
}

// statusesIn finds the constants http.Status… in the packages, each with one place.
func statusesIn(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, dir := range dirs {
		names, err := filepath.Glob(dir + "/*.go")
		if err != nil || names == nil {
			t.Fatal(dir, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for n := range ast.Preorder(file) {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					continue
				}
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "http" && strings.HasPrefix(s.Sel.Name, "Status") && s.Sel.Name != "StatusText" {
					found[s.Sel.Name] = files.Position(n.Pos()).String()
				}
			}
		}
	}
	return found
}

// statusCode is the value of a constant of net/http, by its name.
func statusCode(name string) int {
	for code := 100; code < 600; code++ {
		letters := func(r rune) rune {
			if r == ' ' || r == '-' || r == '\'' {
				return -1
			}
			return r
		}
		if "Status"+strings.Map(letters, http.StatusText(code)) == name {
			return code
		}
	}
	return 0
}

// openAPI is the document, with its objects closed.
type openAPI struct{ doc *openapi3.T }

// loadOpenAPI fails the test if the document, as it stands, is not valid.
func loadOpenAPI(t *testing.T) openAPI {
	t.Helper()
	for _, text := range []string{"text/html", "text/css", "text/javascript", "text/event-stream", "image/svg+xml"} {
		openapi3filter.RegisterBodyDecoder(text, openapi3filter.PlainBodyDecoder)
	}
	asItStands, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := asItStands.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(readDocument(t, "openapi.yaml").close().root)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	return openAPI{closed}
}

// answers are all that the document knows: "POST /auth/token 200".
func (a openAPI) answers() []string {
	var list []string
	for path, item := range a.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for _, status := range slices.Collect(maps.Keys(operation.Responses.Map())) {
				list = append(list, method+" "+path+" "+status)
			}
		}
	}
	slices.Sort(list)
	return list
}

// check makes a call and holds the answer against the document.
func (a openAPI) check(t *testing.T, n *node, c call) {
	t.Helper()
	method, path, _ := strings.Cut(c.operation, " ")
	item := a.doc.Paths.Value(path)
	if item == nil || item.GetOperation(method) == nil {
		t.Errorf("%s is not in the document", c.operation)
		return
	}
	a.checkAnswer(t, n.do(t, c), c)
	if path == "/ws/ticker" && c.status != http.StatusRequestHeaderFieldsTooLarge {
		a.checkAnswer(t, n.again(t, c), c)
	}
}

func (a openAPI) checkAnswer(t *testing.T, resp *http.Response, c call) {
	t.Helper()
	method, path, _ := strings.Cut(c.operation, " ")
	item := a.doc.Paths.Value(path)
	name := fmt.Sprintf("%s %s: %s", resp.Request.Method, resp.Request.URL.RequestURI(), resp.Status)
	if resp.StatusCode != c.status {
		t.Errorf("%s, not %d", name, c.status)
		return
	}
	request := &openapi3filter.RequestValidationInput{
		Request: resp.Request,
		Route:   &routers.Route{Spec: a.doc, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if path != resp.Request.URL.Path {
		request.PathParams = map[string]string{"symbol": "BTC-USD", "file": "app.js"}
	}
	if good := c.status < 400; good && (c.method == "" || c.method == method) {
		request.Request.Body = io.NopCloser(strings.NewReader(c.body))
		if err := openapi3filter.ValidateRequest(t.Context(), request); err != nil {
			t.Errorf("%s: request: %v", name, err)
		}
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request,
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Body:                   io.NopCloser(strings.NewReader(read(t, resp))),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true},
	}
	if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if isJSON := resp.Header.Get("Content-Type") == "application/json"; isJSON && path != "/" && path != "/{file}" && resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: Cache-Control is %q", name, resp.Header.Get("Cache-Control"))
	}
}

// do makes a call over a connection of its own. The body of the answer has been
// read, except for a stream's.
func (n *node) do(t *testing.T, c call) *http.Response {
	t.Helper()
	var own http.Transport
	defer own.CloseIdleConnections()
	return n.over(t, &own, c)
}

// again is do over a connection that was used before, which goes another way
// through the node.
func (n *node) again(t *testing.T, c call) *http.Response {
	t.Helper()
	var own http.Transport
	defer own.CloseIdleConnections()
	n.over(t, &own, call{operation: "GET /healthz"})
	return n.over(t, &own, c)
}

func (n *node) over(t *testing.T, transport *http.Transport, c call) *http.Response {
	t.Helper()
	method, path, _ := strings.Cut(c.operation, " ")
	if c.method != "" {
		method = c.method
	}
	if c.target != "" {
		path = c.target
	}
	req, err := http.NewRequestWithContext(t.Context(), method, n.url+path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, c.header)
	if c.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols || isEvents(resp) {
		return resp
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

// isEvents reports whether an answer goes on as long as its client likes.
func isEvents(resp *http.Response) bool {
	return resp.Header.Get("Content-Type") == "text/event-stream" && resp.Request.Method == http.MethodGet
}

// read is the body of an answer, of events their beginning; an upgrade is ended, and
// has none.
func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	if isEvents(resp) {
		defer resp.Body.Close()
		beginning, err := bufio.NewReader(resp.Body).ReadString('\n')
		if err != nil || !strings.HasPrefix(beginning, "retry: ") {
			t.Errorf("events begin with %q, %v", beginning, err)
		}
		return beginning
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		resp.Body.Close()
		return ""
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// breakDatabase puts an impostor on the bus beside the node's auth service, one
// whose database does not answer. It gets every second question or so.
func (n *node) breakDatabase(t *testing.T) {
	t.Helper()
	conn := n.operator(t)
	if _, err := conn.SubscribeQueue(bus.Exchange, "auth", func(m *bus.Msg) {
		if err := conn.Publish(m.Reply, []byte(`{"error":"`+bus.ExchangeUnavailable+`"}`)); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// operator is a connection to the node's bus that may do everything.
func (n *node) operator(t *testing.T) *bus.Conn {
	t.Helper()
	password, err := os.ReadFile(filepath.Join(n.dir, "operator.password"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := bus.DialLocal(filepath.Join(n.dir, "bus.sock"), strings.TrimSpace(string(password)), "docs", false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for pair := range slices.Chunk(pairs, 2) {
		h.Set(pair[0], pair[1])
	}
	return h
}

// merge is the headers together, the later before the earlier.
func merge(list ...http.Header) http.Header {
	all := http.Header{}
	for _, h := range list {
		maps.Copy(all, h)
	}
	return all
}

func tokenIn(h http.Header) string { return strings.TrimPrefix(h.Get("Authorization"), "Bearer ") }
