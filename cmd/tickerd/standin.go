package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"tickerd/pricefeed/standin"
	"tickerd/ticker"
)

// standinCommand stands in for the exchanges.
type standinCommand struct {
	Listen         string          `default:"127.0.0.1:8090" placeholder:"HOST:PORT" help:"Where to listen; ${default} if left out. Port 0 picks a free one."`
	Rate           float64         `default:"5" placeholder:"N" help:"Trades a second of each symbol at each exchange, on average; ${default} if left out."`
	Seed           uint64          `default:"1" placeholder:"N" help:"Other prices for another number, and the same for the same, at every start; ${default} if left out."`
	SymbolsUnknown []ticker.Symbol `placeholder:"SYMBOL" help:"Symbols that no exchange knows, as in BTC-USD; they know all others."`
	Life           time.Duration   `default:"24h" placeholder:"DURATION" help:"How long Binance lets a connection live; ${default} if left out, 0 for ever."`
	Unlimited      bool            `help:"Serve who connects or asks too often, too."`
	Fault          []standin.Fault `placeholder:"[EXCHANGE:]FAULT" help:"What is wrong from the beginning; see above."`
}

// Help is what --help says besides.
func (standinCommand) Help() string {
	return `Coinbase, Kraken and Binance on one port, with prices that are made up: to try tickerd, or another client, without the internet. It prints the settings that lead tickerd there.

A fault concerns one exchange, as in kraken:silence, or all. Of messages with prices: garbage, half, huge, drop, duplicate, negative, backwards (in sequence and time); with a number, as in drop=1, of so many. Of the exchange: silence, heartbeats (and no prices), maintenance, refuse=STATUS, off=PERCENT, clock=DURATION, delist=SYMBOL.

Faults can be made and ended while it runs: "curl -d kraken:off=5 http://127.0.0.1:8090/faults" makes one more, "curl -X DELETE http://127.0.0.1:8090/faults" ends them all.`
}

func (c standinCommand) Validate() error { return c.config().Validate() }

func (c standinCommand) config() standin.Config {
	return standin.Config{
		Seed:      c.Seed,
		Rate:      c.Rate,
		Unknown:   c.SymbolsUnknown,
		Life:      c.Life,
		Unlimited: c.Unlimited,
		Faults:    c.Fault,
	}
}

func (c standinCommand) Run(ctx context.Context, p *program) error {
	config := c.config()
	config.Log = newLog(logDefaults(), p.stderr)
	server, err := standin.New(config)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return err
	}
	for _, setting := range standin.Settings(listener.Addr()) {
		if _, err := fmt.Fprintln(p.stdout, setting); err != nil {
			listener.Close()
			return err
		}
	}
	return server.Serve(ctx, listener)
}
