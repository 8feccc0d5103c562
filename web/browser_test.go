package web_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience is how long anything is waited for that must come.
const patience = 30 * time.Second

// A browser is headless Chromium with one tab, in which the page is signed in. What
// is bad on its console fails the test.
type browser struct {
	t        *testing.T
	ctx      context.Context
	pictures string   // the directory of its pictures
	provoked []string // what complaints on the console are about that the test provokes
}

// open opens the page of a server in a browser that ends with the test, and signs
// in. Provoked is what the console may complain about.
func open(t *testing.T, s *server, provoked ...string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("the page is not tested: no Chromium is installed (in Debian, the package chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
	)
	allocator, free := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &browser{t: t, ctx: ctx, pictures: t.ArtifactDir(), provoked: provoked}
	console := chromedp.Console(ctx) // starts it
	var listening sync.WaitGroup
	listening.Go(func() {
		bad := []chromedp.ConsoleType{chromedp.ConsoleWarning, chromedp.ConsoleError, chromedp.ConsoleException}
		for m, err := range console {
			if err != nil {
				return
			}
			if slices.Contains(bad, m.Type) && !slices.ContainsFunc(b.provoked, func(s string) bool { return strings.Contains(m.Text, s) }) {
				t.Errorf("on the browser's console: %s: %s (%s:%d)", m.Type, m.Text, m.URL, m.Line)
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		free()
		listening.Wait()
	})
	b.screen(1280, 800)
	b.do(chromedp.Navigate(s.url), chromedp.WaitVisible(chromedp.ID("key-input")), chromedp.SendKeys(chromedp.ID("key-input"), "key\n"))
	b.wait(`document.getElementById("connection-state").dataset.state === "live"`)
	return b
}

// do carries out actions, in order.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("browser: %v", err)
	}
}

// eval gives the value of a JavaScript expression.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// wait waits until a JavaScript expression is true.
func (b *browser) wait(expression string) {
	b.t.Helper()
	late := time.After(patience)
	for !eval[bool](b, expression) {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			b.picture("failure")
			b.t.Fatalf("waited %v for %s; the page says %q", patience, expression, eval[string](b, `document.body.innerText`))
		}
	}
}

// shows waits until the element that a selector finds shows a text; none is there
// where the text is empty.
func (b *browser) shows(selector, text string) {
	b.t.Helper()
	b.wait(fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? "").trim() === %q`, selector, text))
}

// screen sets the size of the page.
func (b *browser) screen(width, height int64, options ...chromedp.EmulateViewportOption) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height, options...))
}

// pictureAll takes pictures of the page, dark and light, wide and narrow. Nothing
// may stand outside the screen, or be cut off.
func (b *browser) pictureAll(name string) {
	b.t.Helper()
	eval[int](b, `document.styleSheets[document.styleSheets.length - 1].insertRule("* { transition: none !important; }")`)
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, width := range []int64{1280, 800, 390} {
			b.screen(width, 800)
			b.wait(`[...document.querySelectorAll("#board tbody .chart")].every((cell) => {
				const chart = cell.querySelector("canvas");
				return !chart || Math.abs(chart.clientWidth - cell.clientWidth) <= 1;
			})`)
			b.picture(fmt.Sprintf("%s-%d-%s", name, width, scheme))
			if wide := eval[int64](b, `document.documentElement.scrollWidth`); wide > width {
				b.t.Errorf("%s: the page is %d wide on a screen of %d", name, wide, width)
			}
			if cut := eval[string](b, `[...document.querySelectorAll("#board :is(th, td):not(.chart, .unseen)")]
				.filter((cell) => cell.checkVisibility({contentVisibilityAuto: true}) && cell.scrollWidth > cell.clientWidth + 1).map((cell) => cell.innerText).join(", ")`); cut != "" {
				b.t.Errorf("%s: on a screen of %d is cut off: %s", name, width, cut)
			}
		}
	}
	b.screen(1280, 800)
}

// picture saves what the browser shows.
func (b *browser) picture(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatalf("picture: %v", err)
	}
	if err := os.WriteFile(filepath.Join(b.pictures, name+".png"), png, 0o600); err != nil {
		b.t.Fatal(err)
	}
}
