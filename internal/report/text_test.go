package report

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

func text(t *testing.T, r drift.Report, columns int) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Text(&out, r, ui.Style{}, columns))
	return out.String()
}

func TestACleanNightIsAFewLines(t *testing.T) {
	require.Equal(t, `✓ Clean: nothing to do.
  Checked 2026-11-23 02:00 UTC: 5 secrets, 11 layers in 41 seconds.
  1 of 9 copies is known by name only: which value it runs with nobody knows. 4 proven exact; 2 proven to work; 2
  deployed, not verified at run time.
  clerk is due 2026-12-05, in 12 days.
`, text(t, clean(), 120))
	require.Equal(t, 5, strings.Count(text(t, clean(), 80), "\n"))
}

// TestTheAnswerIsFirst: also where nothing else is, and what was not checked is
// never fine.
func TestTheAnswerIsFirst(t *testing.T) {
	unchecked := clean()
	unchecked.Layers[2].Gaps = []drift.Gap{{Subject: "stack/infra"}}
	unheard := clean()
	unheard.Answer = "fine"
	broken := clean()
	broken.Findings = full().Findings
	grey := clean()
	grey.Layers[1].Status = drift.StatusUnknown
	for want, r := range map[string]drift.Report{
		"✗ Drift: 8 findings, 3 break something now; 1 thing not checked.\n":         full(),
		"? Cannot tell: 2 things could not be checked; nothing wrong in the rest.\n": unknown(),
		"… In progress: clerk's old value stays valid until 2026-11-28.\n":           progress(),
		"? Cannot tell: nothing was checked.\n":                                      {Answer: drift.Clean},
		"? Cannot tell: 1 thing could not be checked; nothing wrong in the rest.\n":  unchecked,
		"? Cannot tell: 1 layer could not be checked.\n":                             grey,
		"? Cannot tell: the check gave no answer.\n":                                 unheard,
		"✗ Drift: 8 findings, 3 break something now.\n":                              broken,
	} {
		require.Equal(t, want, firstLine(text(t, r, 120)))
	}
}

// TestACheckThatCouldNotBegin: the one reason is said once, and nothing is fine.
func TestACheckThatCouldNotBegin(t *testing.T) {
	r := drift.Unchecked(checked, errors.New("pass cannot be read"), "go run . doctor")
	got := text(t, r, 80)
	require.Equal(t, "? Cannot tell: no layer could be checked.\n", firstLine(got))
	require.Equal(t, 1, strings.Count(got, "pass cannot be read"))
	require.Equal(t, 1, strings.Count(got, "      go run . doctor\n"))
	require.Equal(t, 1, strings.Count(markdown(t, r), "pass cannot be read"))
	require.Len(t, classed(htmlOf(t, r), "finding"), 1)
	for _, l := range r.Layers {
		require.Contains(t, got, l.Name)
	}
}

func firstLine(s string) string { return s[:strings.Index(s, "\n")+1] }

// TestTextIsReadable: every fix is whole and alone on its line, what is broken
// stands first, the words stay in the terminal.
func TestTextIsReadable(t *testing.T) {
	for name, r := range worlds() {
		for _, columns := range []int{0, 80, 140} {
			got := text(t, r, columns)
			all := strings.Split(got, "\n")
			for _, f := range r.Findings {
				if !accepted(f) {
					require.Contains(t, all, "      "+command(f.Fix), name)
				}
			}
			for _, l := range r.Layers {
				for _, g := range l.Gaps {
					require.Contains(t, strings.Join(strings.Fields(got), " "), printable(g.Subject))
				}
			}
			require.Contains(t, strings.Join(strings.Fields(got), " "), sureness(r.Copies), name)
			require.True(t, utf8.ValidString(got))
			for _, bad := range []string{"\x1b", "\a", "\r", "\u202e"} {
				require.NotContains(t, got, bad, name)
			}
		}
	}
	got := text(t, full(), 80)
	for line := range strings.Lines(got) {
		require.True(t, utf8.RuneCountInString(line) <= 81 || strings.HasPrefix(line, "      "), line)
	}
	order := []string{"BROKEN NOW (3)", "UNSAFE (2)", "DUE (2)", "OUT OF STEP (1)", "NOT CHECKED (1)", "LAYERS", "OWED", "name only", "ACCEPTED (1)", "FOR INFORMATION (1)"}
	at := -1
	for _, heading := range order {
		next := strings.Index(got, heading)
		require.Greater(t, next, at, heading)
		at = next
	}
}

