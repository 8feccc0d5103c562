// Package frame is the server's half of RFC 6455 after the handshake: it turns
// the bytes that a client sent into messages, and messages into the bytes to
// send.
//
// Reading is pushed, not pulled. Whoever owns the connection reads into a
// buffer of its own, which may serve any number of connections, and hands what
// arrived to the connection's [Parser], however the network cut it up:
//
//	n, err := syscall.Read(fd, buf)
//	…
//	err = conn.parser.Feed(buf[:n], func(op ws.OpCode, payload []byte) error {
//		switch op {
//		case ws.OpText: // a whole message; the fragments are put together
//		case ws.OpPing: // out = frame.AppendPong(out, payload)
//		case ws.OpPong:
//		case ws.OpClose: // code, reason := frame.ParseClose(payload)
//		}
//		return nil
//	})
//	if breach, ok := errors.AsType[*frame.Error](err); ok {
//		out = frame.AppendClose(out, breach.Code, breach.Reason)
//	}
//
// A frame that arrived whole is unmasked where it lies and is not copied. One
// that did not is kept, as far as it has come, until the rest is there, so a
// connection between two messages holds two words and nothing else.
//
// Writing is appending: server frames are not masked, so the same bytes can go
// to any number of clients.
//
// Messages are text. A client that sends a binary one is refused with 1003. They
// may be compressed, as RFC 7692 has it, where [NegotiateDeflate] agreed to that:
// each by itself, so that no connection keeps a window. [Deflate] compresses what
// is sent, once for all clients.
package frame
