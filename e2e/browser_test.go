package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tickerd/e2e/nodetest"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// A browser is headless Chromium with one tab. What the page says on the console
// that is bad fails the test.
type browser struct {
	t        *testing.T
	ctx      context.Context
	pictures string   // the directory of its pictures
	provoked []string // what complaints on the console are about that the test provokes

	mu         sync.Mutex
	complaints []string
}

// chromium is the path of the browser, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("the page is not tested: no Chromium is installed (in Debian, the package chromium)")
	return ""
}

// newBrowser starts a browser, which ends with the test.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)),
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
	)
	allocator, free := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &browser{t: t, ctx: ctx, pictures: t.ArtifactDir()}
	var listening sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		free()
		listening.Wait()
		b.check()
	})
	console := chromedp.Console(ctx) // starts it
	listening.Go(func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if bad := []chromedp.ConsoleType{chromedp.ConsoleWarning, chromedp.ConsoleError, chromedp.ConsoleException}; slices.Contains(bad, m.Type) {
				b.mu.Lock()
				b.complaints = append(b.complaints, fmt.Sprintf("%s: %s (%s:%d)", m.Type, m.Text, m.URL, m.Line))
				b.mu.Unlock()
			}
		}
	})
	return b
}

// heard are the complaints so far that the test has not provoked.
func (b *browser) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.complaints), func(complaint string) bool {
		return slices.ContainsFunc(b.provoked, func(s string) bool { return strings.Contains(complaint, s) })
	})
}

func (b *browser) check() {
	for _, complaint := range b.heard() {
		b.t.Errorf("on the browser's console: %s", complaint)
	}
}

// do carries out actions, in order.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, nodetest.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// eval gives the value of a JavaScript expression.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, nodetest.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// wait waits until a JavaScript expression is true. (It asks again and again:
// chromedp's own way to wait is forbidden by the page's policy.)
func (b *browser) wait(expression string) {
	b.t.Helper()
	late := time.After(nodetest.Patience)
	for !eval[bool](b, expression) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			b.picture("failure")
			b.t.Fatalf("waited %v for %s; the page says %q", nodetest.Patience, expression, eval[string](b, `document.body.innerText`))
		}
	}
}

// signIn enters an API key as a person does.
func (b *browser) signIn(key string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.ID("key-input")), chromedp.SendKeys(chromedp.ID("key-input"), key+"\n"))
}

// state waits until the page says what the connection is, as in data-state.
func (b *browser) state(name string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`document.getElementById("connection-state").dataset.state === %q`, name))
}

// text is what the page shows in the first element that a selector finds.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q)?.innerText.trim() ?? ""`, selector))
}

// prices are those that the table shows, by symbol.
func (b *browser) prices() map[string]string {
	b.t.Helper()
	return eval[map[string]string](b, `Object.fromEntries([...document.querySelectorAll("#board tbody tr")]
		.map((row) => [row.dataset.symbol, row.querySelector("[data-field=price]").innerText]))`)
}

// moves waits until all three prices have changed.
func (b *browser) moves() {
	b.t.Helper()
	b.wait(`document.querySelectorAll("#board tbody tr").length === 3`)
	before, err := json.Marshal(b.prices())
	if err != nil {
		b.t.Fatal(err)
	}
	b.wait(fmt.Sprintf(`[...document.querySelectorAll("#board tbody tr")].every((row) => {
		const price = row.querySelector("[data-field=price]").innerText;
		return /^[0-9]+\.[0-9]{2}$/.test(price) && price !== (%s)[row.dataset.symbol];
	})`, before))
}

// screens are those on which the page is looked at.
var screens = []struct {
	name          string
	width, height int64
	options       []chromedp.EmulateViewportOption
}{
	{"1280", 1280, 800, nil},
	{"390", 390, 844, []chromedp.EmulateViewportOption{chromedp.EmulateScale(2), chromedp.EmulateMobile}},
}

// pictureAll takes pictures of the page on every screen, dark and light: with
// nothing half faded, and charts of the new size. Nothing may stand outside the
// screen, and no price may be cut off.
func (b *browser) pictureAll(name string) {
	b.t.Helper()
	eval[int](b, `document.styleSheets[document.styleSheets.length - 1].insertRule("* { transition: none !important; }")`)
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for _, screen := range screens {
			b.do(chromedp.EmulateViewport(screen.width, screen.height, screen.options...))
			b.wait(`[...document.querySelectorAll("#board tbody .chart")].every((cell) => {
				const chart = cell.querySelector("canvas");
				return !chart || Math.abs(chart.clientWidth - cell.clientWidth) <= 1;
			})`)
			b.picture(name + "-" + screen.name + "-" + scheme)
			if wide := eval[int64](b, `document.documentElement.scrollWidth`); wide > screen.width {
				b.t.Errorf("%s: the page is %d wide on a screen of %d", name, wide, screen.width)
			}
			if cut := eval[string](b, `[...document.querySelectorAll("#board .price")]
				.filter((cell) => cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.innerText).join(", ")`); cut != "" {
				b.t.Errorf("%s: on a screen of %d is cut off: %s", name, screen.width, cut)
			}
		}
	}
}

// scheme has the page think that the person prefers it light or dark.
func (b *browser) scheme(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// picture saves what the browser shows.
func (b *browser) picture(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, nodetest.Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatalf("picture: %v", err)
	}
	file := filepath.Join(b.pictures, name+".png")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.t.Log(file)
}
