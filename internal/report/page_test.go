//go:build slow

package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

// browser starts one Chromium for all pages of a test.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WSURLReadTimeout(time.Minute))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(allocator)
	require.NoError(t, chromedp.Run(ctx), "Chromium did not start: ./scripts/install-packages chromium")
	t.Cleanup(func() { end(); stop() })
	return ctx
}

// heard is what a page said and asked for while it was shown.
type heard struct {
	mu       sync.Mutex
	messages []string
	requests []string
}

func (h *heard) add(list *[]string, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*list = append(*list, text)
}

func (h *heard) listen(ctx context.Context) {
	chromedp.ListenTarget(ctx, func(ev any) {
		switch e := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			h.add(&h.messages, fmt.Sprint("console: ", e.Args))
		case *runtime.EventExceptionThrown:
			h.add(&h.messages, "exception: "+e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			h.add(&h.messages, "log: "+e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, "data:") {
				h.add(&h.requests, e.Request.URL)
			}
		case *page.EventJavascriptDialogOpening:
			h.add(&h.messages, "dialog: "+e.Message)
		}
	})
}

// seen is what survey found on a page.
type seen struct {
	ScrollWidth, InnerWidth, Height int
	Background                      string
	Scripted                        int
	Fixes                           []string
	Hidden, Faint, Cut              []string
	Stale                           bool
	Images, Scripts                 int
}

// survey looks at the page as laid out: what sticks out, what is not to be seen, and
// the contrast of every text against what it stands on.
const survey = `(() => {
  const rgb = c => (c.match(/[\d.]+/g) || []).map(Number);
  const lum = c => { const f = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const out = { ScrollWidth: document.documentElement.scrollWidth, InnerWidth: innerWidth, Height: document.documentElement.scrollHeight, Background: getComputedStyle(document.body).backgroundColor,
    Scripted: document.querySelectorAll(".fix button").length, Fixes: [], Hidden: [], Faint: [], Cut: [], Stale: !document.getElementById("stale").hidden,
    Images: document.images.length, Scripts: document.scripts.length };
  for (const c of document.querySelectorAll(".fix code")) {
    const b = c.getBoundingClientRect();
    out.Fixes.push(c.textContent);
    if (b.width < 50 || b.height < 10 || b.left < 0 || b.right > innerWidth || c.scrollWidth > c.clientWidth + 1 || !c.checkVisibility({ opacityProperty: true, visibilityProperty: true })) out.Hidden.push(c.textContent);
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = new Set(), cut = new Set();
  for (let n; n = walker.nextNode();) {
    const e = n.parentElement;
    if (!n.data.trim() || e.closest("script, style, .hidden, svg title, details:not([open]) > :not(summary), thead") || !e.checkVisibility()) continue;
    const s = getComputedStyle(e), a = lum(rgb(e.closest("svg") ? s.fill : s.color)), b = lum(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) faint.add(e.className + " " + e.tagName + " " + ratio.toFixed(2));
    const box = e.getBoundingClientRect();
    if (box.right > innerWidth + 1 || box.left < -1) cut.add(e.tagName + "." + e.className + " " + Math.round(box.left) + ".." + Math.round(box.right));
  }
  out.Faint = [...faint]; out.Cut = [...cut];
  return JSON.stringify(out);
})()`

// show opens a page as a file, as an operator does, and looks at it.
func show(t *testing.T, browser context.Context, file string, width int64, scheme string) (seen, *heard) {
	t.Helper()
	tab, end := chromedp.NewContext(browser)
	defer end()
	tab, stop := context.WithTimeout(tab, time.Minute)
	defer stop()
	h := &heard{}
	h.listen(tab)
	var text string
	var picture []byte
	require.NoError(t, chromedp.Run(tab,
		log.Enable(), network.Enable(), runtime.Enable(),
		chromedp.EmulateViewport(width, 900, func(p *emulation.SetDeviceMetricsOverrideParams, _ *emulation.SetTouchEmulationEnabledParams) {
			p.Mobile = width < 500
		}),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Navigate((&url.URL{Scheme: "file", Path: file}).String()),
		chromedp.WaitReady("footer"),
		chromedp.Evaluate(survey, &text),
		// The policy is in force if a script that is not the page's own does not run.
		chromedp.Evaluate(`(() => { const s = document.createElement("script"); s.textContent = "window.escaped = 1"; document.body.append(s); s.remove(); return 0 })()`, nil),
	))
	var s seen
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	var escaped bool
	require.NoError(t, chromedp.Run(tab, chromedp.Evaluate(`"escaped" in window`, &escaped)))
	assert.False(t, escaped, "the policy is not in force")
	if dir := os.Getenv("SHOTS"); dir != "" {
		// A tab behind another one draws nothing.
		require.NoError(t, chromedp.Run(tab, page.BringToFront(), chromedp.EmulateViewport(width, int64(min(s.Height, 8000))), chromedp.CaptureScreenshot(&picture)))
		name := fmt.Sprintf("%s-%d-%s.png", strings.TrimSuffix(filepath.Base(file), ".html"), width, scheme)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), picture, 0o644))
	}
	return s, h
}

// TestPageInChromium: on every screen and in both schemes the page fits, can be
// read, says nothing to the console and asks nobody for anything. SHOTS=DIR keeps
// what was seen.
func TestPageInChromium(t *testing.T) {
	chromium, dir := browser(t), t.TempDir()
	grounds := map[string]string{}
	for name, r := range worlds() {
		if name != "hostile" && name != "empty" {
			r.CheckedAt = r.CheckedAt.Add(time.Since(checked))
		}
		var out bytes.Buffer
		require.NoError(t, HTML(&out, r))
		file := filepath.Join(dir, name+".html")
		require.NoError(t, os.WriteFile(file, out.Bytes(), 0o644))
		for _, width := range []int64{1440, 390} {
			for _, scheme := range []string{"light", "dark"} {
				t.Run(fmt.Sprintf("%s %d %s", name, width, scheme), func(t *testing.T) {
					s, h := show(t, chromium, file, width, scheme)
					checkPage(t, r, s, h)
					require.Equal(t, name == "hostile" || name == "empty", s.Stale, "what is old says so")
					grounds[scheme] = s.Background
				})
			}
		}
	}
	require.NotEqual(t, grounds["light"], grounds["dark"])
}

func checkPage(t *testing.T, r drift.Report, s seen, h *heard) {
	t.Helper()
	assert.LessOrEqual(t, s.ScrollWidth, s.InnerWidth, "the page scrolls sideways")
	assert.Empty(t, s.Cut, "sticks out")
	assert.Empty(t, s.Faint, "contrast below 4.5")
	assert.Empty(t, s.Hidden, "fixes that are not to be seen whole")
	assert.Equal(t, len(s.Fixes), s.Scripted, "the page's own script runs")
	assert.Zero(t, s.Images)
	assert.Equal(t, 1, s.Scripts)
	for _, f := range r.Findings {
		assert.Contains(t, s.Fixes, command(f.Fix))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	// The one message is the policy's, about the script that this test put there.
	require.Len(t, h.messages, 1, "%s", h.messages)
	assert.Contains(t, h.messages[0], "Content Security Policy")
	require.Len(t, h.requests, 1, "%s", h.requests)
	assert.True(t, strings.HasPrefix(h.requests[0], "file:"), h.requests[0])
}
