package kraken

import (
	"encoding/json"
	"fmt"

	"tickerd/pricefeed/wire"
)

// quote are the values of a ticker's members, as JSON; nil: absent.
type quote struct {
	Symbol json.RawMessage `json:"symbol"`
	Last   json.RawMessage `json:"last"`
	Time   json.RawMessage `json:"timestamp"`
}

// readTickers reads a list of tickers.
func (f *Frame) readTickers(data json.RawMessage) error {
	if ok, err := f.scanTickers(data); ok {
		return err
	}
	f.Tickers = f.Tickers[:0]
	var list []quote
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("ticker: %w", err)
	}
	for _, q := range list {
		if err := f.add(q); err != nil {
			return err
		}
	}
	return nil
}

// scanTickers is readTickers for what is plain; false for anything else.
func (f *Frame) scanTickers(data json.RawMessage) (ok bool, err error) {
	list := wire.Array(data)
	for list.Next() {
		q, ok := scanQuote(list.Value())
		if !ok {
			return false, nil
		}
		if err := f.add(q); err != nil {
			return true, err
		}
	}
	return list.Plain(), nil
}

func scanQuote(msg []byte) (q quote, ok bool) {
	r := wire.Object(msg)
	for r.Next() {
		if !wire.IsLower(r.Name()) {
			return q, false
		}
		switch string(r.Name()) {
		case "symbol":
			q.Symbol = r.Value()
		case "last":
			q.Last = r.Value()
		case "timestamp":
			q.Time = r.Value()
		}
	}
	return q, r.Plain()
}

func (f *Frame) add(q quote) error {
	symbol, ok := wire.Text(q.Symbol)
	if !ok {
		return Error("ticker without symbol")
	}
	last, err := wire.Price(q.Last)
	if err != nil {
		return err
	}
	f.Tickers = append(f.Tickers, Ticker{Symbol: string(symbol), Last: last, Time: wire.Time(q.Time)})
	return nil
}
