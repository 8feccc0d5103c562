package pricefeed

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
	"tickerd/bus/bustest"
	"tickerd/pricefeed/exchange"
	"tickerd/ticker"
)

const patience = 10 * time.Second

// wire is what goes over the bus.
type wire struct {
	t    *testing.T
	conn *bus.Conn
	msgs chan *bus.Msg
}

// listen receives everything on the subjects.
func listen(t *testing.T, s *bus.Server, subjects ...string) *wire {
	t.Helper()
	w := &wire{t, bustest.Connect(t, s, "listener"), make(chan *bus.Msg, 1<<16)}
	for _, subject := range subjects {
		if _, err := w.conn.SubscribeChan(subject, w.msgs); err != nil {
			t.Fatal(err)
		}
	}
	w.flush()
	return w
}

func (w *wire) flush() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.conn.Flush(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// next waits for the next message.
func (w *wire) next() *bus.Msg {
	w.t.Helper()
	select {
	case m := <-w.msgs:
		return m
	case <-time.After(patience):
		w.t.Fatalf("nothing on the bus within %v", patience)
		return nil
	}
}

// tick waits for the next message, which must be a tick.
func (w *wire) tick() ticker.Tick {
	w.t.Helper()
	m := w.next()
	if m.Subject != bus.Prices {
		w.t.Fatalf("got %s %s, want a tick", m.Subject, m.Data)
	}
	return parseTick(w.t, m.Data)
}

// status waits for the next message, which must be a status.
func (w *wire) status() bus.Status {
	w.t.Helper()
	return parseStatus(w.t, w.next())
}

// parseStatus reads a message that must be a status.
func parseStatus(t *testing.T, m *bus.Msg) bus.Status {
	t.Helper()
	var s bus.Status
	if err := json.Unmarshal(m.Data, &s); err != nil || m.Subject != bus.StatusNews || s.Type != "status" {
		t.Fatalf("got %s %s (%v), want a status", m.Subject, m.Data, err)
	}
	return s
}

// ask requests once, of a feed that may not have come so far, and waits for the
// answer.
func (w *wire) ask(subject string) []byte {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		var answer json.RawMessage
		err := w.conn.Request(ctx, subject, nil, &answer)
		if errors.Is(err, bus.ErrNoResponders) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return answer
	}
}

// parseTick reads a tick and checks that it is written in the one way.
func parseTick(t *testing.T, msg []byte) ticker.Tick {
	t.Helper()
	var scanned ticker.Scanned
	if err := ticker.Scan(msg, &scanned); err != nil {
		t.Fatal(err)
	}
	tick := ticker.Tick{Seq: scanned.Seq, TS: scanned.TS}
	for _, e := range scanned.Data {
		var p struct {
			Symbol    ticker.Symbol
			Price     json.RawMessage
			Timestamp int64
		}
		if err := json.Unmarshal(e.JSON, &p); err != nil {
			t.Fatal(err)
		}
		tick.Data = append(tick.Data, ticker.Price{Symbol: p.Symbol, Price: ticker.Decimal(p.Price), Timestamp: p.Timestamp})
	}
	plain := strings.Replace(string(msg), `"snapshot":true,`, "", 1)
	if again := string(tick.AppendJSON(nil)); again != plain {
		t.Fatalf("%s is not written as %s", msg, again)
	}
	return tick
}

// discard is for logs.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run starts a feed, and returns how to stop it and wait for its end.
func run(t *testing.T, s *bus.Server, cfg Config) (f *Feed, stop func()) {
	t.Helper()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	f, err := New(cfg, Parts{Bus: bustest.Connect(t, s, "pricefeed"), Node: s.Node(), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	return f, start(t, f)
}

func start(t *testing.T, f *Feed) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Fatalf("Run goes on %v after its end", patience)
		}
	}
	t.Cleanup(stop)
	return stop
}

func simulated() Config {
	cfg := Defaults()
	cfg.Seed = 1
	return cfg
}

