package cluster

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"tickerd/bus"
)

const (
	beatEvery   = 500 * time.Millisecond
	touchWithin = 5 * time.Second

	// quietTurns is for how many turns, one each beatEvery, the beat of a node that is no
	// voter counts: nobody must hear at once that it is silent, and there may be hundreds.
	quietTurns = 4

	// goneTurns is for how many turns, one each beatEvery, a node is silent before it
	// counts as gone. A turn that this process slept through is none.
	goneTurns = int(10 * time.Second / beatEvery)

	// rollPause is between two beats that somebody has asked for.
	rollPause = 50 * time.Millisecond

	// complainEvery is how often the log tells of what is wrong and stays so.
	complainEvery = time.Minute
)

// live beats and takes what comes until ctx ends; its last beat says goodbye.
func (c *Cluster) live(ctx context.Context, in <-chan *bus.Msg, send func(*bus.Msg) error) {
	c.send = send
	clock := time.NewTicker(beatEvery)
	defer clock.Stop()
	c.turn()
	for {
		select {
		case <-ctx.Done():
			said := c.report()
			said.State = Gone
			c.publish(&bus.Msg{Subject: said.subject()}, said)
			return
		case <-clock.C:
			c.turn()
		case <-c.changed:
			c.beat()
		case m := <-in:
			c.take(m)
		}
	}
}

// turn is what is to be done every beatEvery.
func (c *Cluster) turn() {
	if c.cfg.Voters != nil {
		voters := c.cfg.Voters()
		c.mu.Lock()
		c.voters = voters
		c.mu.Unlock()
	}
	for _, m := range c.roll {
		if m.silent++; m.silent > goneTurns && m.Node.Node != c.cfg.Node {
			c.strike(m, "silent")
		}
	}
	if own := c.roll[c.cfg.Node]; own == nil || own.Voter || c.turns%quietTurns == 0 {
		c.beat()
	}
	c.turns++
	c.judge()
	if c.isToCall() {
		since := strconv.FormatInt(time.Since(c.began).Milliseconds(), 10)
		c.post(&bus.Msg{Subject: bus.NodeCall, Reply: bus.CalledOf(c.runID, since)})
	}
}

// isToCall reports whether there is a voter of which beats may come but do not count, or
// whether this node itself is such a one, or alone.
func (c *Cluster) isToCall() bool {
	now := time.Now()
	for _, m := range c.roll {
		itself := m.Node.Node == c.cfg.Node && (m.Voter || c.cfg.Alone)
		if !m.isHeard(now) && (itself || m.Voter && now.Sub(m.beat) < touchWithin) {
			return true
		}
	}
	return false
}

// report is what this node says of itself.
func (c *Cluster) report() Node {
	n := c.cfg.Report()
	n.Node, n.RunID, n.Voters, n.LagMS = c.cfg.Node, c.runID, c.voters, max(n.LagMS, 0)
	if n.State == Ready && !c.InTouch() {
		n.State = CutOff
	}
	return n
}

// beat publishes what this node says of itself.
func (c *Cluster) beat() {
	said, now := c.report(), time.Now()
	m := c.roll[said.Node]
	if m == nil {
		m = &member{beat: now}
		if c.cfg.Alone {
			m.lived = now // the bus has let it in
		}
	}
	c.mu.Lock()
	m.Node = said
	c.roll[said.Node] = m
	c.mu.Unlock()
	c.beaten = now
	c.publish(&bus.Msg{Subject: said.subject()}, said)
}

// take does what a message asks for, or learns from it.
func (c *Cluster) take(m *bus.Msg) {
	switch {
	case m.Subject == bus.NodeList:
		if m.Reply != "" {
			c.publish(&bus.Msg{Subject: m.Reply}, c.Nodes())
		}
	case m.Subject == bus.NodeRoll:
		if time.Since(c.beaten) >= rollPause {
			c.beat()
		}
	case m.Subject == bus.NodeCall:
		run, _, isCall := bus.Called(m.Reply)
		if said := c.report(); isCall && (said.Voter || c.cfg.Alone && run == c.runID) {
			c.publish(&bus.Msg{Subject: m.Reply}, said)
		}
	default:
		c.learn(m)
	}
}

// learn takes a beat, or an answer to a call.
func (c *Cluster) learn(m *bus.Msg) {
	n, err := readNode(m.Data)
	if err != nil {
		c.cfg.Log.Debug("beat not understood", "subject", m.Subject, "err", err)
		return
	}
	now := time.Now()
	lived := time.Time{}
	if run, since, isAnswer := bus.Called(m.Subject); isAnswer && run == c.runID {
		ms, err := strconv.ParseInt(since, 10, 64)
		if err != nil || ms < 0 || ms > now.Sub(c.began).Milliseconds() {
			return // no call of ours
		}
		lived = c.began.Add(time.Duration(ms) * time.Millisecond)
	} else if m.Subject != n.subject() {
		c.cfg.Log.Debug("beat in another node's name", "subject", m.Subject, "node", n.Node)
		return
	}
	c.hear(n, lived, now)
	if n.Voter || n.Node == c.cfg.Node {
		c.judge()
	}
}

