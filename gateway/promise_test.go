package gateway_test

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"tickerd/ticker"
)

// A rule is one step of a client's subscription; of all that were ever made, the
// last that matches a symbol decides.
type rule struct {
	pattern string
	add     bool
}

// A question is a client's message, and what it must be answered.
type question struct {
	id    string              // as it is echoed; empty: it is not
	want  []string            // the answer's type, or an error's code: one of these
	then  func(message) error // what it changes, if it is not refused; nil: nothing that is sent
	asked time.Time
}

// A promise is what one connection must be sent, by the contract: it is held
// against each message that comes. Its client remembers what it has been shown.
type promise struct {
	*market
	rules    []rule
	hidden   string // the symbol that the token may not see; empty: none
	interval time.Duration
	sees     []bool // each symbol; by the rules and the token

	asked []question // not answered yet
	owed  bool       // a snapshot comes before any tick
	fresh int        // how many events the gateway had when the connection was opened
	joint int        // so many messages may repeat prices: others had not had them
	began time.Time  // since when the interval counts at the latest
	count int        // updates since then

	seq   uint64   // of the last ticker message
	quiet int      // how many events were before the next that is to be sent
	shown []string // prices, by symbol
	told  []string // the state of each symbol; empty: live
	tally tally
}

func newPromise(m *market) *promise {
	return &promise{market: m, shown: make([]string, len(m.names)), told: make([]string, len(m.names)), tally: tally{}}
}

// begin is with a new connection. One that resumes goes on with what it shows.
func (p *promise) begin(rules []rule, hidden string, interval time.Duration, resume bool) {
	p.rules, p.hidden, p.interval = rules, hidden, interval
	p.asked, p.owed, p.fresh, p.joint = nil, false, len(p.past()), 0
	clear(p.told)
	p.ask(question{want: []string{"welcome"}, then: func(m message) error { return p.welcome(m, resume) }})
}

// recent is for how long what a client has missed can be resumed at least.
const recent = 3 * time.Second

// resuming is how many messages may repeat prices after a resumption: what was
// missed, and then what others wait for.
const resuming = 2

// welcome begins with a snapshot, unless what was missed follows.
func (p *promise) welcome(m message, resume bool) error {
	switch {
	case resume != (m.Resumed != nil):
		return fmt.Errorf("resume: %t", resume)
	case resume && *m.Resumed:
		p.joint = resuming
		p.tally[resumed]++
		return nil
	}
	p.owed = true
	events := p.past()
	if i, _ := find(events, p.seq); resume && i > 0 && !p.lost(events) && (i+1 == len(events) || time.Since(events[i+1].at) < recent) {
		return fmt.Errorf("not resumed after %d", p.seq)
	}
	return nil
}

// lost reports whether one of the events after what the client has had was lost on its way.
func (p *promise) lost(events []event) bool {
	i, _ := find(events, p.seq)
	return slices.ContainsFunc(events[i+1:], func(e event) bool { return e.lost })
}

// complete reports whether all that is seen is shown.
func (p *promise) complete() bool { return p.seq > 0 && !p.owed }

// seesAll reports whether all is seen but what is hidden.
func (p *promise) seesAll() bool {
	for i, name := range p.names {
		if !p.sees[i] && name != p.hidden {
			return false
		}
	}
	return true
}

// showing is the symbols whose prices are shown, but a hidden one.
func (p *promise) showing(hidden string) (names []string) {
	for i, name := range p.names {
		if p.shown[i] != "" && name != hidden {
			names = append(names, name)
		}
	}
	return names
}

// open says what is yet to come.
func (p *promise) open() string {
	events := p.past()
	next := "no tick"
	if p.quiet < len(events) {
		next = fmt.Sprintf("tick %d", events[p.quiet].seq)
	}
	return fmt.Sprintf("%d answers, a snapshot: %t, %s after %d, states %q for %q", len(p.asked), p.owed, next, p.seq, p.state(p.hidden), p.told)
}

// look finds out what is seen now.
func (p *promise) look() {
	p.sees = make([]bool, len(p.names))
	for i, name := range p.names {
		p.sees[i] = p.matches(name) && name != p.hidden
		if !p.sees[i] {
			p.shown[i] = ""
		}
		if name == p.hidden {
			p.told[i] = ""
		}
	}
	p.count = 0
}

// matches reports whether the rules let a symbol through.
func (p *promise) matches(name string) bool {
	for _, r := range slices.Backward(p.rules) {
		if ok, err := path.Match(r.pattern, name); ok && err == nil {
			return r.add
		}
	}
	return false
}

// owes reports whether something is yet to be sent.
func (p *promise) owes() bool {
	if len(p.asked) > 0 || p.owed || !slices.Equal(p.told, p.state(p.hidden)) {
		return true
	}
	events := p.past()
	for p.quiet < len(events) && !p.concerns(events[p.quiet]) {
		p.quiet++
	}
	return p.quiet < len(events)
}

// concerns reports whether a tick changed something that is seen.
func (p *promise) concerns(e event) bool {
	return slices.ContainsFunc(e.news, func(i int) bool { return p.sees[i] })
}

// take holds that a message may come now.
func (p *promise) take(m message) error {
	if len(p.asked) > 0 && p.asked[0].want[0] == "welcome" && m.Type != "welcome" {
		return errors.New("want the welcome")
	}
	switch m.Type {
	case "ticker":
		return p.ticker(m)
	case "status":
		return p.status(m)
	default:
		return p.answer(m)
	}
}

