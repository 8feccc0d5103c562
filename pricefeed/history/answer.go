package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/time/rate"

	"tickerd/bus"
	"tickerd/ticker"
)

const (
	queue = "history" // whoever has the history may answer

	// maxRequests may wait; what comes on top is lost, and asked again.
	maxRequests = 1024

	// maxLimit is how many candles surely fit into a message of NATS, which is 1 MiB.
	maxLimit = 1500
)

// answerers is how many requests are answered at a time: whoever reads all that there
// is leaves three quarters of the processors, or all but one, to the ticks.
func answerers() int { return max(1, runtime.GOMAXPROCS(0)/4) }

// What one answerer may take of a processor: as much as it needs for as long as a page
// with many charts takes, and then an eighth.
const (
	share = time.Second / 8 // of each second
	burst = time.Second / 10
)

// answer answers requests until ctx ends.
func (h *History) answer(ctx context.Context, requests <-chan *bus.Msg) {
	spent := rate.NewLimiter(rate.Limit(share.Microseconds()), int(burst.Microseconds()))
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-requests:
			if m.Reply == "" {
				continue
			}
			began := time.Now()
			if err := h.bus.Publish(m.Reply, h.answerTo(ctx, m)); err != nil && ctx.Err() == nil {
				h.keeper.trouble.Do(func() { h.log.Error("answer "+m.Subject, "err", err) })
			}
			_ = spent.WaitN(ctx, int(min(time.Since(began), burst).Microseconds())) // fails when ctx has ended
		}
	}
}

func (h *History) answerTo(ctx context.Context, m *bus.Msg) []byte {
	var (
		data []byte
		err  error
	)
	switch m.Subject {
	case bus.PriceCandles:
		data, err = h.candles(ctx, m.Data)
	case bus.PriceStats:
		data, err = h.stats(ctx, m.Data)
	}
	if err != nil {
		return h.refusal(ctx, m.Subject, err)
	}
	return data
}

// refusal is the answer to what cannot be answered. What is wrong with the store is
// not for everyone.
func (h *History) refusal(ctx context.Context, subject string, err error) []byte {
	var reason Error
	if !errors.As(err, &reason) {
		reason = ErrStore
		if ctx.Err() == nil {
			h.keeper.trouble.Do(func() { h.log.Error("answer "+subject, "err", err) })
		}
	}
	return fmt.Appendf(nil, `{"error":%q}`, string(reason))
}

// stats answers bus.StatsRequest.
func (h *History) stats(ctx context.Context, request []byte) ([]byte, error) {
	var r bus.StatsRequest
	if len(request) > 0 {
		if err := json.Unmarshal(request, &r); err != nil {
			return nil, ErrRequest
		}
	}
	return h.figures.page(ctx, h, r.From)
}

// candles answers bus.CandlesRequest.
func (h *History) candles(ctx context.Context, request []byte) ([]byte, error) {
	var r bus.CandlesRequest
	if err := json.Unmarshal(request, &r); err != nil {
		return nil, ErrRequest
	}
	i, err := parseInterval(r.Interval)
	if err != nil {
		return nil, err
	}
	if r.Limit < 1 || r.Limit > maxLimit {
		return nil, ErrLimit
	}
	candles, err := h.newest(ctx, i, ticker.Symbol(r.Symbol), r.End, r.Limit)
	if err != nil {
		return nil, err
	}
	return appendPage(make([]byte, 0, len(candles)*likelyWritten+len(request)), r.Symbol, r.Interval, candles), nil
}

// likelyWritten is the length of a candle as a client gets it.
const likelyWritten = 56

func appendPage(dst []byte, symbol, interval string, candles []ticker.Candle) []byte {
	dst = fmt.Appendf(dst, `{"symbol":%q,"interval":%q,"data":[`, symbol, interval)
	for n, c := range candles {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = c.AppendJSON(dst)
	}
	return append(dst, "]}"...)
}
