package web_test

import "testing"

// TestComposite holds that an exchange that is down is told as information where the
// price comes from others, and as what it is where it comes from nobody.
func TestComposite(t *testing.T) {
	t.Parallel()
	s := newServer(t, [2]string{"BTC-USD", "42000.10"}, [2]string{"ETH-USD", "2500.00"})
	b := open(t, s, "404") // there is no history
	b.shows("#origins", "")

	s.say(`{"type":"status","source":"kraken","state":"down","symbols":["BTC-USD","ETH-USD"],"part_of":"composite"}`)
	b.shows("#origins", "kraken is down; prices come from the other exchanges.")
	s.say(`{"type":"status","source":"composite","state":"live","symbols":["BTC-USD","ETH-USD"],"sources":["coinbase","binance"]}`)
	b.shows("#origins", "kraken is down; prices come from binance and coinbase. Binance prices are in USDT.")
	b.shows("#notice", "")
	b.wait(`document.querySelectorAll("#board tbody tr[data-state=live]").length === 2`)
	b.shows("#state-name", "Live")

	s.say(`{"type":"status","source":"composite","state":"live","symbols":["ETH-USD"],"sources":["coinbase"]}`)
	b.shows(row("ETH-USD", "origin"), "from coinbase")
	b.shows(row("BTC-USD", "origin"), "")
	b.pictureAll("part-down")

	s.say(`{"type":"status","source":"composite","state":"stale","symbols":["ETH-USD"]}`)
	b.wait(`document.querySelector("tr[data-symbol=ETH-USD]").dataset.state === "stale"`)
	b.shows("#notice", "There is no current price of ETH-USD.")
	b.wait(`document.querySelector("tr[data-symbol=BTC-USD]").dataset.state === "live"`)
	b.pictureAll("whole-stale")

	s.say(`{"type":"status","source":"kraken","state":"live","symbols":["BTC-USD","ETH-USD"],"part_of":"composite"}`)
	s.say(`{"type":"status","source":"composite","state":"live","symbols":["BTC-USD","ETH-USD"],"sources":["coinbase","kraken"]}`)
	b.shows("#origins", "Prices come from coinbase and kraken.")
	b.shows("#notice", "")
}
