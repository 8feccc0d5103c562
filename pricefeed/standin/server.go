package standin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sync/errgroup"
)

// exchanges are all of them.
var exchanges = []string{coinbaseName, krakenName, binanceName}

// headTimeout is for the head of a request.
const headTimeout = 10 * time.Second

// Server is the exchanges.
type Server struct {
	config Config
	venues []*venue

	mu     sync.Mutex
	faults []Fault
}

// New makes a server of a valid Config.
func New(config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: config}
	for _, x := range []exchange{newCoinbase(), newKraken(), newBinance()} {
		s.venues = append(s.venues, newVenue(x, config))
	}
	for _, f := range config.Faults {
		if err := s.Fault(f); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Serve serves clients, and trades, until ctx ends. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: headTimeout,
		ErrorLog:          slog.NewLogLogger(s.config.Log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, v := range s.venues {
		g.Go(func() error {
			v.run(ctx)
			return nil
		})
	}
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return g.Wait()
}

// Settings are those that lead tickerd to a server at an address, NAME=value.
func Settings(addr net.Addr) []string {
	var list []string
	for _, name := range exchanges {
		prefix := "TICKERD_PRICEFEED_" + strings.ToUpper(name)
		list = append(list,
			fmt.Sprintf("%s_URL=ws://%s/%s", prefix, addr, name),
			fmt.Sprintf("%s_REST=http://%s/%s", prefix, addr, name))
	}
	return list
}

// Fault makes a fault, from now on.
func (s *Server) Fault(f Fault) error {
	if err := f.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.venues {
		v.fault(f)
	}
	s.faults = append(s.faults, f)
	s.config.Log.Info("fault", "fault", f.String())
	return nil
}

// Mend ends all faults.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.venues {
		v.mend()
	}
	s.faults = nil
	s.config.Log.Info("no faults")
}

// Faults are those that have been made.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.faults)
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, v := range s.venues {
		mux.HandleFunc("GET /"+v.name, v.upgrade)
	}
	mux.HandleFunc("GET /coinbase/products/{id}/candles", s.venues[0].coinbaseCandles)
	mux.HandleFunc("GET /kraken/0/public/OHLC", s.venues[1].krakenCandles)
	mux.HandleFunc("GET /binance/api/v3/klines", s.venues[2].binanceCandles)
	mux.HandleFunc("GET /faults", s.listFaults)
	mux.HandleFunc("POST /faults", s.addFaults)
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, r *http.Request) {
		s.Mend()
		s.listFaults(w, r)
	})
	return mux
}

// listFaults is GET /faults: one a line.
func (s *Server) listFaults(w http.ResponseWriter, _ *http.Request) {
	for _, f := range s.Faults() {
		fmt.Fprintln(w, f)
	}
}

const maxFaults = 4 << 10 // bytes

// addFaults is POST /faults, one a line: all of them, or none if one is wrong.
func (s *Server) addFaults(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFaults))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var list []Fault
	for word := range strings.FieldsSeq(string(body)) {
		var f Fault
		if err := f.UnmarshalText([]byte(word)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		list = append(list, f)
	}
	for _, f := range list {
		if err := s.Fault(f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	s.listFaults(w, r)
}

// upgrade makes a connection of a request, and lives it.
func (v *venue) upgrade(w http.ResponseWriter, r *http.Request) {
	if status := v.admit(address(r), time.Now()); status != 0 {
		v.log.Info("refused", "addr", r.RemoteAddr, "status", status)
		http.Error(w, http.StatusText(status), status)
		return
	}
	sock, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		v.log.Info("bad upgrade", "addr", r.RemoteAddr, "err", err)
		return // it has been answered
	}
	c := &conn{venue: v, sock: sock, woken: make(chan struct{}, 1)}
	if !v.join(c, address(r)) {
		sock.Close()
		return
	}
	defer v.serving.Done()
	v.log.Info("connected", "addr", r.RemoteAddr)
	if streams := r.FormValue("streams"); streams != "" {
		v.hearStreams(c, streams)
	}
	err = c.serve(rw)
	v.log.Info("disconnected", "addr", r.RemoteAddr, "err", err)
}