// ticker holds that a message brings everything that is due, and nothing else.
func (p *promise) ticker(m message) error {
	events := p.past()
	n, found := find(events, m.Seq)
	switch {
	case !found:
		return errors.New("no such tick")
	case m.Seq < p.seq || m.Seq == p.seq && !m.Snapshot:
		return fmt.Errorf("seq after %d", p.seq)
	case m.TS != int64(m.Seq)*1000 && m.Seq > 0:
		return errors.New("another tick's ts")
	case m.Snapshot && p.joint == resuming && p.missed(events) && !p.lost(events[:n+1]): // a gap may show after the welcome
		return errors.New("want what was missed")
	case m.Snapshot:
		clear(p.shown)
		if !p.owed && p.interval == 0 {
			p.tally[skipped]++
		}
	case p.owed:
		return errors.New("want a snapshot")
	case len(m.Data) == 0:
		return errors.New("nothing new")
	default:
		if err := p.inTime(events, n); err != nil {
			return err
		}
	}
	if err := p.prices(m, events[n]); err != nil {
		return err
	}
	p.seq, p.quiet, p.owed, p.joint = m.Seq, n+1, false, max(p.joint-1, 0)
	if m.Snapshot {
		p.joint = 1
	}
	return nil
}

// missed reports whether ticks that concern the client were published before it
// came back, and all of them not long ago.
func (p *promise) missed(events []event) bool {
	return p.quiet < p.fresh && time.Since(events[p.quiet].at) < recent && slices.ContainsFunc(events[p.quiet:p.fresh], p.concerns)
}

// inTime holds that no tick is left out before event n, and with an interval,
// that not too many come.
func (p *promise) inTime(events []event, n int) error {
	p.tally[ticked]++
	p.count++
	if p.interval > 0 {
		p.tally[late]++
		// One is that of the first moment, and one what was missed until then.
		if most := int(time.Since(p.began)/p.interval) + 2; p.count > most {
			return fmt.Errorf("update %d, at most %d are due", p.count, most)
		}
		return nil
	}
	for last, _ := find(events, p.seq); last+1 < n; last++ {
		if p.concerns(events[last+1]) {
			return fmt.Errorf("tick %d left out after %d", events[last+1].seq, p.seq)
		}
	}
	return nil
}

// prices holds that a message has the prices of an event, byte for byte: of all
// symbols that are seen in a snapshot, else of those that changed since the last
// message.
func (p *promise) prices(m message, e event) error {
	count := 0
	for i, q := range e.quotes {
		if !p.sees[i] || q.json == "" {
			continue
		}
		due := m.Snapshot || q.seq > p.seq
		if !due && (p.joint == 0 || p.interval == 0) {
			continue
		}
		switch {
		case strings.Contains(m.raw, q.json):
			count++
			p.shown[i] = q.json
		case due:
			return fmt.Errorf("%s is left out after %d", q.json, p.seq)
		}
	}
	if count != len(m.Data) {
		return fmt.Errorf("%d prices, of which %d are due after %d", len(m.Data), count, p.seq)
	}
	return nil
}

// status holds that the news are of what may be seen.
func (p *promise) status(m message) error {
	for _, s := range m.Symbols {
		i := slices.Index(p.names, s)
		if i < 0 || s == p.hidden {
			return fmt.Errorf("told of %s", s)
		}
		p.told[i] = remembered(m.State)
	}
	return nil
}

// ask notes a question.
func (p *promise) ask(q question) {
	q.asked = time.Now()
	p.asked = append(p.asked, q)
}

// answer holds that a message answers the first question that is open.
func (p *promise) answer(m message) error {
	if len(p.asked) == 0 {
		return errors.New("nothing was asked")
	}
	p.tally[answered]++
	q := p.asked[0]
	p.asked = p.asked[1:]
	kind := m.Type
	if kind == "error" {
		kind = m.Code
	}
	switch {
	case !slices.Contains(q.want, kind) || string(m.ID) != q.id:
		return fmt.Errorf("question %s must be answered with %q", q.id, q.want)
	case p.owed:
		return errors.New("want a snapshot")
	case m.Type == "error" || q.then == nil:
		return nil
	}
	p.began = q.asked
	if err := q.then(m); err != nil {
		return err
	}
	p.look()
	return p.subscription(m)
}

// subscription holds that a message tells what is subscribed.
func (p *promise) subscription(m message) error {
	if m.Type == "refreshed" {
		return nil
	}
	for _, name := range append([]string{"OTHER-EUR"}, p.names...) {
		if ticker.Rules(m.Symbols).Match(ticker.Symbol(name)) != p.matches(name) {
			return fmt.Errorf("%s is subscribed: %t", name, p.matches(name))
		}
	}
	if m.Type != "unsubscribed" && m.Interval != p.interval.Milliseconds() {
		return fmt.Errorf("the interval is %v", p.interval)
	}
	return nil
}

// wrong is what the client shows and is not so, when all was sent.
func (p *promise) wrong() (list []string) {
	events := p.past()
	for i, q := range events[len(events)-1].quotes {
		if p.sees[i] && p.shown[i] != q.json {
			list = append(list, fmt.Sprintf("%s instead of %s", p.shown[i], q.json))
		}
	}
	return list
}
