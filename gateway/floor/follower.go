package floor

import (
	"slices"
	"time"

	"github.com/gobwas/ws"

	"tickerd/gateway/fanout"
	"tickerd/gateway/frame"
	"tickerd/gateway/loop"
)

// maxWrite is the gateway's.
const maxWrite = 16 << 10

// A follower is a connection that is a cursor and nothing else.
type follower struct {
	link    loop.Link
	cursor  fanout.Cursor // on nothing in mode Upgrade
	rest    []byte        // what the socket has not taken yet
	leaving bool          // the rest ends with the close frame
}

// Next is what is left, or else what the client has not had.
func (f *follower) Next(time.Time) []byte {
	if len(f.rest) > 0 || f.leaving {
		return f.rest
	}
	frames, _, kept := f.cursor.Next(maxWrite)
	if kept {
		f.cursor.Advance(len(frames))
	} else {
		frames = f.cursor.Snapshot()
	}
	f.rest = frames
	return f.rest
}

// Wrote goes on behind what the socket has taken.
func (f *follower) Wrote(_ time.Time, n int) {
	if f.rest = f.rest[n:]; f.leaving && len(f.rest) == 0 {
		f.end()
	}
}

// Receive answers a client's close frame: it has nothing else to say.
func (f *follower) Receive(time.Time, []byte) {
	if !f.leaving {
		f.rest = frame.AppendClose(slices.Clip(f.rest), ws.StatusNormalClosure, "")
		f.leaving = true
	}
}

// Lost ends the connection.
func (f *follower) Lost(time.Time, error) { f.end() }

func (f *follower) end() {
	f.cursor.Close()
	f.link.Close()
}

// Stream is what the connection follows.
func (f *follower) Stream() *fanout.Stream { return f.cursor.Stream() }

// Full is never.
func (f *follower) Full() bool { return false }

// Tend has nothing to do, at no time.
func (f *follower) Tend(time.Time) time.Time { return time.Time{} }

var _ loop.Conn = (*follower)(nil)
