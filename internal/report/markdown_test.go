package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	rendered "github.com/yuin/goldmark/renderer/html"
	"golang.org/x/net/html"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

func markdown(t *testing.T, r drift.Report) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Markdown(&out, r))
	return out.String()
}

// render is Markdown as GitHub's dialect makes it, raw HTML and links of bare
// addresses included.
func render(t *testing.T, text string) *html.Node {
	t.Helper()
	var out bytes.Buffer
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(rendered.WithUnsafe()))
	require.NoError(t, md.Convert([]byte(text), &out))
	doc, err := html.Parse(&out)
	require.NoError(t, err)
	return doc
}

// each calls f for every node.
func each(n *html.Node, f func(*html.Node)) {
	f(n)
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, f)
	}
}

func content(n *html.Node) string {
	var b strings.Builder
	each(n, func(c *html.Node) {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	})
	return b.String()
}

func elements(n *html.Node, names ...string) []*html.Node {
	var out []*html.Node
	each(n, func(c *html.Node) {
		for _, name := range names {
			if c.Type == html.ElementNode && c.Data == name {
				out = append(out, c)
			}
		}
	})
	return out
}

func TestMarkdownOfANight(t *testing.T) {
	doc := render(t, markdown(t, full()))
	require.Equal(t, "❌ Drift: 8 findings, 3 break something now; 1 thing not checked", content(elements(doc, "h2")[0]))
	var got []string
	for _, row := range elements(elements(doc, "table")[0], "tr")[1:] {
		cells := elements(row, "td")
		require.Len(t, cells, 4)
		codes := elements(cells[3], "code")
		require.Len(t, codes, 1)
		got = append(got, content(cells[1])+" > "+content(codes[0]))
	}
	var want []string
	for _, f := range full().Findings {
		if f.Counts() {
			want = append(want, string(f.Code)+" "+f.Subject+" > "+f.Fix)
		}
	}
	require.Equal(t, want, got)
	require.Contains(t, content(doc), sureness(full().Copies))
	require.Contains(t, content(doc), "runs with the value from before 2026-10-14; it works until that is retired")
	require.Contains(t, content(doc), "unmanaged-at-consumer:worker/verifieddit-badges/OLD_CLERK_KEY: accepted until 2026-12-23 by mara")
	require.Len(t, elements(doc, "details"), 3)
}

// TestNothingBreaksOutOfMarkdown: whatever the strings hold, the elements are ours,
// and what GitHub would make a mention or a link of is in code.
func TestNothingBreaksOutOfMarkdown(t *testing.T) {
	ours := map[string]bool{"html": true, "head": true, "body": true, "h2": true, "h3": true, "p": true, "strong": true, "code": true, "table": true, "thead": true,
		"tbody": true, "tr": true, "th": true, "td": true, "details": true, "summary": true, "ul": true, "li": true}
	for name, r := range worlds() {
		doc := render(t, markdown(t, r))
		each(doc, func(n *html.Node) {
			switch {
			case n.Type == html.CommentNode:
				t.Errorf("%s: a comment", name)
			case n.Type == html.ElementNode:
				require.True(t, ours[n.Data], "%s: <%s>", name, n.Data)
			case n.Type == html.TextNode && n.Parent.Data != "code":
				for _, bad := range []string{"@", "#", "<", "`", "[", "*", "$", "http", "www", "GH-", "smile:", "0123456789", "&", "|"} {
					require.NotContains(t, n.Data, bad, name)
				}
			}
		})
		for _, row := range elements(doc, "tr") {
			head := elements(row.Parent.Parent, "th")
			require.Len(t, elements(row, "td", "th"), len(head), name)
		}
	}
}

// TestCodeKeepsEveryCharacter: a command in a cell is, to the character, the one
// to type.
func TestCodeKeepsEveryCharacter(t *testing.T) {
	for _, text := range []string{"go run . drift", "a|b", `a\|b`, `a\\|b`, `a\\\|b|c`, "`", "``x`", "x``", "<b>&amp;", `grep -E 'a|b' "$x"`, "a  b", `\`, `a\`, "`\\|`", "é 漢字"} {
		doc := render(t, "| a | b |\n|---|---|\n| "+code(text)+" | end |\n")
		cells := elements(doc, "td")
		require.Len(t, cells, 2, text)
		require.Equal(t, text, strings.ReplaceAll(content(elements(cells[0], "code")[0]), "\u2060", ""), text)
		require.Equal(t, "end", content(cells[1]), text)
	}
}

// TestMarkdownFitsAnIssue: whole findings are left out and counted, the rest stays.
func TestMarkdownFitsAnIssue(t *testing.T) {
	r := clean()
	r.Answer = drift.Drift
	for i := range 900 {
		r.Findings = append(r.Findings, drift.Finding{Code: drift.StaleConsumer, Subject: fmt.Sprintf("clerk/worker-%03d", i), Severity: drift.Error,
			Detail: strings.Repeat("runs with an old value ", 4), Fix: "go run . rotate --secret clerk --pending"})
	}
	// One that nobody could show does not hide those behind it.
	r.Findings[1].Fix = strings.Repeat("x", 70000)
	got := markdown(t, r)
	require.LessOrEqual(t, len(got), 65536)
	require.Greater(t, len(got), 55000)
	doc := render(t, got)
	shown := len(elements(elements(doc, "table")[0], "tr")) - 1
	require.Contains(t, got, fmt.Sprintf("**%d findings are left out here**", 900-shown))
	require.Contains(t, got, "worker-000")
	require.NotContains(t, got, "worker-001")
	require.Contains(t, got, "worker-002")
	require.Contains(t, got, "</details>")
	require.Equal(t, 2, strings.Count(got, "<details>"))

	require.LessOrEqual(t, len(markdown(t, hostile())), 65536)
}
