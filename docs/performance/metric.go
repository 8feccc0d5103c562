package main

import (
	"math"
	"slices"

	"tickerd/cmd/tickerd/bench"
)

// A metric is one figure of a run; NaN: the run has none.
type metric func(result) float64

func messagesPerSecond(r result) float64 { return r.Bench.Received.MessagesPerSecond }

func bytesPerSecond(r result) float64 { return r.Bench.Received.BytesPerSecond }

// received is the share of the published ticks that arrived, of all clients.
func received(r result) float64 {
	t := r.Bench.Ticks
	if t == nil || t.Missing == nil {
		return math.NaN()
	}
	return float64(t.Received) / float64(t.Received+*t.Missing)
}

// worstShare is the same for the client that was served worst.
func worstShare(r result) float64 {
	if r.Bench.Ticks == nil || r.Bench.Ticks.WorstShare == nil {
		return math.NaN()
	}
	return *r.Bench.Ticks.WorstShare
}

// Times are in milliseconds.

func p50(r result) float64 { return quantile(r.Bench.DelayUS).P50 / 1e3 }

func p99(r result) float64 { return quantile(r.Bench.DelayUS).P99 / 1e3 }

func joinP50(r result) float64 { return quantile(joins(r).TookUS).P50 / 1e3 }

func joinP99(r result) float64 { return quantile(joins(r).TookUS).P99 / 1e3 }

func joinsPerSecond(r result) float64 { return joins(r).PerSecond }

// cpuPerMessage is what the server took of the processor for each message that
// arrived, in microseconds.
func cpuPerMessage(r result) float64 { return r.CPU.total() * 1e6 / float64(r.Bench.Received.Messages) }

// clientsCPU is how busy the clients kept their processor: near 1, it is they who
// were measured.
func clientsCPU(r result) float64 { return r.Bench.CPUCores / float64(r.Bench.Threads) }

func cpuPerJoin(r result) float64 { return r.CPU.total() * 1e6 / float64(joins(r).Count) }

// Memory is in bytes.

func rssReady(r result) float64 { return float64(r.ReadyRSS) }

func rss(r result) float64 { return float64(r.RSS) }

func rssPerConn(r result) float64 {
	return float64(r.RSS-r.ReadyRSS) / float64(r.Bench.Handshakes.Opened)
}

func joins(r result) bench.Joins {
	if r.Bench.Joins == nil {
		return bench.Joins{PerSecond: math.NaN()}
	}
	return *r.Bench.Joins
}

// quantiles are as a bench gives them, or NaN.
type quantiles struct{ P50, P99 float64 }

func quantile(p *bench.Percentiles) quantiles {
	if p == nil {
		return quantiles{math.NaN(), math.NaN()}
	}
	return quantiles{float64(p.P50), float64(p.P99)}
}

// values are one figure of several rounds, in order of size.
type values []float64

// median is the middle one, or between the two in the middle; NaN: there are none.
func (v values) median() float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// valuesOf leaves out those that are not there.
func valuesOf(list []result, of metric) values {
	var v values
	for _, r := range list {
		if x := of(r); !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	slices.Sort(v)
	return v
}
