package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

func htmlOf(t *testing.T, r drift.Report) *html.Node {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, HTML(&out, r))
	doc, err := html.Parse(&out)
	require.NoError(t, err)
	return doc
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func classed(n *html.Node, class string) []*html.Node {
	var out []*html.Node
	each(n, func(c *html.Node) {
		for _, name := range strings.Fields(attr(c, "class")) {
			if name == class {
				out = append(out, c)
			}
		}
	})
	return out
}

// TestPageHasTheWholeReport: every finding with its fix, every gap, secret and
// consumer, whatever their strings hold.
func TestPageHasTheWholeReport(t *testing.T) {
	for name, r := range worlds() {
		doc := htmlOf(t, r)
		require.Equal(t, "en", attr(elements(doc, "html")[0], "lang"))
		require.Equal(t, headline(r), content(elements(doc, "title")[0]))
		require.Len(t, elements(doc, "h1"), 1)
		require.Equal(t, headline(r), content(elements(doc, "h1")[0]))
		require.Contains(t, content(doc), sureness(r.Copies))
		var fixes, subjects []string
		for _, n := range classed(doc, "fix") {
			fixes = append(fixes, content(n))
		}
		for _, n := range elements(doc, "h4") {
			subjects = append(subjects, content(n))
		}
		for _, f := range r.Findings {
			require.Contains(t, fixes, command(f.Fix), name)
			require.Contains(t, subjects, printable(f.Subject), name)
		}
		for _, g := range gapsOf(r) {
			require.Contains(t, subjects, g.Subject, name)
		}
		require.Len(t, subjects, len(r.Findings)+len(gapsOf(r)), name)
		consumers := 0
		for _, s := range r.Secrets {
			consumers += len(s.Consumers)
		}
		if len(r.Secrets) > 0 {
			require.Len(t, elements(classed(doc, "matrix")[0], "li"), consumers, name)
			require.Len(t, elements(classed(doc, "ages")[0], "tr"), len(r.Secrets)+1, name)
		}
		for _, th := range elements(doc, "th") {
			require.Contains(t, []string{"row", "col"}, attr(th, "scope"))
		}
	}
}

// TestPageIsOnePage: no string becomes markup, nothing is fetched, and no style or
// handler stands where the policy would refuse it.
func TestPageIsOnePage(t *testing.T) {
	frame := map[string]int{}
	for name, r := range worlds() {
		doc := htmlOf(t, r)
		require.Len(t, elements(doc, "script"), 1, name)
		require.Len(t, elements(doc, "style"), 1, name)
		require.Equal(t, pageScript, content(elements(doc, "script")[0]), "its hash is the policy's")
		require.Equal(t, pageStyle, content(elements(doc, "style")[0]), "its hash is the policy's")
		require.Empty(t, elements(doc, "img", "iframe", "object", "form", "base"), name)
		require.Len(t, elements(doc, "link"), 1, name)
		require.True(t, strings.HasPrefix(attr(elements(doc, "link")[0], "href"), "data:image/svg+xml;base64,"), name)
		frame[attr(elements(doc, "link")[0], "href")]++
		ids := map[string]bool{}
		each(doc, func(n *html.Node) {
			if id := attr(n, "id"); id != "" {
				require.False(t, ids[id], "twice: %s", id)
				ids[id] = true
			}
		})
		each(doc, func(n *html.Node) {
			require.NotEqual(t, html.CommentNode, n.Type, name)
			for _, a := range n.Attr {
				require.False(t, a.Key == "style" || a.Key == "src" || strings.HasPrefix(a.Key, "on"), "%s: %s", name, a.Key)
				if a.Key == "href" && n.Data != "link" {
					require.True(t, ids[strings.TrimPrefix(a.Val, "#")], "%s: %s", name, a.Val)
				}
			}
		})
	}
	require.Len(t, frame, 4, "a picture for each answer")
}

// TestMarks: every certainty has a mark, a word and a line in the legend.
func TestMarks(t *testing.T) {
	doc := htmlOf(t, full())
	marks := map[string]bool{}
	for _, s := range elements(doc, "symbol") {
		marks[attr(s, "id")] = true
	}
	legend := content(classed(doc, "legend")[0])
	for _, c := range certainties() {
		require.True(t, marks["c-"+c.ID], c.ID)
		require.Contains(t, legend, c.Word)
		require.Contains(t, pageStyle, ".c-"+c.ID)
	}
	for class, words := range map[string][]string{"c-differs": {"stripe-backend", "differs"}, "c-unreachable": {"registry", "unreachable"}, "c-name": {"name only", "declared: exact"}} {
		var cells strings.Builder
		for _, n := range classed(classed(doc, "matrix")[0], class) {
			cells.WriteString(content(n))
		}
		for _, w := range words {
			require.Contains(t, cells.String(), w)
		}
	}
}

// TestBars: what is overdue fills its bar and says so; what nobody knows has none.
func TestBars(t *testing.T) {
	got := map[string]string{}
	for _, row := range elements(classed(htmlOf(t, full()), "ages")[0], "tr")[1:] {
		width := "none"
		if fill := classed(row, "fill"); len(fill) > 0 {
			width = attr(fill[0], "width")
		}
		got[content(elements(row, "th")[0])] = width + " " + content(classed(row, "word")[0])
	}
	require.Equal(t, map[string]string{"clerk": "100.00% overdue", "scaleway": "44.44% in time", "cloudflare": "13.33% in time", "stripe": "11.11% in time", "sightengine": "none unknown"}, got)
}

func TestTimeline(t *testing.T) {
	tl := timelineOf(full())
	require.Equal(t, "clerk", tl.Lanes[0].Secret)
	require.Len(t, tl.Lanes, 5)
	require.Equal(t, "open", tl.Lanes[0].Spans[0].End)
	require.Equal(t, "100.00%", tl.Lanes[0].Spans[0].X2)
	require.Equal(t, "back", tl.Lanes[0].Spans[2].End)
	require.Equal(t, "0.00%", tl.Lanes[0].Spans[2].X1)
	require.Empty(t, tl.Lanes[0].Spans[2].Revoked)
	require.NotEmpty(t, tl.Lanes[0].Spans[1].Revoked)
	require.LessOrEqual(t, len(tl.Ticks), 6)
	require.Nil(t, timelineOf(drift.Report{Rotations: []drift.Rotation{{Secret: "no date"}}}))
}

// TestStatedIsNotSeen: where no service was asked about the old value, no mark and
// no word says that one refused it.
func TestStatedIsNotSeen(t *testing.T) {
	doc := htmlOf(t, full())
	lanes := classed(doc, "timeline")[0]
	require.Len(t, classed(lanes, "stated"), 1, "a mark of its own")
	require.Len(t, classed(lanes, "revoked"), 4)
	row := ""
	for _, tr := range elements(classed(doc, "words")[0], "tr") {
		if text := content(tr); strings.Contains(text, "scaleway") {
			row = text
		}
	}
	require.Contains(t, row, "confirmed revoked by mara")
	require.NotContains(t, row, "refused")
	require.Contains(t, pageStyle, ".stated")
}