// hear takes what a node says of itself. It lived then, which is zero for a beat: this
// may be old, and counts as new only where one of the last five seconds went before.
func (c *Cluster) hear(n Node, lived, now time.Time) {
	m := c.enrol(n)
	if m == nil {
		return
	}
	if lived.IsZero() && m.isHeard(now) {
		lived = now
	}
	c.mu.Lock()
	if lived.After(m.lived) {
		m.lived = lived
	}
	m.beat, m.silent = now, 0
	if n.Node != c.cfg.Node { // which knows better by now
		m.Node = n
	}
	c.roll[n.Node] = m
	c.mu.Unlock()
	if own := c.roll[c.cfg.Node].TokenKey; own != "" && n.TokenKey != "" && own != n.TokenKey && n.Node != c.cfg.Node {
		c.complain(&m.toldKey, "nodes sign tokens with different keys: give all of them the same auth.token_key",
			"node", n.Node, "its_key", n.TokenKey, "our_key", own)
	}
}

// enrol finds the member of which n tells, or makes one; nil where there is nothing more
// to be learnt from n.
func (c *Cluster) enrol(n Node) *member {
	m := c.roll[n.Node]
	switch {
	case n.Node == c.cfg.Node && n.RunID != c.runID:
		if n.State != Gone { // it is not the farewell of the run before this one
			c.complain(&c.toldName, "another node has the name of this one: give each its own bus.node", "node", n.Node)
		}
		return nil
	case n.State == Gone:
		if m != nil && m.RunID == n.RunID && n.Node != c.cfg.Node {
			c.strike(m, "goodbye")
		}
		return nil
	case m == nil && len(c.roll) >= maxNodes:
		c.complain(&c.toldFull, "too many nodes: this one is not counted", "node", n.Node, "max", maxNodes)
		return nil
	case m == nil:
		c.cfg.Log.Info("node is here", "node", n.Node, "version", n.Version)
		return &member{}
	case m.RunID == n.RunID:
		return m
	case m.former == n.RunID: // both runs are there
		c.complain(&m.toldName, "two nodes have the same name: give each its own bus.node", "node", n.Node)
		return nil
	default:
		c.strike(m, "started anew")
		return &member{former: m.RunID, lived: m.lived}
	}
}

// strike takes a member off the roll.
func (c *Cluster) strike(m *member, why string) {
	name := m.Node.Node
	c.mu.Lock()
	delete(c.roll, name)
	c.mu.Unlock()
	c.cfg.Log.Info("node is gone", "node", name, "why", why)
	for _, f := range c.gone {
		c.notices.add(func() { f(name) })
	}
}

// judge decides anew whether this node is in touch.
func (c *Cluster) judge() {
	now := time.Now()
	since := int64(now.Sub(c.began))
	if c.in && since >= c.until.Load() {
		c.turned(false, now) // even if it is in touch again by now
	}
	c.until.Store(int64(c.majority().Sub(c.began)))
	if in := since < c.until.Load(); in != c.in {
		c.turned(in, now)
	}
}

// turned tells of a judgement that is another than the last.
func (c *Cluster) turned(in bool, now time.Time) {
	c.in = in
	switch {
	case c.cfg.Alone && in:
		c.cfg.Log.Debug("in touch with the bus")
	case c.cfg.Alone:
		c.cfg.Log.Warn("cut off: the bus does not answer")
	case in:
		c.cfg.Log.Info("in touch with the cluster", "heard", c.tally(now))
	default:
		c.cfg.Log.Warn("cut off from the cluster", "heard", c.tally(now))
	}
	for _, f := range c.touch {
		c.notices.add(func() { f(in) })
	}
	c.Changed()
}

// publish sends v's encoding.
func (c *Cluster) publish(m *bus.Msg, v any) {
	var err error
	if m.Data, err = json.Marshal(v); err != nil {
		c.complain(&c.toldSend, "speak to nodes", "subject", m.Subject, "err", err)
		return
	}
	c.post(m)
}

// post sends a message.
func (c *Cluster) post(m *bus.Msg) {
	if err := c.send(m); err != nil {
		c.complain(&c.toldSend, "speak to nodes", "subject", m.Subject, "err", err)
	}
}

// complain tells of what is wrong, now and again while it stays so.
func (c *Cluster) complain(told *time.Time, what string, args ...any) {
	if now := time.Now(); told.IsZero() || now.Sub(*told) >= complainEvery {
		*told = now
		c.cfg.Log.Error(what, args...)
	}
}
