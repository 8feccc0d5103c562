package exchange

import (
	"math/rand/v2"
	"time"
)

// longestDelay is the ceiling of ceilings.
const longestDelay = time.Minute

// backoff gives the waits between attempts: "full jitter", which is anything up
// to a ceiling that doubles with every attempt. Many nodes that lost an exchange
// together do not come back to it together.
type backoff struct {
	first   time.Duration // the ceiling of the first wait
	ceiling time.Duration // of the next; 0: first
}

func (b *backoff) next() time.Duration {
	if b.ceiling == 0 {
		b.ceiling = b.first
	}
	wait := rand.N(b.ceiling)
	b.ceiling = min(2*b.ceiling, longestDelay)
	return wait
}

func (b *backoff) reset() { b.ceiling = 0 }
