// Package floor has servers that do less than the gateway: what one of them takes
// is what the gateway cannot do without, and what the gateway takes beyond that is
// what its own work costs. They are measured beside it, in the same run, by the
// same clients (tickerd bench), and serve nobody else.
//
//	ln, err := net.ListenTCP("tcp", addr)
//	…
//	err = floor.Serve(ctx, ln, floor.Log)
//
// Every [Mode] accepts any WebSocket at /ws/ticker, whatever its token and its
// options, and answers POST /auth/token with a token that is none. A client gets a
// welcome and a snapshot, and then the ticks of three symbols every 10 ms, which
// have the size of the simulator's. One that says anything is taken to be leaving,
// and let go.
package floor
