package bench

// A client is one connection, as far as it is counted: 72 bytes.
type client struct {
	reader
	last    uint64 // the seq of its newest tick or snapshot
	began   int64  // when its connecting began, in unix microseconds
	ticks   uint32 // that it got of the window's
	slow    bool   // it is not to be read
	member  bool   // it was open when the window began
	opened  bool
	deflate bool // compression was agreed on
	greeted bool // it has got its first snapshot or tick
}
