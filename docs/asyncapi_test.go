package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"tickerd/auth"
	"tickerd/bus"
	"tickerd/bus/cluster"
	"tickerd/pricefeed/exchangetest"
)

// asyncAPI is the document, with its objects closed. It is safe for concurrent use.
type asyncAPI struct {
	*document
	schemas map[string]*jsonschema.Schema // of the messages that have one
	told    *sync.Map                     // what of them has been found wrong
}

func loadAsyncAPI(t *testing.T) asyncAPI {
	t.Helper()
	a := asyncAPI{readDocument(t, "asyncapi.yaml").close(), map[string]*jsonschema.Schema{}, new(sync.Map)}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7) // what AsyncAPI's own schemas are a superset of
	if err := compiler.AddResource(a.name, a.root); err != nil {
		t.Fatal(err)
	}
	for name, message := range a.object(t, "#/components/messages") {
		if message.(map[string]any)["payload"] == nil {
			continue // free text, or nothing
		}
		ref := "#/components/messages/" + name
		schema, err := compiler.Compile(a.name + ref + "/payload")
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		a.schemas[ref] = schema
	}
	return a
}

// validate holds a payload against the schema of a message, if that has one:
// "#/components/messages/pong". It complains once about each.
func (a asyncAPI) validate(t *testing.T, message string, payload []byte) {
	t.Helper()
	if a.schemas[message] == nil {
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err == nil {
		err = a.schemas[message].Validate(value)
	}
	if _, again := a.told.Load(message); err != nil && !again {
		a.told.Store(message, true)
		t.Errorf("%s: %v: %s", message, err, payload)
	}
}

// messages are the components that a channel carries, by their names there.
func (a asyncAPI) messages(t *testing.T, channel string) map[string]string {
	t.Helper()
	list := map[string]string{}
	for name, message := range a.object(t, "#/channels/"+channel)["messages"].(map[string]any) {
		list[name] = message.(map[string]any)["$ref"].(string)
	}
	return list
}

func TestAsyncAPIIsSound(t *testing.T) {
	a := loadAsyncAPI(t)
	for _, ref := range a.refs() {
		if _, err := a.at(ref); err != nil {
			t.Error(err)
		}
	}
	for ref, schema := range a.schemas {
		examples, _ := a.object(t, ref)["examples"].([]any)
		for _, example := range examples {
			if err := schema.Validate(example.(map[string]any)["payload"]); err != nil {
				t.Errorf("%s: example: %v", ref, err)
			}
		}
	}
	used := a.refs()
	for _, kind := range []string{"messages", "schemas", "parameters"} {
		for name := range a.object(t, "#/components/"+kind) {
			if !slices.Contains(used, "#/components/"+kind+"/"+name) {
				t.Errorf("%s %s is not used", kind, name)
			}
		}
	}
}

// The fields of the bus's payloads are those of the schemas, and those that are
// always there are required.
func TestAsyncAPIHasThePayloads(t *testing.T) {
	a := loadAsyncAPI(t)
	for name, payload := range map[string]any{
		"Join":            bus.Join{},
		"Leave":           bus.Leave{},
		"Answer":          bus.Answer{},
		"Renewal":         bus.Renewal{},
		"Close":           bus.Close{},
		"Status":          bus.Status{},
		"Alive":           bus.Alive{},
		"Node":            cluster.Node{},
		"CandlesRequest":  bus.CandlesRequest{},
		"CandlesResult":   bus.CandlesResult{},
		"StatsResult":     bus.StatsResult{},
		"ExchangeRequest": bus.ExchangeRequest{},
		"ExchangeResult":  bus.ExchangeResult{},
		"Revocation":      bus.Revocation{},
		"KeyInfo":         auth.Info{},
	} {
		schema := a.object(t, "#/components/schemas/"+name)
		var all, always []string
		for f := range reflect.TypeOf(payload).Fields() {
			field, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			all = append(all, field)
			if !strings.HasPrefix(options, "omit") {
				always = append(always, field)
			}
		}
		properties := slices.Sorted(maps.Keys(schema["properties"].(map[string]any)))
		required, _ := schema["required"].([]any)
		if slices.Sort(all); !slices.Equal(all, properties) {
			t.Errorf("%s: the document has the fields %q, the code %q", name, properties, all)
		}
		if !slices.Equal(sortedStrings(required), slices.Sorted(slices.Values(always))) {
			t.Errorf("%s: the document requires %q, the code always gives %q", name, required, always)
		}
	}
}

// The channels on the bus are the subjects that the code knows.
func TestAsyncAPIHasTheSubjects(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../bus/subject.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	inCode := []string{bus.CandleOf("{interval}", "{symbol}"), bus.JoinOf("{conn_id}"), bus.MessageOf("{conn_id}"), bus.LeaveOf("{conn_id}"), bus.Address("{node}", "{conn_id}"),
		bus.AliveOf("{node}"), bus.EdgeOf("{node}"), bus.CalledOf("{run_id}", "{ms}"), bus.UsersOf("{node}")}
	for n := range ast.Preorder(file) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			continue
		}
		for _, value := range spec.Values {
			if literal, ok := value.(*ast.BasicLit); ok && strings.Contains(literal.Value, ".") && !strings.ContainsAny(literal.Value, "*>") {
				inCode = append(inCode, strings.Trim(literal.Value, `"`))
			}
		}
	}
	a := loadAsyncAPI(t)
	var documented []string
	for name := range a.object(t, "#/channels") {
		if address, ok := a.object(t, "#/channels/"+name)["address"].(string); ok && name != "stream" {
			documented = append(documented, address)
		}
	}
	slices.Sort(documented)
	if slices.Sort(inCode); !slices.Equal(documented, inCode) {
		t.Errorf("the document has %q, the code %q", documented, inCode)
	}
}

