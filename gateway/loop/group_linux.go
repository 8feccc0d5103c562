//go:build !portable

package loop

import (
	"iter"
	"math/rand/v2"

	"tickerd/gateway/fanout"
)

// A group is the connections of a loop that follow one stream: those of a stream
// that has not grown cost nothing beyond a look at it.
type group struct {
	stream *fanout.Stream
	links  []*link
	seen   int64 // how far the stream had grown when the group was written to
}

// member is a link's place in its group.
type member struct {
	group *group
	place int
}

// groups are those of one loop.
type groups map[*fanout.Stream]*group

// join puts k into the group of a stream, nil: of none.
func (gs groups) join(k *link, s *fanout.Stream) {
	if k.group != nil && k.group.stream == s {
		return
	}
	gs.leave(k)
	if s == nil {
		return
	}
	g := gs[s]
	if g == nil {
		g = &group{stream: s}
		gs[s] = g
	}
	k.member = member{g, len(g.links)}
	g.links = append(g.links, k)
}

// leave takes k out of its group.
func (gs groups) leave(k *link) {
	g := k.group
	if g == nil {
		return
	}
	last := len(g.links) - 1
	g.links[k.place] = g.links[last]
	g.links[k.place].place = k.place
	g.links[last] = nil
	g.links = g.links[:last]
	k.member = member{}
	switch {
	case last == 0:
		delete(gs, g.stream)
	case cap(g.links) > 4*last:
		g.links = append(make([]*link, 0, 2*last), g.links...)
	}
}

// grown gives the groups whose stream has grown since it gave them last.
func (gs groups) grown() iter.Seq[*group] {
	return func(yield func(*group) bool) {
		for _, g := range gs {
			head := g.stream.Head()
			if head == g.seen {
				continue
			}
			g.seen = head
			if !yield(g) {
				return
			}
		}
	}
}

// all gives each link of a group once. Each time another is the first, so that
// nobody is always served last.
func (g *group) all() iter.Seq[*link] {
	return func(yield func(*link) bool) {
		first := rand.IntN(len(g.links))
		for _, part := range [...][]*link{g.links[first:], g.links[:first]} {
			for _, k := range part {
				if !yield(k) {
					return
				}
			}
		}
	}
}
