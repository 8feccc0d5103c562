package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// handshakeTimeout bounds a handshake, from the first packet to the answer, and
	// the wait for the first snapshot.
	handshakeTimeout = 15 * time.Second
	// closeTimeout bounds the wait for a server's answer to a close frame.
	closeTimeout = 2 * time.Second
	// retryAfter is when one that churns tries again after it has failed.
	retryAfter = time.Second
	// lateness is how late a tick of the window may come and count.
	lateness = 3 * time.Second

	progressEvery = time.Second
	lookEvery     = 100 * time.Millisecond
)

// ErrNobody is a run in which not one connection was opened. The report has the
// failures.
var ErrNobody = errors.New("not one connection could be opened")

// A carrier opens a shard's clients, hands over what they receive, and keeps them
// until ctx ends; then it closes them, and returns when all are closed. Its error is
// that it could not do its work at all.
type carrier func(ctx context.Context, s *shard) error

// Run connects, warms up, measures, and says what it came to; on is told how it goes,
// when a phase begins and about once a second. When ctx ends before the time is up, the report is of what
// there was until then.
//
// An error is that nothing could be measured; with ErrNobody there is a report.
func Run(ctx context.Context, c Config, on func(Progress)) (*Report, error) {
	if c.secure() {
		return run(ctx, c, on, carryByGoroutine)
	}
	return run(ctx, c, on, carryNatively)
}

func run(ctx context.Context, c Config, on func(Progress), carry carrier) (*Report, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	if err := fits(c.Conns + c.Slow); err != nil {
		return nil, err
	}
	to, err := newTarget(ctx, c)
	if err != nil {
		return nil, err
	}
	m := &measurement{config: c, crowd: newCrowd(c, to), on: on, began: time.Now()}
	carrying, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, carrying := errgroup.WithContext(carrying)
	for _, s := range m.crowd {
		g.Go(func() error { return carry(carrying, s) })
	}
	m.measure(ctx, carrying)
	report := m.report(ctx.Err() != nil)
	end()
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if report.Handshakes.Opened == 0 {
		return report, ErrNobody
	}
	return report, nil
}

// A measurement is one run, from its first connection to its last tick.
type measurement struct {
	config Config
	crowd  crowd
	on     func(Progress)

	began  time.Time
	opened time.Time // when the window began; zero: it never did
	closed time.Time
	phase  string // that on was told of last
	window window
	cpu    time.Duration // that this process took meanwhile
}

// measure goes through the parts of a run, or through those until ctx ends or the
// carriers have.
func (m *measurement) measure(ctx, carrying context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(carrying, cancel)()

	if !m.config.Churn {
		m.wait(ctx, m.connecting())
	}
	if m.config.Begin != nil {
		m.wait(ctx, m.held())
	}
	if ctx.Err() != nil || m.abandoned(m.crowd.counts()) {
		return
	}
	m.wait(ctx, m.until("warming up", m.config.Warmup))

	m.crowd.open()
	m.opened, m.cpu = time.Now(), cpuTime()
	m.wait(ctx, m.until("measuring", m.config.Duration))
	m.window = m.crowd.close()
	m.closed, m.cpu = time.Now(), cpuTime()-m.cpu

	if !m.config.Churn { // whoever interrupts waits for these, too: they are soon there
		m.wait(carrying, func(_ counts, now time.Time) (string, bool) {
			return "waiting for late ticks", now.Sub(m.closed) > lateness || m.crowd.served(m.window.last)
		})
	}
}

// A part of a run says its name, and whether it is over.
type part func(sum counts, now time.Time) (phase string, over bool)

// connecting is over when every handshake has ended, and every connection has had its
// first snapshot or been waited for.
func (m *measurement) connecting() part {
	total := m.config.Conns + m.config.Slow
	var settled time.Time
	return func(sum counts, now time.Time) (string, bool) {
		switch {
		case sum.attempts < total || sum.pending > 0:
			return "connecting", false
		case settled.IsZero():
			settled = now
		}
		return "waiting for first snapshots", sum.ungreeted == 0 || now.Sub(settled) > handshakeTimeout
	}
}

// held is over when the run is let go on, or nobody is left.
func (m *measurement) held() part {
	return func(sum counts, _ time.Time) (string, bool) {
		select {
		case <-m.config.Begin:
			return "waiting to begin", true
		default:
			return "waiting to begin", m.abandoned(sum)
		}
	}
}

// until is over after a time, or when nobody is left.
func (m *measurement) until(phase string, d time.Duration) part {
	end := time.Now().Add(d)
	return func(sum counts, now time.Time) (string, bool) {
		return phase, !now.Before(end) || m.abandoned(sum)
	}
}

// abandoned reports whether no connection is open, and none will be.
func (m *measurement) abandoned(sum counts) bool {
	return !m.config.Churn && sum.open == 0 && sum.slow == sum.slowEnded
}

// wait returns when a part is over, or ctx.
func (m *measurement) wait(ctx context.Context, p part) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var last counts
	var told time.Time
	for {
		now := time.Now()
		sum := m.crowd.counts()
		phase, over := p(sum, now)
		since := now.Sub(told)
		if first := phase != m.phase; first || since >= progressEvery {
			m.on(m.progress(phase, first, sum, last, since))
			m.phase, told, last = phase, now, sum
		}
		if over {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// Progress is how far a run is.
type Progress struct {
	Phase             string
	Begins            bool          // this is the first of the phase
	Elapsed           time.Duration // since the window began, or before it since the run did
	Attempted         int           // handshakes
	Opened            int
	Failed            int
	Wanted            int
	Open              int     // connections that are read now
	MessagesPerSecond float64 // within the window, since the last Progress, as the next
	JoinsPerSecond    float64
	DelayP99          time.Duration // so far
}

func (m *measurement) progress(phase string, first bool, sum, last counts, since time.Duration) Progress {
	p := Progress{
		Phase:     phase,
		Begins:    first,
		Elapsed:   time.Since(m.began),
		Attempted: sum.attempts,
		Opened:    sum.opened,
		Failed:    sum.failed(),
		Wanted:    m.config.Conns + m.config.Slow,
		Open:      sum.open,
	}
	if m.opened.IsZero() {
		return p
	}
	p.Elapsed = time.Since(m.opened)
	p.MessagesPerSecond = float64(sum.messages-last.messages) / since.Seconds()
	p.JoinsPerSecond = float64(sum.joins-last.joins) / since.Seconds()
	p.DelayP99 = time.Duration(m.crowd.delays().ValueAtPercentile(99)) * time.Microsecond
	return p
}

// fits says why this process cannot have so many connections, nil if it can.
func fits(conns int) error {
	most, known := maxFiles()
	if need := conns + filesBeside; known && uint64(need) > most {
		return fmt.Errorf("%d connections need %d open files, and this process may have %d: raise the hard limit (ulimit -Hn), or run several, with fewer connections each", conns, need, most)
	}
	return nil
}

// filesBeside is how many files a process has besides its connections, generously.
const filesBeside = 64