// TestEveryCodeHasAGroup: a code that is added and forgotten here would be called
// out of step; a code that is not known at all is shown, too.
func TestEveryCodeHasAGroup(t *testing.T) {
	var all []drift.Finding
	for _, c := range append(drift.Codes(), "new-code") {
		all = append(all, drift.Finding{Code: c, Severity: drift.Warning})
	}
	groups := groupOf(all)
	n := 0
	for _, g := range groups {
		n += len(g.findings)
	}
	require.Len(t, all, n)
	require.Len(t, groups[0].findings, 4)
	require.Len(t, groups[1].findings, 3)
	require.Len(t, groups[2].findings, 3)
	require.Equal(t, drift.Code("new-code"), groups[3].findings[len(groups[3].findings)-1].Code)
}

func TestHowSureAnAnswerIs(t *testing.T) {
	for _, c := range []struct {
		proof, answer string
		want          certainty
	}{
		{"exact", "match", exact}, {"works", "match", works}, {"present", "match", nameOnly}, {"present", "present", nameOnly},
		{"exact", "differs", differs}, {"works", "unreachable", unreachable}, {"exact", "unknown", unproven}, {"exact", "", unproven},
		{"guess", "match", unproven}, {"configured", "match", configured}, {"configured", "differs", differs}, {"exact", "yes", unproven},
	} {
		require.Equal(t, c.want, sure(drift.Consumer{Proof: c.proof, Answer: c.answer}), "%+v", c)
	}
}

func TestColoursMarkAndTheDimmedStaysDim(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, Text(&out, full(), ui.Style{Color: true}, 100))
	require.Contains(t, out.String(), "\x1b[2mFOR INFORMATION (1)\x1b[0m")
	require.Contains(t, out.String(), "\x1b[1mpass git push\x1b[0m\n")
}

// One cause is said once, with all that it hides, wherever it was met and however it
// is said there.
func TestWhatHasOneCauseIsSaidOnce(t *testing.T) {
	r := clean()
	gap := func(layer int, subject, detail, cause string) {
		r.Layers[layer].Gaps = append(r.Layers[layer].Gaps, drift.Gap{Subject: subject, Detail: detail, Fix: "go run . doctor", Cause: cause})
	}
	gap(2, "stack/infra", "stack infra: the passphrase does not open it", "passphrase")
	gap(2, "stack/shop", "stack shop: the passphrase does not open it", "passphrase")
	gap(3, "stack/infra", "stack infra: the passphrase does not open it", "passphrase")
	gap(4, "worker/a", "Cloudflare answers 500", "")
	gap(5, "stripe/shop", "stack shop: the passphrase does not open it", "")
	got := gapsOf(r)
	require.Len(t, got, 2)
	require.Equal(t, "stack/infra, stack/shop, stripe/shop", got[0].Subject)
	require.Equal(t, "config, resources, values", got[0].Layer)
	require.Equal(t, "worker/a", got[1].Subject)
}

// Every kind of certainty is counted as what it is, and what differs is not among
// what was not proven.
func TestTheKindsAreCountedApart(t *testing.T) {
	got := text(t, full(), 200)
	require.Contains(t, got, "3 proven exact; 1 proven to work; 1 deployed, not verified at run time; 1 differs from pass's value; 2 not proven.")
	var out bytes.Buffer
	require.NoError(t, Markdown(&out, full()))
	require.Contains(t, out.String(), "1 deployed, not verified at run time; 1 differs from pass")
	require.Contains(t, proven(drift.Copies{Differs: 2}), "2 differ from")
	ids := map[string]int{}
	for _, p := range partsOf(full().Copies) {
		ids[p.ID] = p.N
	}
	require.Equal(t, map[string]int{"exact": 3, "works": 1, "configured": 1, "name": 1, "differs": 1, "unproven": 2}, ids)
}

// A report says whose it is: two companies' and two machines' look alike.
func TestAReportSaysWhatWasCheckedAndFromWhere(t *testing.T) {
	r := clean()
	r.About = drift.About{Catalog: "/repo/team.yaml", Host: "ops-1", Store: "/home/ana/.password-store", Version: "v1.2.3"}
	var page, issue bytes.Buffer
	require.NoError(t, HTML(&page, r))
	require.NoError(t, Markdown(&issue, r))
	for _, text := range []string{text(t, r, 0), page.String(), issue.String()} {
		for _, want := range []string{"/repo/team.yaml", "ops-1", "/home/ana/.password-store", "v1.2.3"} {
			require.Contains(t, strings.ReplaceAll(text, `\`, ""), want)
		}
	}
	require.NotContains(t, text(t, clean(), 0), "pass at")
}
