package main

import (
	"context"
	"io"
	"sync"
	"time"

	"tickerd/pricefeed/replay"
)

const (
	// flushEvery is how much of a recording a crash may cost.
	flushEvery = time.Second
	// tellEvery is how often a recorder says how far it is.
	tellEvery = 10 * time.Second
)

// A recorder is a screen that records what it is shown.
type recorder struct {
	open   func() (io.WriteCloser, error)
	remark func(format string, args ...any)
	begun  chan struct{} // closed with the first message

	mu        sync.Mutex
	output    io.WriteCloser
	recording *replay.Writer // into the output, through this recorder; nil: nothing has come yet
	since     time.Time      // of the first message
	told      time.Time
	seq       uint64 // of the last message
	ticks     uint64
	gaps      uint64
	bytes     uint64 // written
}

// newRecorder records into what open opens when the first message is there.
func newRecorder(open func() (io.WriteCloser, error), remark func(format string, args ...any)) *recorder {
	return &recorder{open: open, remark: remark, begun: make(chan struct{})}
}

// show is of screen.
func (r *recorder) show(m *message, raw []byte) error {
	if m.Type != "ticker" {
		if text := m.news(); text != "" {
			return r.note(text)
		}
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.recording == nil:
		if err := r.begin(); err != nil {
			return err
		}
	case m.Snapshot && m.Seq != r.seq:
		r.gaps++
	}
	r.seq = m.Seq
	r.ticks++
	return r.recording.Add(raw)
}

// note is of screen.
func (r *recorder) note(text string) error {
	r.remark("%s", text)
	return nil
}

func (r *recorder) begin() error {
	output, err := r.open()
	if err != nil {
		return err
	}
	r.output = output
	if r.recording, err = replay.NewWriter(r); err != nil {
		return err
	}
	r.since = time.Now()
	r.told = r.since
	close(r.begun)
	return nil
}

// Write takes what is recorded to the output. Who records holds the mutex.
func (r *recorder) Write(p []byte) (int, error) {
	n, err := r.output.Write(p)
	r.bytes += uint64(n)
	return n, err
}

// keep takes care that little is lost, and says how far the recording is, for so long
// after the first message, 0 for ever, or until ctx ends.
func (r *recorder) keep(ctx context.Context, duration time.Duration) error {
	select {
	case <-r.begun:
	case <-ctx.Done():
		return nil
	}
	var end <-chan time.Time
	if duration > 0 {
		end = time.After(duration)
	}
	every := time.NewTicker(flushEvery)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			if err := r.flush(); err != nil {
				return err
			}
		case <-end:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *recorder) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.recording.Flush(); err != nil {
		return err
	}
	if now := time.Now(); now.Sub(r.told) >= tellEvery {
		r.told = now
		r.tell()
	}
	return nil
}

// tell says how far the recording is.
func (r *recorder) tell() {
	r.remark("%.0f s: %s ticks, %s bytes, %s gaps", time.Since(r.since).Seconds(), grouped(r.ticks), grouped(r.bytes), grouped(r.gaps))
}

// close ends the recording, if there is one.
func (r *recorder) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recording == nil {
		return nil
	}
	err := r.recording.Close()
	if closing := r.output.Close(); err == nil {
		err = closing
	}
	r.tell()
	return err
}
