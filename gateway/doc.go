// Package gateway is where the world comes in: one port for HTTP, WebSocket and
// Server-Sent Events. It moves bytes, owns the sockets and knows no message types;
// what a client says is understood by a handler, at the other end of the bus.
//
// # The life of one connection
//
//	accept      Its first request is read on the raw connection. For the stream it
//	            is judged and answered here; every other goes to net/http.
//	admit       Token, policy, origin, upgrade, query, limits, in this order; each
//	            refusal is a status with {"error":"…"}.
//	upgrade     101. From now on everything is said by frames and close codes; or 200,
//	            and events (protocol.go).
//	join        conn.<id>.join. What the client sends is held back until a handler
//	            claims the connection with its first answer: the welcome, and what is
//	            subscribed.
//	stream      A snapshot, then whatever package fanout has for its view. It is a
//	            cursor in a log that it shares: nothing it does is felt by others.
//	message     conn.<id>.message. The answers, at gateway.<node>.<id>, are written
//	            between the frames of the stream, and change what is subscribed.
//	rejoin      Should nobody take a message, the handler is gone: the connection is
//	            announced anew, and what was lost is sent again. The client notices
//	            nothing.
//	end         By the client, its token's end or revocation, a breach of the
//	            protocol, a flood, silence, or the drain: one close frame or event, whose
//	            code tells the client what to do (close.go).
//	leave       conn.<id>.leave, exactly once.
//
// # Slow clients
//
// A client that falls behind gets what it has not had in larger pieces; one whose
// socket takes slowly and that is half a second behind, or that is further behind
// than the log goes back, gets a snapshot instead. It is never disconnected merely
// for being slow. A socket that accepts not one byte for 30 s is dead.
//
// # Many nodes
//
// What a gateway has missed of the publisher it asks for, and everyone goes on with a
// snapshot then (follow.go). While nothing is heard of a publisher, or the node is out of
// touch with the others, all prices are told to be stale. Nobody is let in while the
// cluster cannot be reached; who is in stays. Where users are limited, the gateways tell
// one another how many connections each user has (census.go). A client that lost its
// node resumes at another, for ticks have the same numbers everywhere.
//
// # Who drives
//
// A connection is a state machine without a lock or a goroutine, driven by package
// loop. What it has to say to the bus is taken there by the courier, so that no
// loop waits for the bus.
package gateway
