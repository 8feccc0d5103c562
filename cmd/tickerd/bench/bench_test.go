package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A tick of three symbols, as the simulator's are: 213 bytes.
const threeSymbols = `{"type":"ticker","seq":%d,"ts":%d,"data":[{"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000},` +
	`{"symbol":"ETH-USD","price":2500.12,"timestamp":1700000000},{"symbol":"SOL-USD","price":95.12,"timestamp":1700000000}]}`

// BenchmarkReceive is what a message costs besides the system's read, when one comes
// alone, and when a hundred come together.
func BenchmarkReceive(b *testing.B) {
	for _, together := range []int{1, 100} {
		b.Run(fmt.Sprint(together), func(b *testing.B) {
			benchmarkReceive(b, together, false, func(text string) ws.Frame { return ws.NewTextFrame([]byte(text)) })
		})
	}
	b.Run("deflate", func(b *testing.B) {
		benchmarkReceive(b, 1, true, func(text string) ws.Frame {
			f := ws.NewTextFrame(deflated(b, text))
			f.Header.Rsv = ws.Rsv(true, false, false)
			return f
		})
	})
	b.Run("odd", func(b *testing.B) {
		benchmarkReceive(b, 1, false, func(text string) ws.Frame { return ws.NewTextFrame([]byte(" " + text)) })
	})
}

// benchmarkReceive is a stream of ticks that a thousand connections get, each so many
// together.
func benchmarkReceive(b *testing.B, together int, deflate bool, frame func(string) ws.Frame) {
	const conns, reads = 1000, 64
	list := newTestCrowd(conns, 1)
	s := list[0]
	s.inflater = newInflater()
	for i := range s.clients {
		s.clients[i].deflate = deflate
	}
	list.open()
	var inputs [reads][]byte
	seq := uint64(0)
	for i := range inputs {
		for range together {
			seq++
			inputs[i] = append(inputs[i], frames(frame(fmt.Sprintf(threeSymbols, seq+1e6, 1700000000000000+seq*10000)))...)
		}
	}
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		round, i := n/conns, n%conns
		if i == 0 && round%reads == 0 { // the stream begins again
			for i := range s.clients {
				s.clients[i].last = 0
			}
		}
		input := inputs[round%reads]
		s.receive(&s.clients[i], input, len(input), time.Now().UnixMicro())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*together), "ns/message")
	if s.tally.ticks != uint64(b.N*together) {
		b.Errorf("%d ticks, not %d", s.tally.ticks, b.N*together)
	}
}
