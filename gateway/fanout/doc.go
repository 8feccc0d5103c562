// Package fanout turns one sequence of ticks into what each of very many
// connections is to be sent, without a queue or a buffer for any of them.
//
// A [Hub] takes every tick once. For each [View] that somebody has (which symbols,
// at which interval, in which encoding) it keeps one [Stream]: a log of frames that all
// connections with that view share. A connection is a [Cursor], an offset into its
// stream's log: it writes whatever it has not had, in one call if the machine is busy,
// and starts over from a snapshot when it has fallen so far behind that the log no
// longer keeps what it would need. Nothing that one connection does is felt by
// another.
//
// A tick's elements are found in the message and copied, never encoded anew. It
// comes only to the streams that see one of its symbols, and what is to be
// compressed is compressed once for each, while those who read and those who come
// go on. Who comes between two ticks is given the snapshot that the first one had
// made.
//
// Ticks are numbered without a gap. Where one is missing, what comes behind it is kept
// aside until the hub is given the publisher's snapshot ([Hub.Adopt]): then every stream
// goes on with a snapshot, so that nobody takes it that nothing was left out.
//
//	hub := fanout.NewHub(pool.Changed)
//	…
//	cursor := fanout.NewCursor(hub)
//	write(cursor.Subscribe(view))
//	for { // whenever cursor.Stream().Head() is beyond cursor.Offset()
//		frames, _, kept := cursor.Next(64 << 10)
//		if !kept {
//			frames = cursor.Snapshot()
//		} else {
//			cursor.Advance(len(frames))
//		}
//		write(frames)
//	}
package fanout