// The close codes of the document are those that the code can send, and the two
// that a leave may say besides.
func TestAsyncAPIHasTheCloseCodes(t *testing.T) {
	var documented []string
	for _, entry := range loadAsyncAPI(t).object(t, "#/channels/stream")["x-close-codes"].([]any) {
		documented = append(documented, fmt.Sprint(entry.(map[string]any)["code"]))
	}
	codes := map[string]bool{}
	for _, file := range []string{"../gateway/close.go", "../gateway/frame/close.go", "../handler/reply.go"} {
		for _, code := range closeCodes(t, file) {
			codes[strconv.Itoa(code)] = true
		}
	}
	slices.Sort(documented)
	if inCode := slices.Sorted(maps.Keys(codes)); !slices.Equal(documented, inCode) {
		t.Errorf("the document has %q, the code %q", documented, inCode)
	}
}

// The guide for people has the same codes as the document for machines, those
// that a client is sent.
func TestGuideHasTheCodes(t *testing.T) {
	a := loadAsyncAPI(t)
	guide, err := os.ReadFile("protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, entry := range a.object(t, "#/channels/stream")["x-close-codes"].([]any) {
		if entry := entry.(map[string]any); entry["client"] != nil {
			documented = append(documented, fmt.Sprint(entry["code"]))
		}
	}
	for _, code := range a.object(t, "#/components/schemas/Error/properties/code")["enum"].([]any) {
		documented = append(documented, "`"+code.(string)+"`")
	}
	var inGuide []string
	for _, table := range regexp.MustCompile(`\n\| code \|.*\n\|[-|]+\|\n((?:\|.*\n)+)`).FindAllStringSubmatch(string(guide), -1) {
		for row := range strings.Lines(table[1]) {
			inGuide = append(inGuide, strings.TrimSpace(strings.Split(row, "|")[1]))
		}
	}
	slices.Sort(documented)
	if slices.Sort(inGuide); !slices.Equal(inGuide, documented) {
		t.Errorf("the document has %q, the guide %q", documented, inGuide)
	}
}

// closeCodes finds the values of the constants close… and of the Errors in a file.
func closeCodes(t *testing.T, name string) []int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []ast.Expr
	for n := range ast.Preorder(file) {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if len(n.Values) == 1 && strings.HasPrefix(n.Names[0].Name, "close") {
				values = append(values, n.Values[0])
			}
		case *ast.CompositeLit:
			if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "Error" {
				values = append(values, n.Elts[0])
			}
		}
	}
	standard := map[string]ws.StatusCode{
		"StatusNormalClosure": ws.StatusNormalClosure, "StatusGoingAway": ws.StatusGoingAway,
		"StatusProtocolError": ws.StatusProtocolError, "StatusUnsupportedData": ws.StatusUnsupportedData,
		"StatusNoStatusRcvd": ws.StatusNoStatusRcvd, "StatusAbnormalClosure": ws.StatusAbnormalClosure,
		"StatusInvalidFramePayloadData": ws.StatusInvalidFramePayloadData, "StatusPolicyViolation": ws.StatusPolicyViolation,
		"StatusMessageTooBig": ws.StatusMessageTooBig, "StatusInternalServerError": ws.StatusInternalServerError,
	}
	var codes []int
	for _, value := range values {
		if conversion, ok := value.(*ast.CallExpr); ok {
			value = conversion.Args[0]
		}
		switch value := value.(type) {
		case *ast.BasicLit:
			code, err := strconv.Atoi(value.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		case *ast.SelectorExpr:
			code, ok := standard[value.Sel.Name]
			if !ok {
				t.Fatalf("%s: ws.%s is not known here", name, value.Sel.Name)
			}
			codes = append(codes, int(code))
		}
	}
	if codes == nil {
		t.Fatalf("%s: no close code found", name)
	}
	return codes
}

