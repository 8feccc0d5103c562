package ticker_test

import (
	"fmt"
	"testing"

	"tickerd/ticker"
)

func ExampleTick_AppendJSON() {
	tick := ticker.Tick{Seq: 173, TS: 1700000000123456, Data: []ticker.Price{
		{Symbol: "BTC-USD", Price: "42000.12", Timestamp: 1700000000},
		{Symbol: "ETH-USD", Price: "2500.00", Timestamp: 1699999999},
	}}
	fmt.Printf("%s\n", tick.AppendJSON(nil))
	// Output:
	// {"type":"ticker","seq":173,"ts":1700000000123456,"data":[{"symbol":"BTC-USD","price":42000.12,"timestamp":1700000000},{"symbol":"ETH-USD","price":2500.00,"timestamp":1699999999}]}
}

func ExampleAppendHead() {
	snapshot := ticker.AppendHead(nil, 173, 1700000000123456, true)
	fmt.Println(string(snapshot) + ticker.Tail)
	// Output:
	// {"type":"ticker","snapshot":true,"seq":173,"ts":1700000000123456,"data":[]}
}

func TestAppendJSONAppends(t *testing.T) {
	if got := string(ticker.Tick{}.AppendJSON([]byte("x"))); got != `x{"type":"ticker","seq":0,"ts":0,"data":[]}` {
		t.Error(got)
	}
}
