package frame_test

import (
	"errors"
	"fmt"

	"github.com/gobwas/ws"

	"tickerd/gateway/frame"
)

func Example() {
	parser := frame.Parser{MaxMessage: 32 << 10}
	var out []byte
	read := func(arrived []byte) {
		err := parser.Feed(arrived, func(op ws.OpCode, payload []byte) error {
			switch op {
			case ws.OpText:
				fmt.Printf("message %q\n", payload)
			case ws.OpPing:
				out = frame.AppendPong(out, payload)
			case ws.OpClose:
				code, _ := frame.ParseClose(payload)
				out = frame.AppendClose(out, code, "")
			}
			return nil
		})
		if breach, ok := errors.AsType[*frame.Error](err); ok {
			out = frame.AppendClose(out, breach.Code, breach.Reason)
		}
	}

	// RFC 6455, section 5.7: "Hello" as a client sends it, and a ping.
	read([]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f})
	read([]byte{0x9f, 0x4d, 0x51, 0x58})
	read([]byte{0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58})
	fmt.Printf("%q\n", out)

	// A server's frame in place of a client's.
	out = out[:0]
	read([]byte{0x81, 0x05, 'H', 'e', 'l', 'l', 'o'})
	fmt.Printf("%q\n", out)

	// Output:
	// message "Hello"
	// "\x8a\x05Hello"
	// "\x88\x15\x03\xeaframe is not masked"
}