func TestSimulatorOnTheBus(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices, bus.StatusNews)
	cfg := simulated()
	cfg.Symbols = []string{"SOL-USD", "BTC-USD", "ETH-USD"}
	cfg.Interval = time.Millisecond
	begin := time.Now()
	f, stop := run(t, s, cfg)

	var want prices
	reference := newSimulator([]ticker.Symbol{"SOL-USD", "BTC-USD", "ETH-USD"}, 1)
	var last ticker.Tick
	for range 200 {
		m := w.next()
		if m.Subject != bus.Prices {
			t.Fatalf("the simulator says %s %s", m.Subject, m.Data)
		}
		if node, term := m.Header.Get(bus.HeaderNode), m.Header.Get(bus.HeaderTerm); node != bustest.Node || term == "" || term == "0" {
			t.Fatalf("headers %v", m.Header)
		}
		tick := parseTick(t, m.Data)
		if last.Seq != 0 && tick.Seq != last.Seq+1 {
			t.Fatalf("seq %d after %d", tick.Seq, last.Seq)
		}
		if tick.TS <= last.TS || tick.TS < begin.UnixMicro() || tick.TS > time.Now().UnixMicro() {
			t.Fatalf("ts %d after %d", tick.TS, last.TS)
		}
		// Each message is one step, whole and in the configured order.
		want = want[:0]
		reference.Step(time.UnixMicro(tick.TS), &want)
		if !slices.Equal(tick.Data, want) {
			t.Fatalf("seq %d: %v, want %v", tick.Seq, tick.Data, want)
		}
		last = tick
	}
	if err := f.Ready(); err != nil {
		t.Error(err)
	}
	stop()
	if got := f.Stats(); got.Ticks < 200 || got.Prices != 3*got.Ticks || got.Failures != 0 {
		t.Errorf("%+v", got)
	}
	w.flush()
	if published, received := f.Stats().Ticks, uint64(200+len(w.msgs)); published != received {
		t.Errorf("published %d, received %d", published, received)
	}
}

func TestFeedTakesTheInterval(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	cfg := simulated()
	cfg.Interval = 500 * time.Millisecond
	run(t, s, cfg)
	if first, second := w.tick(), w.tick(); second.TS-first.TS < 100_000 { // the first may be late
		t.Errorf("%d µs between two ticks", second.TS-first.TS)
	}
}

func TestSeqAndTermGrowOverRestarts(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	var lastSeq, lastTerm uint64
	for range 3 {
		_, stop := run(t, s, simulated())
		first := w.next()
		stop()
		w.flush()
		seqs := []uint64{parseTick(t, first.Data).Seq}
		for range len(w.msgs) {
			seqs = append(seqs, w.tick().Seq)
		}
		term, err := strconv.ParseUint(first.Header.Get(bus.HeaderTerm), 10, 64)
		if err != nil || term <= lastTerm {
			t.Errorf("term %q after %d", first.Header.Get(bus.HeaderTerm), lastTerm)
		}
		if lastSeq != 0 && seqs[0] != lastSeq+1 {
			t.Errorf("seq %d after %d, though its holder gave the rest back", seqs[0], lastSeq)
		}
		lastSeq, lastTerm = seqs[len(seqs)-1], term
	}
}

func TestSnapshot(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	_, stop := run(t, s, simulated())
	ticks := make(map[uint64]ticker.Tick)
	for range 10 {
		tick := w.tick()
		ticks[tick.Seq] = tick
	}
	text := w.ask(bus.PriceSnapshot)
	if !strings.HasPrefix(string(text), `{"type":"ticker","snapshot":true,"seq":`) {
		t.Fatalf("%s", text)
	}
	snapshot := parseTick(t, text)
	stop()
	w.flush()
	for range len(w.msgs) {
		tick := w.tick()
		ticks[tick.Seq] = tick
	}
	tick := ticks[snapshot.Seq]
	if snapshot.Seq == 0 || tick.TS != snapshot.TS || !slices.Equal(tick.Data, snapshot.Data) {
		t.Errorf("snapshot %v of tick %v", snapshot, tick)
	}
}

// Who asks with a reply subject of its own that it listens to beside the ticks
// gets the snapshot in its place.
func TestSnapshotComesInOrder(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices, "test.reply")
	cfg := simulated()
	cfg.Interval = time.Millisecond
	run(t, s, cfg)
	w.tick()
	for range 20 {
		if err := w.conn.Ask(bus.PriceSnapshot, "test.reply", nil); err != nil {
			t.Fatal(err)
		}
		var before uint64
		for {
			m := w.next()
			tick := parseTick(t, m.Data)
			if m.Subject == bus.Prices {
				before = tick.Seq
				continue
			}
			if before != 0 && tick.Seq != before {
				t.Fatalf("a snapshot of %d between %d and the next", tick.Seq, before)
			}
			if next := w.tick(); next.Seq != tick.Seq+1 {
				t.Fatalf("a snapshot of %d before %d", tick.Seq, next.Seq)
			}
			break
		}
	}
}

