package auth

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tickerd/bus"
)

func TestRevoked(t *testing.T) {
	made := func(at int64) Token {
		return Token{ID: "t", IssuedAt: at, Grant: &Grant{KeyID: "k", UserID: "ann"}}
	}
	tests := map[string]struct {
		rev   bus.Revocation
		token Token
		want  bool
	}{
		"token":             {bus.Revocation{TokenID: "t"}, made(now0), true},
		"key":               {bus.Revocation{KeyID: "k"}, made(now0), true},
		"token, long ago":   {bus.Revocation{TokenID: "t", At: 1}, made(now0), true},
		"user":              {bus.Revocation{UserID: "ann"}, made(now0), true},
		"user, before":      {bus.Revocation{UserID: "ann"}, made(now0 - 1), true},
		"user, after":       {bus.Revocation{UserID: "ann"}, made(now0 + 1), false},
		"user, at":          {bus.Revocation{UserID: "ann", At: now0 - 10}, made(now0 - 10), true},
		"user, after at":    {bus.Revocation{UserID: "ann", At: now0 - 10}, made(now0 - 9), false},
		"user, at later":    {bus.Revocation{UserID: "ann", At: now0 + 100}, made(now0 + 4), true},
		"user, at too late": {bus.Revocation{UserID: "ann", At: now0 + 100}, made(now0 + 5), false},
		"user, without iat": {bus.Revocation{UserID: "ann", At: now0 - 10}, Token{Grant: &Grant{UserID: "ann"}}, true},
		"other token":       {bus.Revocation{TokenID: "u"}, made(now0), false},
		"other key":         {bus.Revocation{KeyID: "t"}, made(now0), false},
		"other user":        {bus.Revocation{UserID: "bob"}, made(now0), false},
		"nothing":           {bus.Revocation{}, Token{Grant: &Grant{}}, false},
		"two things":        {bus.Revocation{TokenID: "t", KeyID: "k"}, made(now0), false},
		"too long":          {bus.Revocation{TokenID: strings.Repeat("t", 129)}, Token{ID: strings.Repeat("t", 129), Grant: &Grant{}}, false},
		"an actor":          {bus.Revocation{UserID: "user:ann"}, made(now0), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRevoked()
			r.clock = at(now0)
			if r.has(tt.token) {
				t.Error("revoked before")
			}
			r.add(tt.rev)
			if got := r.has(tt.token); got != tt.want {
				t.Errorf("has is %v", got)
			}
		})
	}
}

func TestRevokedNews(t *testing.T) {
	r := newRevoked()
	r.clock = at(now0)
	for i, step := range []struct {
		rev  bus.Revocation
		news bool
	}{
		{bus.Revocation{TokenID: "x"}, true},
		{bus.Revocation{TokenID: "x"}, false},
		{bus.Revocation{KeyID: "x"}, true},
		{bus.Revocation{KeyID: "x", At: now0 + 1}, false},
		{bus.Revocation{UserID: "x", At: now0 - 5}, true},
		{bus.Revocation{UserID: "x", At: now0 - 5}, false},
		{bus.Revocation{UserID: "x", At: now0 - 6}, false},
		{bus.Revocation{UserID: "x", At: now0 - 4}, true},
		{bus.Revocation{UserID: "old", At: now0 - int64(remembered/time.Second)}, false},
		{bus.Revocation{}, false},
	} {
		if got := r.add(step.rev); got != step.news {
			t.Errorf("%d: %+v: news is %v", i, step.rev, got)
		}
	}
}

func TestRevokedForgets(t *testing.T) {
	r := newRevoked()
	now := time.Unix(now0, 0)
	r.clock = func() time.Time { return now }
	old := Token{ID: "t", IssuedAt: now.Unix(), Grant: &Grant{KeyID: "k", UserID: "ann"}}
	for _, rev := range []bus.Revocation{{TokenID: "t"}, {KeyID: "k"}, {UserID: "ann"}} {
		r.add(rev)
	}
	now = now.Add(MaxTokenTTL)
	r.add(bus.Revocation{TokenID: "later"})
	if !r.has(old) || len(r.tokens) != 2 {
		t.Error("forgotten while a token may live")
	}
	now = now.Add(2 * sweepEvery)
	r.add(bus.Revocation{TokenID: "last"})
	if r.has(old) || len(r.tokens) != 2 || len(r.keys) != 0 || len(r.users) != 0 {
		t.Errorf("remembered: %v %v %v", r.tokens, r.keys, r.users)
	}
}

func TestRevokedConcurrently(t *testing.T) {
	r := newRevoked()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 1000 {
				id := fmt.Sprint(i, j)
				r.add(bus.Revocation{TokenID: id})
				if !r.has(Token{ID: id, Grant: &Grant{}}) {
					t.Error("not revoked")
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkHas(b *testing.B) {
	r := newRevoked()
	for i := range 10_000 {
		r.add(bus.Revocation{TokenID: fmt.Sprint(i)})
		r.add(bus.Revocation{UserID: fmt.Sprint(i)})
	}
	t := Token{ID: "tGO1HAJNTP91kQVPXADrd8", IssuedAt: time.Now().Unix(), Grant: &Grant{KeyID: "abcdefghijkl", UserID: "demo"}}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.has(t)
		}
	})
}
