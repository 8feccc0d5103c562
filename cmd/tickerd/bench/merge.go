package bench

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// ErrAlone is a report of a run that was not one of several.
var ErrAlone = errors.New("a report without histograms")

// Merge adds up the reports of runs that were made at the same time, against the same
// server or several: as if one had made them all. The median of what connections got is
// that of the runs' medians, and what is not known of one is not known.
func Merge(list []Report) (*Report, error) {
	if len(list) == 0 {
		return nil, errors.New("no reports")
	}
	sum := list[0]
	sum.Handshakes.Failures, sum.Disconnects = slices.Clone(sum.Handshakes.Failures), slices.Clone(sum.Disconnects)
	for _, r := range list[1:] {
		sum.add(r)
	}
	slices.SortFunc(sum.Handshakes.Failures, func(a, b FailureCount) int { return a.compare(b.Failure) })
	slices.SortFunc(sum.Disconnects, func(a, b Disconnect) int { return cmp.Compare(a.Code, b.Code) })
	for _, times := range []struct {
		of func(*Histograms) *string
		to func(*hdrhistogram.Histogram)
	}{
		{func(h *Histograms) *string { return &h.Handshake }, func(h *hdrhistogram.Histogram) { sum.Handshakes.TookUS = percentiles(h) }},
		{func(h *Histograms) *string { return &h.Delay }, func(h *hdrhistogram.Histogram) { sum.DelayUS = percentiles(h) }},
		{func(h *Histograms) *string { return &h.Join }, func(h *hdrhistogram.Histogram) {
			if sum.Joins != nil {
				sum.Joins.TookUS = percentiles(h)
			}
		}},
	} {
		all := newHistogram()
		for _, r := range list {
			if r.Histograms == nil {
				return nil, ErrAlone
			}
			one, err := hdrhistogram.Decode([]byte(*times.of(r.Histograms)))
			if err != nil {
				return nil, fmt.Errorf("histogram of a report: %w", err)
			}
			all.Merge(one)
		}
		times.to(all)
	}
	sum.Ticks = mergeTicks(list)
	sum.Histograms = nil
	return &sum, nil
}

// add adds the numbers of another report.
func (r *Report) add(o Report) {
	r.Conns += o.Conns
	r.SlowConns += o.SlowConns
	r.Threads += o.Threads
	r.Interrupted = r.Interrupted || o.Interrupted
	r.WindowS = max(r.WindowS, o.WindowS)
	r.SlowEnded += o.SlowEnded
	r.CPUCores += o.CPUCores

	h := &r.Handshakes
	h.Attempted += o.Handshakes.Attempted
	h.Opened += o.Handshakes.Opened
	h.Deflated += o.Handshakes.Deflated
	h.Failed += o.Handshakes.Failed
	h.PerSecond += o.Handshakes.PerSecond
	for _, f := range o.Handshakes.Failures {
		if i := slices.IndexFunc(h.Failures, func(g FailureCount) bool { return g.Failure == f.Failure }); i >= 0 {
			h.Failures[i].Count += f.Count
		} else {
			h.Failures = append(h.Failures, f)
		}
	}

	r.Received.Bytes += o.Received.Bytes
	r.Received.Frames += o.Received.Frames
	r.Received.Messages += o.Received.Messages
	r.Received.BytesPerSecond += o.Received.BytesPerSecond
	r.Received.MessagesPerSecond += o.Received.MessagesPerSecond

	if r.Joins != nil && o.Joins != nil {
		r.Joins = &Joins{Count: r.Joins.Count + o.Joins.Count, PerSecond: r.Joins.PerSecond + o.Joins.PerSecond}
	}
	for _, d := range o.Disconnects {
		if i := slices.IndexFunc(r.Disconnects, func(e Disconnect) bool { return e.Code == d.Code }); i >= 0 {
			r.Disconnects[i].Count += d.Count
		} else {
			r.Disconnects = append(r.Disconnects, d)
		}
	}
}

// mergeTicks adds up those of all reports, nil if one has none.
func mergeTicks(list []Report) *Ticks {
	var sum Ticks
	var medians []uint32
	var missing uint64
	worst := 1.0
	known := true
	for i, r := range list {
		t := r.Ticks
		if t == nil {
			return nil
		}
		sum.Published = max(sum.Published, t.Published)
		sum.Received += t.Received
		sum.Skips += t.Skips
		sum.Disordered += t.Disordered
		if i == 0 {
			sum.PerConn.Min = t.PerConn.Min
		}
		sum.PerConn.Min = min(sum.PerConn.Min, t.PerConn.Min)
		sum.PerConn.Max = max(sum.PerConn.Max, t.PerConn.Max)
		medians = append(medians, t.PerConn.Median)
		if known = known && t.Missing != nil && t.WorstShare != nil; known {
			missing += *t.Missing
			worst = min(worst, *t.WorstShare)
		}
	}
	slices.Sort(medians)
	sum.PerConn.Median = medians[(len(medians)-1)/2]
	if known {
		sum.Missing, sum.WorstShare = new(missing), new(worst)
	}
	return &sum
}

// encode writes a histogram.
func encode(h *hdrhistogram.Histogram) string {
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "" // it has no other way to fail than memory
	}
	return string(text)
}
