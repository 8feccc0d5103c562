package bench

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Report is what a run came to. As JSON, its names last: a unit is part of a name,
// and a field that does not apply is null.
type Report struct {
	URL         string  `json:"url"`
	Conns       int     `json:"conns"` // as they were wanted
	SlowConns   int     `json:"slow_conns"`
	Churn       bool    `json:"churn"`
	Deflate     bool    `json:"deflate"`
	Threads     int     `json:"threads"`
	Interrupted bool    `json:"interrupted"` // before the time was up
	WindowS     float64 `json:"window_s"`    // how long was measured

	Handshakes  Handshakes   `json:"handshakes"`
	Received    Received     `json:"received"`
	Ticks       *Ticks       `json:"ticks"`    // null while connections churn
	DelayUS     *Percentiles `json:"delay_us"` // null while connections churn, or if there were no ticks
	Joins       *Joins       `json:"joins"`    // null unless connections churn
	Disconnects []Disconnect `json:"disconnects"`
	SlowEnded   int          `json:"slow_ended"` // slow connections that the server has ended
	CPUCores    float64      `json:"cpu_cores"`  // that the bench itself kept busy

	// Histograms are of a run that was one of several. See [Merge].
	Histograms *Histograms `json:"histograms,omitempty"`
}

// Histograms are times in microseconds, in HdrHistogram's own form.
type Histograms struct {
	Handshake string `json:"handshake"`
	Delay     string `json:"delay"`
	Join      string `json:"join"`
}

// Handshakes are of the whole run.
type Handshakes struct {
	Attempted int            `json:"attempted"`
	Opened    int            `json:"opened"`
	Deflated  int            `json:"deflated"` // of the opened ones, those with compression
	Failed    int            `json:"failed"`
	PerSecond float64        `json:"per_second"` // that succeeded, until the last of them
	TookUS    *Percentiles   `json:"took_us"`    // null if none succeeded
	Failures  []FailureCount `json:"failures"`
}

// A FailureCount is how many handshakes failed for one reason.
type FailureCount struct {
	Failure
	Count int `json:"count"`
}

// Received is what came in the time of the window, on connections that are read.
type Received struct {
	Bytes             uint64  `json:"bytes"` // of frames, as they came
	Frames            uint64  `json:"frames"`
	Messages          uint64  `json:"messages"`
	BytesPerSecond    float64 `json:"bytes_per_second"`
	MessagesPerSecond float64 `json:"messages_per_second"`
}

// Ticks are those that the window is of.
type Ticks struct {
	Published  uint64   `json:"published"`
	Received   uint64   `json:"received"`
	Missing    *uint64  `json:"missing"` // null with an interval
	Skips      uint64   `json:"skips"`   // snapshots in the place of ticks
	Disordered uint64   `json:"disordered"`
	PerConn    Fairness `json:"per_conn"`
	WorstShare *float64 `json:"worst_share"` // null with an interval, or if none was published
}

// Fairness is how many ticks one connection got.
type Fairness struct {
	Min    uint32 `json:"min"`
	Median uint32 `json:"median"`
	Max    uint32 `json:"max"`
}

// Joins are of connections that churn, from connecting to the first snapshot.
type Joins struct {
	Count     uint64       `json:"count"`
	PerSecond float64      `json:"per_second"`
	TookUS    *Percentiles `json:"took_us"` // null if there was none
}

// Percentiles are exact to three digits.
type Percentiles struct {
	P50  int64 `json:"p50"`
	P90  int64 `json:"p90"`
	P99  int64 `json:"p99"`
	P999 int64 `json:"p99_9"`
	Max  int64 `json:"max"`
}

// A Disconnect is how many connections the server has ended with one close code,
// 1006 for those that ended without a close frame.
type Disconnect struct {
	Code  int `json:"code"`
	Count int `json:"count"`
}

// report sums up.
func (m *measurement) report(interrupted bool) *Report {
	all, seqs, ticks := m.crowd.sum()
	took := m.closed.Sub(m.opened)
	r := &Report{
		URL:         m.config.URL.String(),
		Conns:       m.config.Conns,
		SlowConns:   m.config.Slow,
		Churn:       m.config.Churn,
		Deflate:     m.config.Deflate,
		Threads:     m.config.Threads,
		Interrupted: interrupted,
		WindowS:     took.Seconds(),
		Handshakes:  m.handshakes(all),
		Disconnects: disconnects(all.closes),
		SlowEnded:   all.slowEnded,
	}
	if m.config.Begin != nil {
		r.Histograms = &Histograms{encode(all.handshake), encode(all.delay), encode(all.join)}
	}
	if m.opened.IsZero() {
		return r
	}
	r.CPUCores = perSecond(m.cpu.Seconds(), took)
	r.Received = Received{
		Bytes:             all.bytes,
		Frames:            all.frames,
		Messages:          all.messages,
		BytesPerSecond:    perSecond(float64(all.bytes), took),
		MessagesPerSecond: perSecond(float64(all.messages), took),
	}
	if m.config.Churn {
		r.Joins = &Joins{all.joins, perSecond(float64(all.joins), took), percentiles(all.join)}
		return r
	}
	r.Ticks = m.ticks(all, seqs.published(m.window.after, m.window.last), ticks)
	r.DelayUS = percentiles(all.delay)
	return r
}

func (m *measurement) handshakes(all *tally) Handshakes {
	h := Handshakes{
		Attempted: all.attempts,
		Opened:    all.opened,
		Deflated:  all.deflated,
		Failed:    all.failed(),
		TookUS:    percentiles(all.handshake),
		Failures:  []FailureCount{},
	}
	if h.Opened > 0 {
		h.PerSecond = perSecond(float64(h.Opened), time.UnixMicro(all.latest).Sub(m.began))
	}
	for f, n := range all.failures {
		h.Failures = append(h.Failures, FailureCount{f, n})
	}
	slices.SortFunc(h.Failures, func(a, b FailureCount) int { return a.compare(b.Failure) })
	return h
}

// ticks sums up those of the window, with how many each connection got, in order.
func (m *measurement) ticks(all *tally, published uint64, each []uint32) *Ticks {
	t := &Ticks{Published: published, Received: all.ticks, Skips: all.skips, Disordered: all.disordered}
	if len(each) == 0 {
		return t
	}
	t.PerConn = Fairness{each[0], each[(len(each)-1)/2], each[len(each)-1]}
	if m.config.Interval > 0 || published == 0 {
		return t
	}
	t.Missing = new(published*uint64(len(each)) - t.Received)
	t.WorstShare = new(float64(t.PerConn.Min) / float64(published))
	return t
}

func disconnects(closes map[int]int) []Disconnect {
	list := []Disconnect{}
	for _, code := range slices.Sorted(maps.Keys(closes)) {
		list = append(list, Disconnect{code, closes[code]})
	}
	return list
}

func percentiles(h *hdrhistogram.Histogram) *Percentiles {
	if h.TotalCount() == 0 {
		return nil
	}
	return &Percentiles{
		P50:  h.ValueAtPercentile(50),
		P90:  h.ValueAtPercentile(90),
		P99:  h.ValueAtPercentile(99),
		P999: h.ValueAtPercentile(99.9),
		Max:  h.Max(),
	}
}

func perSecond(n float64, took time.Duration) float64 {
	return n / cmp.Or(took.Seconds(), 1)
}
