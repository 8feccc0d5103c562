// Tickerd takes live crypto prices in and fans them out to many authenticated
// clients. Without arguments it is the server; `tickerd --help` lists the rest.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, end := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // as long as the process
		<-signals
		end()
		<-signals
		os.Exit(statusFailed) // whoever asks twice does not want to wait
	}()
	p := program{environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	os.Exit(p.run(ctx, os.Args[1:]))
}
