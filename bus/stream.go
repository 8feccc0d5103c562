package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNotKept is the failure to get what a stream does not have.
const ErrNotKept = Error("not in the stream")

// StreamConfig says what a stream keeps.
type StreamConfig struct {
	Name     string        // of the stream: letters, digits and _
	Subjects []string      // what is captured
	MaxAge   time.Duration // since a message was put; 0: for ever
	PerKey   int64         // messages of one subject, of which the newest stay; 0: any number

	// MessageTTL allows messages to have an end of their own.
	MessageTTL bool
}

// A Stream keeps messages on disk, in the order in which they were put, and finds
// them by their subject. What was put is there after a crash.
type Stream struct {
	js     jetstream.JetStream
	stream jetstream.Stream
}

// OpenStream opens a stream, or makes it. What cfg says anew holds from now on.
func (c *Conn) OpenStream(ctx context.Context, cfg StreamConfig) (*Stream, error) {
	js, err := jetstream.New(c.nats, jetstream.WithDefaultTimeout(storeTimeout))
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", cfg.Name, err)
	}
	perKey := cfg.PerKey
	if perKey == 0 {
		perKey = -1
	}
	s := &Stream{js: js}
	err = c.replicated(func() (err error) {
		s.stream, err = js.Stream(ctx, cfg.Name)
		return err
	}, func(replicas int) (err error) {
		s.stream, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name:              cfg.Name,
			Subjects:          cfg.Subjects,
			MaxAge:            cfg.MaxAge,
			MaxMsgsPerSubject: perKey,
			Replicas:          replicas,
			AllowDirect:       true,
			AllowMsgTTL:       cfg.MessageTTL,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", cfg.Name, err)
	}
	return s, nil
}

// Created tells one stream from another of the same name that was made later.
func (s *Stream) Created() time.Time { return s.stream.CachedInfo().Created }

// Put appends a message, and returns its number when it is kept.
func (s *Stream) Put(ctx context.Context, subject string, data []byte) (seq uint64, err error) {
	ack, err := s.js.Publish(ctx, subject, data)
	if err != nil {
		return 0, fmt.Errorf("put %s: %w", subject, err)
	}
	return ack.Sequence, nil
}

// PutOnce is Put of a message that is kept once however often it is put, within two
// minutes; with a ttl that is not 0 it ends after that time.
func (s *Stream) PutOnce(ctx context.Context, subject, id string, data []byte, ttl time.Duration) (seq uint64, err error) {
	options := []jetstream.PublishOpt{jetstream.WithMsgID(id)}
	if ttl > 0 {
		options = append(options, jetstream.WithMsgTTL(ttl))
	}
	ack, err := s.js.Publish(ctx, subject, data, options...)
	if err != nil {
		return 0, fmt.Errorf("put %s: %w", subject, err)
	}
	return ack.Sequence, nil
}

// Last is the newest message of a subject, or ErrNotKept.
func (s *Stream) Last(ctx context.Context, subject string) ([]byte, error) {
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if err = notKept(err); err != nil {
		return nil, fmt.Errorf("get %s: %w", subject, err)
	}
	return m.Data, nil
}

// Next is the first message of a subject whose number is at least from, or
// ErrNotKept.
func (s *Stream) Next(ctx context.Context, subject string, from uint64) (seq uint64, data []byte, err error) {
	m, err := s.stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
	if err = notKept(err); err != nil {
		return 0, nil, fmt.Errorf("get %s: %w", subject, err)
	}
	return m.Sequence, m.Data, nil
}

// Kept is a message of a stream.
type Kept struct {
	Subject string
	Seq     uint64 // its number
	Data    []byte
}

// From is the first message, of whatever subject, whose number is at least from; or
// ErrNotKept, where there is none yet as far as the asked node has come.
func (s *Stream) From(ctx context.Context, from uint64) (Kept, error) {
	m, err := s.stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(">"))
	if err = notKept(err); err != nil {
		return Kept{}, fmt.Errorf("get what follows %d: %w", from, err)
	}
	return Kept{Subject: m.Subject, Seq: m.Sequence, Data: m.Data}, nil
}

// Look asks the cluster for the stream, and brings Created up to date: ErrNotKept where
// there is none of the name any more.
func (s *Stream) Look(ctx context.Context) error {
	_, err := s.stream.Info(ctx)
	if err = notKept(err); err != nil {
		return fmt.Errorf("look for the stream: %w", err)
	}
	return nil
}

// notKept is err, or ErrNotKept for what NATS says where there is nothing.
func notKept(err error) error {
	if errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return ErrNotKept
	}
	return err
}

// Trim removes the messages of a subject whose numbers are below before.
func (s *Stream) Trim(ctx context.Context, subject string, before uint64) error {
	err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(before))
	if err != nil {
		return fmt.Errorf("trim %s: %w", subject, err)
	}
	return nil
}

// Subjects are those that match filter and of which the stream has a message.
func (s *Stream) Subjects(ctx context.Context, filter string) ([]string, error) {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", filter, err)
	}
	return slices.Collect(maps.Keys(info.State.Subjects)), nil
}

// Replicas is how many nodes keep a stream.
func (c *Conn) Replicas(ctx context.Context, name string) (int, error) {
	js, err := jetstream.New(c.nats)
	if err != nil {
		return 0, err
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", name, err)
	}
	return stream.CachedInfo().Config.Replicas, nil
}
