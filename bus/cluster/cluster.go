package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tickerd/bus"
)

// Config is what a cluster is made of.
type Config struct {
	Conn  *bus.Conn
	Node  string
	Alone bool // there is no other: in touch is who can reach the bus

	// VotersOnly has a node without a vote hear the voters alone, where nothing here
	// depends on the others: who hears all answers List, and Gone is called for voters.
	VotersOnly bool

	// Report is what this node says of itself, but for Node, RunID and Voters, and
	// CutOff in place of Ready, which are filled in. Voters is how many voters there
	// are, as this node's own store knows, 0: unknown. Both are called for each beat,
	// and hold it up for as long as they take.
	Report func() Node
	Voters func() int

	Log *slog.Logger
}

// Cluster is this node's view of all nodes. Its methods are safe for concurrent use,
// but for those that say otherwise.
type Cluster struct {
	cfg     Config
	runID   string
	began   time.Time // whence time is measured
	gone    []func(node string)
	touch   []func(in bool)
	notices *notices
	changed chan struct{} // has room for one: a beat is due

	until atomic.Int64 // in touch until then, in nanoseconds since began

	// Owned by live.
	send     func(*bus.Msg) error
	turns    int
	in       bool      // what touch was told last
	beaten   time.Time // when the last beat went out
	toldSend time.Time
	toldName time.Time
	toldFull time.Time

	// Written by live with mu held, and read by others with it.
	mu     sync.Mutex
	roll   map[string]*member // by name, with this node once it has beaten
	voters int                // as this node's own store knows
}

// New makes the view. It is to be Run; until then, only a node that is alone is in touch.
func New(cfg Config) *Cluster {
	c := &Cluster{
		cfg:     cfg,
		runID:   bus.NewID(),
		began:   time.Now(),
		notices: newNotices(),
		changed: make(chan struct{}, 1),
		roll:    map[string]*member{},
	}
	if cfg.Alone {
		c.until.Store(math.MaxInt64)
	}
	return c
}

// Gone has f called, once, when a node has not been heard for ten seconds, has said
// goodbye, or was started anew: the connections that it had are no more. The same node
// may come back, and go again. It is never called for this node itself.
//
// It is called before Run. Run's own goroutine calls f, and whatever else is registered
// with Gone and Touch, one after the other and in the order in which things happened. One
// that takes its time delays the others, and the end of Run, but no beat.
func (c *Cluster) Gone(f func(node string)) { c.gone = append(c.gone, f) }

// Touch has f called with every change of InTouch, within half a second of it; at first
// a node is not in touch. As InTouch is judged anew at each call, it may by then be
// otherwise again: f will be told. See Gone for how f is called.
func (c *Cluster) Touch(f func(in bool)) { c.touch = append(c.touch, f) }

// Changed has a beat go out at once, because Report says something new that the others
// should know: that this node is draining, say.
func (c *Cluster) Changed() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// inboxRoom is how much may wait to be taken: with a thousand nodes, most without a
// vote, the beats of eight seconds. What comes while it is full is lost, and comes again.
const inboxRoom = 1 << 12

// goodbyeTimeout bounds the wait for the bus at the end.
const goodbyeTimeout = 2 * time.Second

// Run beats, listens and answers until ctx ends, and then says goodbye.
func (c *Cluster) Run(ctx context.Context) error {
	said := c.report()
	if err := said.check(); err != nil {
		return fmt.Errorf("what this node says of itself: %w", err)
	}
	in := make(chan *bus.Msg, inboxRoom)
	subjects := []string{bus.NodesAlive, bus.NodeRoll, bus.CalledOf(c.runID, "*")}
	if !c.cfg.VotersOnly {
		subjects = append(subjects, bus.EdgesAlive, bus.NodeCall, bus.NodeList)
	}
	for _, subject := range subjects {
		queue := "" // all nodes are to hear it
		if subject == bus.NodeList {
			queue = bus.Nodes
		}
		sub, err := c.cfg.Conn.SubscribeQueueChan(subject, queue, in)
		if err != nil {
			return fmt.Errorf("listen to %s: %w", subject, err)
		}
		defer func() { _ = sub.Unsubscribe() }() // fails where the connection has ended
	}
	c.run(ctx, in, c.cfg.Conn.PublishMsg)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	if err := c.cfg.Conn.Flush(ctx); err != nil {
		c.cfg.Log.Debug("say goodbye", "err", err)
	}
	return nil
}

// run lives until ctx ends, and makes the calls that come of it.
func (c *Cluster) run(ctx context.Context, in <-chan *bus.Msg, send func(*bus.Msg) error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.live(ctx, in, send)
	}()
	c.notices.run(ended)
}

// InTouch reports whether this node hears the majority of the voters. It costs next to
// nothing.
func (c *Cluster) InTouch() bool { return int64(time.Since(c.began)) < c.until.Load() }

// Ready is nil while the node is in touch, and else an ErrCutOff that says who is heard.
func (c *Cluster) Ready(context.Context) error {
	if c.InTouch() {
		return nil
	}
	if c.cfg.Alone {
		return fmt.Errorf("%w: the bus does not answer", ErrCutOff)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Errorf("%w: %s nodes heard", ErrCutOff, c.tally(time.Now()))
}

// All is what Nodes are here or, with VotersOnly, on a node that hears all.
func (c *Cluster) All(ctx context.Context) ([]Seen, error) {
	if c.cfg.VotersOnly {
		return List(ctx, c.cfg.Conn)
	}
	return c.Nodes(), nil
}

// Nodes are all that are heard here, and this one, by name.
func (c *Cluster) Nodes() []Seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	list := make([]Seen, 0, len(c.roll))
	for _, m := range c.roll {
		list = append(list, Seen{m.Node, now.Sub(m.beat).Milliseconds()})
	}
	slices.SortFunc(list, func(a, b Seen) int { return strings.Compare(a.Node.Node, b.Node.Node) })
	return list
}

// List asks one of the nodes on the bus that hear all for what its Nodes are. Where
// there is none, it fails with bus.ErrNoResponders.
func List(ctx context.Context, conn *bus.Conn) ([]Seen, error) {
	var list []Seen
	err := conn.Request(ctx, bus.NodeList, nil, &list)
	return list, err
}
