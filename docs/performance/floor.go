package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"

	"tickerd/gateway/floor"
)

// floorCommand serves a floor until ctx ends. It logs what tickerd does when it
// starts.
func floorCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("floor", flag.ContinueOnError)
	mode := flags.String("mode", string(floor.Log), fmt.Sprintf("what it does, one of %v", floor.Modes))
	listen := flags.String("listen", "127.0.0.1:0", "the `address`; port 0 picks a free one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !slices.Contains(floor.Modes, floor.Mode(*mode)) {
		return fmt.Errorf("%w: %q", floor.ErrMode, *mode)
	}
	addr, err := net.ResolveTCPAddr("tcp", *listen)
	if err != nil {
		return err
	}
	ln, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	log.Info("page and API", "addr", ln.Addr().String(), "mode", *mode)
	log.Info("any key is good", "api_key", "floor")
	log.Info("ready")
	return floor.Serve(ctx, ln, floor.Mode(*mode))
}
