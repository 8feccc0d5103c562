package handler

import (
	"fmt"
	"sync"
	"testing"

	"tickerd/ticker"
)

func tickOf(n int) []byte {
	var t ticker.Tick
	for i := range n {
		t.Data = append(t.Data, ticker.Price{Symbol: ticker.Symbol(fmt.Sprintf("COIN%d-USD", i)), Price: "1.5"})
	}
	return t.AppendJSON(nil)
}

func TestCatalog(t *testing.T) {
	c := newCatalog([]ticker.Symbol{"BTC-USD"})
	if err := c.learn(tickOf(3)); err != nil {
		t.Fatal(err)
	}
	for s, want := range map[ticker.Symbol]bool{"BTC-USD": true, "COIN0-USD": true, "COIN2-USD": true, "COIN3-USD": false, "": false} {
		if c.has(s) != want {
			t.Errorf("has(%q) = %t", s, !want)
		}
	}
	if err := c.learn([]byte("no tick")); err == nil {
		t.Error("no error for what is no tick")
	}
	if !c.has("COIN0-USD") {
		t.Error("forgotten")
	}
}

// What a tick brings a hundred times a second is looked at without allocating.
func TestCatalogAllocatesNothing(t *testing.T) {
	c := newCatalog(nil)
	tick := tickOf(100)
	if allocs := testing.AllocsPerRun(10, func() {
		if err := c.learn(tick); err != nil {
			t.Fatal(err)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// Symbols are looked up while others are learned.
func TestCatalogConcurrently(t *testing.T) {
	c := newCatalog([]ticker.Symbol{"BTC-USD"})
	var readers sync.WaitGroup
	defer readers.Wait()
	for range 2 {
		readers.Go(func() {
			for !c.has("COIN50-USD") {
				if !c.has("BTC-USD") {
					t.Error("forgotten")
					return
				}
			}
		})
	}
	for n := range 52 {
		if err := c.learn(tickOf(n)); err != nil {
			t.Fatal(err)
		}
	}
}