// among are the channels on which a node without others need not say anything, and why.
var among = map[string]string{
	"publisherReleased": "it is said at the end, and there is nobody to take over",
	"nodeCall":          "there is nobody to call",
	"nodeCalled":        "the same",
	"nodeEdge":          "the one node has a vote",
	"keysChanged":       "there is nobody to tell",
	"keysUsed":          "the same",
	"journalMark":       "the same",
	"journalKey":        "the same",
	"journalRevoked":    "the same",
	"journalWithdrawn":  "the same",
}

// TestAsyncAPI listens to a node from both sides, at its WebSocket and on its
// bus, while everything happens that the document knows of.
func TestAsyncAPI(t *testing.T) {
	a := loadAsyncAPI(t)
	exchange := exchangetest.New(t)
	n := start(t, "TICKERD_PRICEFEED_SOURCE=coinbase", "TICKERD_PRICEFEED_COINBASE_URL="+exchange.URL(),
		"TICKERD_PRICEFEED_SYMBOLS=BTC-USD,ETH-USD", "TICKERD_SERVER_DRAIN_SPREAD=100ms",
		"TICKERD_GATEWAY_MAX_CONNECTIONS_PER_USER=10")
	spy := newSpy(t, a, n)
	coinbase := exchange.AcceptCoinbase()
	coinbase.Trade("BTC-USD", "84737.58")
	coinbase.Trade("ETH-USD", "2500.00")
	eventually(t, "ticks", func() bool { return spy.saw("prices") })

	c := connect(t, a, n, n.token(t, n.key), "")
	c.read("welcome", "ticker")
	for message, answer := range map[string]string{
		`{"type":"ping","id":1}`: "pong",
		`{"type":"subscribe","symbols":["btc-usd","ETH-*"],"interval_ms":0,"id":"two"}`: "subscribed",
		`{"type":"subscribe","interval_ms":0}`:                                          "subscribed",
		`{"type":"unsubscribe","symbols":["ETH-*"],"id":3.5}`:                           "unsubscribed",
		`{"type":"refresh","token":"` + n.longToken(t) + `"}`:                           "refreshed",
	} {
		c.send(message)
		c.read(answer)
	}
	coinbase.Trade("BTC-USD", "84737.59")
	c.read("ticker")
	coinbase.Drop()
	c.read("status")
	exchange.AcceptCoinbase()

	key := n.output(t, "key", "create", "--user", "ann", "--symbols", "BTC-*")
	limited := connect(t, a, n, n.token(t, key), "?since=9007199254740991&symbols=BTC-USD&interval=20ms")
	limited.read("welcome", "ticker") // a snapshot: nobody has had that seq
	for message, code := range map[string]string{
		`nonsense`:                                   "bad_json",
		`{"type":"dance","id":1}`:                    "unknown_type",
		`{"type":"subscribe","symbols":["XYZ"]}`:     "bad_symbol",
		`{"type":"subscribe","interval_ms":-1}`:      "bad_interval",
		`{"type":"subscribe","symbols":["ETH-USD"]}`: "forbidden",
		`{"type":"refresh","token":"of no use"}`:     "bad_token",
	} {
		limited.sendRaw(message)
		limited.read("error " + code)
	}
	for range 60 {
		limited.sendRaw(`{"type":"ping"}`)
	}
	limited.read("error rate_limited")

	var keys []auth.Info
	if err := json.Unmarshal([]byte(n.output(t, "key", "list", "--json")), &keys); err != nil {
		t.Fatal(err)
	}
	last := keys[len(keys)-1]
	n.output(t, "key", "revoke", last.ID)
	if code := limited.end(); code != 4500 {
		t.Errorf("closed with %d after the key was revoked", code)
	}
	eventually(t, "a candle's end", func() bool { return spy.saw("closedCandle") })
	spy.ask(bus.Revocations, bus.PriceSnapshot, bus.PriceStatus, bus.PriceStats)
	n.do(t, call{operation: "GET /api/v1/candles?symbol=BTC-USD&interval=1s", header: header("Authorization", "Bearer "+n.token(t, n.key))})

	n.output(t, "nodes")
	if err := spy.conn.Publish(bus.NodeRoll, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the nodes", func() bool { return spy.saw("nodeRoll") && spy.saw("nodeAlive") && spy.saw("nodeUsers") })

	n.drain(t)
	c.read("drain")
	if code := c.end(); code != 1001 {
		t.Errorf("closed with %d after a drain", code)
	}
	eventually(t, "the leave", func() bool { return spy.saw("leave") })

	var codes []string
	for _, code := range a.object(t, "#/components/schemas/Error/properties/code")["enum"].([]any) {
		codes = append(codes, "error "+code.(string))
	}
	seen := map[string]bool{}
	maps.Copy(seen, c.seen)
	maps.Copy(seen, limited.seen)
	for _, message := range append(a.serverMessages(t), codes...) {
		if message != "error" && !seen[message] {
			t.Errorf("%s: in the document, but never seen", message)
		}
	}
	for channel := range a.object(t, "#/channels") {
		if channel != "stream" && among[channel] == "" && !spy.saw(channel) {
			t.Errorf("channel %s: in the document, but never seen", channel)
		}
	}
}

// serverMessages are the types that a client may be sent.
func (a asyncAPI) serverMessages(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, ref := range a.object(t, "#/operations/sendToClient")["messages"].([]any) {
		names = append(names, filepath.Base(ref.(map[string]any)["$ref"].(string)))
	}
	return names
}

// longToken is a token of the user demo that ends later than the node's own.
func (n *node) longToken(t *testing.T) string {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(n.dir, "token.key"))
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := auth.NewSigner([]byte(strings.TrimSpace(string(key))), 2*time.Hour).Sign(bus.ExchangeResult{UserID: "demo", Role: "user"})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A client is a WebSocket connection. Whatever it is sent must be as documented.
type client struct {
	t    *testing.T
	api  asyncAPI
	conn net.Conn
	in   io.Reader
	seen map[string]bool // types, and errors with their codes
}

func connect(t *testing.T, a asyncAPI, n *node, token, query string) *client {
	t.Helper()
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP{"Authorization": {"Bearer " + token}}}
	conn, early, _, err := dialer.Dial(t.Context(), strings.Replace(n.url, "http", "ws", 1)+"/ws/ticker"+query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, api: a, conn: conn, in: conn, seen: map[string]bool{}}
	if early != nil {
		c.in = early
	}
	return c
}

