package e2e_test

import (
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"

	"tickerd/e2e/nodetest"
	"tickerd/pricefeed/exchangetest"
)

// TestPage signs in with the demo key and watches prices move.
func TestPage(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	b := newBrowser(t)
	b.do(chromedp.Navigate(n.URL))
	b.pictureAll("sign-in")

	b.provoked = []string{"401"} // the browser notes every answer that is an error
	b.signIn("tk_" + strings.Repeat("A", 32))
	b.wait(`document.getElementById("sign-in-error").innerText.includes("not valid")`)
	b.pictureAll("wrong-key")
	b.do(chromedp.Clear(chromedp.ID("key-input")))
	b.signIn(n.Key)
	b.state("live")
	b.moves()
	if user := b.text("#user"); user != "demo" {
		t.Errorf("signed in as %q", user)
	}
	b.wait(`/^(<.)?[0-9]+ ms$/.test(document.getElementById("delay").innerText)`)
	b.wait(`/^[0-9]+ .s$/.test(document.getElementById("rate").innerText)`)
	charts := eval[string](b, `JSON.stringify([...document.querySelectorAll("#board tbody canvas")].map((chart) => chart.toDataURL()))`)
	b.wait(`(` + charts + `).length === 3`)
	b.wait(`[...document.querySelectorAll("#board tbody canvas")].every((chart, i) => chart.toDataURL() !== (` + charts + `)[i])`)
	b.pictureAll("live")
	b.do(chromedp.Click("#connect summary"))
	b.wait(`document.querySelector("#connect pre").innerText.includes("/auth/token")`)
	b.pictureAll("connect")

	// The key is kept for the tab, and for nobody else.
	if kept := eval[string](b, `JSON.stringify({...localStorage}) + document.cookie + location.href`); strings.Contains(kept, n.Key) || strings.Contains(kept, "eyJ") {
		t.Errorf("the page leaves secrets behind: %s", kept)
	}
	b.do(chromedp.Reload())
	b.state("live")
	b.moves()
	b.do(chromedp.Click(chromedp.ID("sign-out")))
	b.state("signed-out")
	if kept := eval[int](b, `sessionStorage.length`); kept != 0 {
		t.Errorf("after signing out %d values are kept", kept)
	}

	// What the page must not do would be noticed.
	if bad := b.heard(); len(bad) > 0 {
		t.Fatalf("on the browser's console: %q", bad)
	}
	eval[chromedp.Void](b, `document.head.append(Object.assign(document.createElement("style"), {textContent: "body {color: red}"}))`)
	nodetest.Eventually(t, "a violation of the policy on the console", func() bool { return len(b.heard()) > 0 })
	b.provoked = append(b.provoked, "Content Security Policy")
}

// TestPageOfRevokedKey revokes the key of a page that is open.
func TestPageOfRevokedKey(t *testing.T) {
	t.Parallel()
	n := nodetest.Start(t)
	b := newBrowser(t)
	key, id := n.NewKey(t, "--user", "ann", "--symbols", "BTC-*")
	b.do(chromedp.Navigate(n.URL))
	b.signIn(key)
	b.state("live")
	b.wait(`document.querySelectorAll("#board tbody tr").length === 1`)
	operator := n.Operator(t)
	operator.Subscribe("conn.*.join")

	n.Must(t, "key", "revoke", id)
	b.state("signed-out")
	if why := b.text("#sign-in-error"); !strings.Contains(why, "revoked") {
		t.Errorf("the page says %q", why)
	}
	b.pictureAll("revoked")
	// It has nothing left to connect with, and does not when it is encouraged to.
	if kept := eval[int](b, `dispatchEvent(new Event("online")), dispatchEvent(new Event("pageshow")), sessionStorage.length`); kept != 0 {
		t.Errorf("%d values are kept", kept)
	}
	b.do(chromedp.Reload())
	b.wait(`!document.getElementById("sign-in-view").hidden`)
	if joins := operator.Waiting(); joins != nil {
		t.Errorf("the page has connected again: %v", joins)
	}
}

// TestPageReconnects ends the server and starts it again: the page comes back by
// itself. It is not parallel, so that nobody takes the port meanwhile.
func TestPageReconnects(t *testing.T) {
	n := nodetest.Start(t, "server.drain_spread=1s")
	b := newBrowser(t)
	// The browser notes every failure to connect, and with the last of them the
	// page's question why, which a server that is back answers with 426. A request that
	// comes while the server ends is cut off.
	b.provoked = []string{"ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "WebSocket connection to", "503", "426"}
	b.do(chromedp.Navigate(n.URL))
	b.signIn(n.Key)
	b.state("live")
	b.moves()

	n.Signal(t, syscall.SIGTERM)
	b.state("draining")
	b.pictureAll("draining")
	if status := n.Wait(t); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	b.state("reconnecting")
	b.pictureAll("reconnecting")

	again, err := url.Parse(n.URL)
	if err != nil {
		t.Fatal(err)
	}
	nodetest.StartOn(t, n.Dir, "server.listen="+again.Host)
	b.state("live")
	b.moves()
}

// TestPageOfExchange plays an exchange to the page: it shows the digits that the
// exchange has sent, and says when they are old.
func TestPageOfExchange(t *testing.T) {
	t.Parallel()
	exchange := exchangetest.New(t)
	n := nodetest.StartDry(t, nodetest.NewDataDir(t), coinbase(exchange)...)
	feed := accept(t, exchange)
	b := newBrowser(t)
	b.do(chromedp.Navigate(n.URL))
	b.signIn(n.Key)
	b.wait(`!document.getElementById("waiting").hidden`)
	b.pictureAll("no-price")
	for _, d := range digits {
		feed.Trade(d.symbol, d.sent)
	}
	b.state("live")
	b.wait(`document.querySelectorAll("#board tbody tr[data-state=live]").length === 3`)
	shown := b.prices()
	for _, d := range digits {
		if shown[d.symbol] != d.shown {
			t.Errorf("the exchange has sent %s %s, and the page shows %q", d.symbol, d.sent, shown[d.symbol])
		}
	}
	b.pictureAll("digits")

	feed.Drop()
	feed = accept(t, exchange)
	b.wait(`document.querySelectorAll("#board tbody tr[data-state=down]").length === 3`)
	b.state("stale")
	if notice := b.text("#notice"); !strings.Contains(notice, "coinbase is down") {
		t.Errorf("the page says %q", notice)
	}
	b.pictureAll("source-down")

	feed.Trade("BTC-USD", "84737.490")
	b.state("live")
	b.wait(`document.querySelector("#board tbody tr[data-symbol=BTC-USD] [data-field=price]").innerText === "84737.490"`)
	b.wait(`document.querySelectorAll("#board tbody tr[data-state=live]").length === 1`)
	b.pictureAll("one-live")
}