func TestStatusOfTheSimulatorIsEmpty(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s)
	run(t, s, simulated())
	if got := string(w.ask(bus.PriceStatus)); got != "[]" {
		t.Errorf("got %s", got)
	}
}

func TestNoSource(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, "ticker.>")
	cfg := Defaults()
	cfg.Source = SourceNone
	f, stop := run(t, s, cfg)
	if err := f.Ready(); err != nil {
		t.Error(err)
	}
	stop()
	w.flush()
	if len(w.msgs) != 0 {
		t.Errorf("published %s", w.next().Data)
	}
	if got := f.Stats(); !reflect.DeepEqual(got, Stats{}) {
		t.Errorf("%+v", got)
	}
}

func TestNewRefusesWhatValidateWould(t *testing.T) {
	for _, change := range []func(*Config){
		func(c *Config) { c.Source = "krake" },
		func(c *Config) { c.Source, c.Replay.File = SourceReplay, "nowhere" },
		func(c *Config) { c.Symbols = []string{"?"} },
	} {
		cfg := Defaults()
		change(&cfg)
		if _, err := New(cfg, Parts{Log: discard()}); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// records passes log records on.
type records chan slog.Record

func (records) Enabled(context.Context, slog.Level) bool { return true }
func (r records) WithAttrs([]slog.Attr) slog.Handler     { return r }
func (r records) WithGroup(string) slog.Handler          { return r }
func (r records) Handle(_ context.Context, record slog.Record) error {
	r <- record
	return nil
}

// await waits for a record of that message.
func (r records) await(t *testing.T, message string) {
	t.Helper()
	for timeout := time.After(patience); ; {
		select {
		case record := <-r:
			if record.Message == message {
				return
			}
		case <-timeout:
			t.Fatalf("%q was not logged within %v", message, patience)
		}
	}
}

// Without a store there is no lease: it is asked for again and again, and the
// node lives.
func TestBusWithoutStore(t *testing.T) {
	s := bustest.New(t)
	conn := bustest.Connect(t, s, "pricefeed")
	conn.Close()
	log := make(records, 1000)
	f, err := New(simulated(), Parts{Bus: conn, Node: s.Node(), Log: slog.New(log)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		f.keepLease(ctx)
	}()
	log.await(t, "open the publisher's lease")
	if err := f.Ready(); !errors.Is(err, ErrNoTick) {
		t.Errorf("ready: %v", err)
	}
	cancel()
	<-over
}

// A lease that another holder has taken is noticed when it is to be extended,
// and taken back.
func TestLeaseIsTakenAgain(t *testing.T) {
	s := bustest.New(t)
	f, err := New(simulated(), Parts{Bus: bustest.Connect(t, s, "pricefeed"), Node: s.Node(), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	over := make(chan struct{})
	go func() {
		defer close(over)
		f.keepLease(ctx)
	}()
	first := <-f.leases
	before, err := first.NextSeq()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bustest.Connect(t, s, "thief").AcquireLease(ctx, "thief"); err != nil {
		t.Fatal(err)
	}
	for lost := false; !lost; {
		select {
		case none := <-f.leases:
			if lost = none == nil; !lost {
				t.Fatal("another lease before the first one is lost")
			}
		default:
			if _, err := first.NextSeq(); err != nil && !errors.Is(err, bus.ErrSeqExhausted) {
				t.Fatal(err)
			}
		}
	}
	second := <-f.leases
	after, err := second.NextSeq()
	if err != nil || after <= before || second.Term() <= first.Term() {
		t.Errorf("seq %d after %d, term %d after %d (%v)", after, before, second.Term(), first.Term(), err)
	}
	cancel()
	<-f.leases
	<-over
}

// With a new lease everything is told again, and its term is on every tick.
func TestHold(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices, bus.StatusNews)
	cfg := simulated()
	cfg.Source = SourceCoinbase
	f, err := New(cfg, Parts{Bus: bustest.Connect(t, s, "pricefeed"), Node: s.Node(), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	var lastTerm string
	for i := range 2 {
		lease, err := f.bus.AcquireLease(t.Context(), f.node)
		if err != nil {
			t.Fatal(err)
		}
		board := f.origins[0].board
		board.Link(true)
		board.Price(price("ETH-USD", ticker.Decimal(strconv.Itoa(i+1)), 10))
		if err := f.hold(lease); err != nil {
			t.Fatal(err)
		}
		f.turn(time.Now())
		if got := w.status(); got.State != down || !slices.Equal(got.Symbols, []string{"BTC-USD", "SOL-USD"}) {
			t.Errorf("%+v", got)
		}
		if got := w.status(); got.State != live || !slices.Equal(got.Symbols, []string{"ETH-USD"}) {
			t.Errorf("%+v", got)
		}
		m := w.next()
		if term := m.Header.Get(bus.HeaderTerm); term == lastTerm || m.Subject != bus.Prices {
			t.Errorf("%s with term %q after %q", m.Subject, term, lastTerm)
		} else {
			lastTerm = term
		}
	}
	if len(w.msgs) != 0 {
		t.Errorf("%d more messages", len(w.msgs))
	}
}

// What could not be published is published later, once, and no step of the
// simulator is lost or doubled.
func TestFailedTickIsTriedAgain(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.Prices)
	good, bad := bustest.Connect(t, s, "pricefeed"), bustest.Connect(t, s, "closed")
	bad.Close()
	f, err := New(simulated(), Parts{Bus: good, Node: s.Node(), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := good.AcquireLease(t.Context(), f.node)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.hold(lease); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		f.bus = good
		if i == 2 || i == 3 {
			f.bus = bad
		}
		f.turn(time.Now())
		if err := f.Ready(); (err != nil) != (f.bus == bad) {
			t.Errorf("turn %d: ready: %v", i, err)
		}
	}
	var want prices
	reference := newSimulator(f.symbols, 1)
	for range 4 {
		tick := w.tick()
		want = want[:0]
		reference.Step(time.Now(), &want)
		for i := range want {
			if tick.Data[i].Price != want[i].Price {
				t.Errorf("%v, want %v", tick.Data, want)
			}
		}
	}
	if got := f.Stats(); got.Ticks != 4 || got.Failures != 2 || len(w.msgs) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestFailedStatusIsToldAgain(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s, bus.StatusNews)
	good, bad := bustest.Connect(t, s, "pricefeed"), bustest.Connect(t, s, "closed")
	bad.Close()
	cfg := Defaults()
	cfg.Source = SourceCoinbase
	f, err := New(cfg, Parts{Bus: good, Node: s.Node(), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	if f.lease, err = good.AcquireLease(t.Context(), s.Node()); err != nil {
		t.Fatal(err)
	}
	for _, f.bus = range []*bus.Conn{bad, bad, good, good} {
		f.watch(time.Now())
	}
	w.flush()
	if err := good.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.status(); got.State != down || len(got.Symbols) != 3 {
		t.Errorf("%+v", got)
	}
	if w.flush(); len(w.msgs) != 0 {
		t.Errorf("%s as well", w.next().Data)
	}
}

// ending is a source that comes to its end.
type ending struct{ err error }

func (e ending) Run(context.Context, exchange.Sink) error { return e.err }
func (ending) Stats() exchange.Stats                      { return exchange.Stats{} }
func (ending) Subscribe([]ticker.Symbol)                  {}
func (ending) Candles(context.Context, ticker.Symbol, time.Duration, time.Time) ([]ticker.Candle, error) {
	return nil, nil
}

func TestSourceFails(t *testing.T) {
	s := bustest.New(t)
	cfg := Defaults()
	cfg.Source = SourceCoinbase
	broken := errors.New("broken")
	for _, source := range []ending{{broken}, {nil}} {
		f, err := New(cfg, Parts{Bus: bustest.Connect(t, s, "pricefeed"), Node: s.Node(), Log: discard()})
		if err != nil {
			t.Fatal(err)
		}
		f.origins[0].source = source
		if err := f.Run(t.Context()); err == nil || !errors.Is(err, source.err) && source.err != nil {
			t.Errorf("%v: Run: %v", source.err, err)
		}
	}
}

func TestRequestWithoutReply(t *testing.T) {
	s := bustest.New(t)
	w := listen(t, s)
	run(t, s, simulated())
	w.ask(bus.PriceStatus)
	for _, subject := range []string{bus.PriceSnapshot, bus.PriceStatus} {
		if err := w.conn.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	w.ask(bus.PriceStatus)
}

func TestStamp(t *testing.T) {
	now := time.UnixMicro(1_700_000_000_000_000)
	for name, tt := range map[string]struct{ last, want int64 }{
		"first":                {0, 1_700_000_000_000_000},
		"later":                {1_699_999_999_990_000, 1_700_000_000_000_000},
		"the same microsecond": {1_700_000_000_000_000, 1_700_000_000_000_001},
		"a little back":        {1_700_000_000_999_999, 1_700_000_001_000_000},
		"set back":             {1_700_000_001_000_000, 1_700_000_000_000_000},
	} {
		if got := stamp(now, tt.last); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