// send sends a message that the document knows.
func (c *client) send(message string) {
	c.t.Helper()
	var head struct{ Type string }
	if err := json.Unmarshal([]byte(message), &head); err != nil {
		c.t.Fatal(err)
	}
	c.api.validate(c.t, c.api.messages(c.t, "stream")[head.Type], []byte(message))
	c.sendRaw(message)
}

func (c *client) sendRaw(message string) {
	c.t.Helper()
	if err := wsutil.WriteClientText(c.conn, []byte(message)); err != nil {
		c.t.Fatal(err)
	}
}

// read reads until each of the types has come, "error" with its code.
func (c *client) read(types ...string) {
	c.t.Helper()
	for len(types) > 0 {
		kind, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for %q: %v", types, err)
		}
		types = slices.DeleteFunc(types, func(t string) bool { return t == kind })
	}
}

// end reads until the connection is closed, and gives the code.
func (c *client) end() ws.StatusCode {
	c.t.Helper()
	for {
		_, err := c.next()
		if closed, ok := errors.AsType[wsutil.ClosedError](err); ok {
			return closed.Code
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *client) next() (kind string, err error) {
	c.t.Helper()
	text, err := wsutil.ReadServerText(struct {
		io.Reader
		io.Writer
	}{c.in, c.conn})
	if err != nil {
		return "", err
	}
	var head struct{ Type, Code string }
	if err := json.Unmarshal(text, &head); err != nil {
		return "", err
	}
	if !slices.Contains(c.api.serverMessages(c.t), head.Type) {
		c.t.Errorf("a client is not sent: %s", text)
		return head.Type, nil
	}
	c.api.validate(c.t, c.api.messages(c.t, "stream")[head.Type], text)
	kind = strings.TrimSpace(head.Type + " " + head.Code)
	c.seen[kind] = true
	return kind, nil
}

// A spy hears everything on the bus. Whatever that is must be as documented.
type spy struct {
	t        *testing.T
	api      asyncAPI
	conn     *bus.Conn
	channels map[string]*regexp.Regexp // by name

	mu    sync.Mutex
	heard map[string]bool     // channels
	asked map[string][]string // reply subject, and the messages that may come there
}

func newSpy(t *testing.T, a asyncAPI, n *node) *spy {
	t.Helper()
	s := &spy{t: t, api: a, conn: n.operator(t), channels: map[string]*regexp.Regexp{}, heard: map[string]bool{}, asked: map[string][]string{}}
	for name := range a.object(t, "#/channels") {
		address, ok := a.object(t, "#/channels/"+name)["address"].(string)
		if ok && name != "stream" {
			pattern := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(address), `[^.]+`)
			s.channels[name] = regexp.MustCompile("^" + pattern + "$")
		}
	}
	if _, err := s.conn.Subscribe(">", s.hear); err != nil {
		t.Fatal(err)
	}
	if err := s.conn.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *spy) hear(m *bus.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if expected, ok := s.asked[m.Subject]; ok {
		s.heard["reply"] = true
		s.check(m, expected)
		return
	}
	if strings.HasPrefix(m.Subject, "$") || strings.HasPrefix(m.Subject, "_INBOX.") || strings.HasPrefix(m.Subject, "history.") {
		return // NATS's own, and what the history keeps there for itself
	}
	channel := s.channel(m.Subject)
	if channel == "" {
		s.t.Errorf("on the bus, but not in the document: %s", m.Subject)
		return
	}
	s.heard[channel] = true
	if _, none := bus.NoResponders(m); none {
		return
	}
	messages := slices.Collect(maps.Values(s.api.messages(s.t, channel)))
	s.check(m, messages)
	if m.Reply != "" && s.channel(m.Reply) == "" {
		s.asked[m.Reply] = s.replies(channel)
	}
}

// check holds a message against those that a channel carries.
func (s *spy) check(m *bus.Msg, messages []string) {
	if len(messages) != 1 {
		s.t.Errorf("%s: %d messages may come here", m.Subject, len(messages))
		return
	}
	s.api.validate(s.t, messages[0], m.Data)
	for name := range s.headers(messages[0]) {
		if m.Header.Get(name) == "" {
			s.t.Errorf("%s: no header %s", m.Subject, name)
		}
	}
}

func (s *spy) headers(message string) map[string]any {
	ref, ok := s.api.object(s.t, message)["headers"].(map[string]any)
	if !ok {
		return nil
	}
	return s.api.object(s.t, ref["$ref"].(string))["properties"].(map[string]any)
}

// replies are the messages with which a channel's are answered.
func (s *spy) replies(channel string) []string {
	var list []string
	for name := range s.api.object(s.t, "#/operations") {
		operation := s.api.object(s.t, "#/operations/"+name)
		if operation["channel"].(map[string]any)["$ref"] != "#/channels/"+channel {
			continue
		}
		if reply, ok := operation["reply"].(map[string]any); ok {
			for _, ref := range reply["messages"].([]any) {
				name := filepath.Base(ref.(map[string]any)["$ref"].(string))
				list = append(list, s.api.messages(s.t, "reply")[name])
			}
		}
	}
	return list
}

// channel is the name of the channel with a subject.
func (s *spy) channel(subject string) string {
	for name, pattern := range s.channels {
		if pattern.MatchString(subject) {
			return name
		}
	}
	return ""
}

// ask asks with nothing, on each of the subjects.
func (s *spy) ask(subjects ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for _, subject := range subjects {
		var answer json.RawMessage
		if err := s.conn.Request(ctx, subject, struct{}{}, &answer); err != nil {
			s.t.Error(err)
		}
	}
}

func (s *spy) saw(channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard[channel]
}

func sortedStrings(list []any) []string {
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = fmt.Sprint(item)
	}
	slices.Sort(texts)
	return texts
}
