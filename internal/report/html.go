package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

var pageOf = template.Must(template.New("page").Parse(pageTemplate))

// HTML writes the report as one page that needs no network and no script. Its
// script tells a reader that the page is old, and adds buttons that copy; the
// page's policy lets nothing else run and nothing be fetched.
func HTML(w io.Writer, r drift.Report) error {
	return pageOf.Execute(w, viewOf(r))
}

// policy allows this page's own style and script by their hashes, and nothing else.
func policy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; img-src data:; style-src " + hash(pageStyle) + "; script-src " + hash(pageScript) +
		"; base-uri 'none'; form-action 'none'"
}

// view is what the page's template shows: words and positions, no decisions.
type view struct {
	Policy  string
	Style   template.CSS
	Script  template.JS
	Icon    template.URL
	State   string // clean, drift, in-progress, unknown: the mark and colour
	Answer  string
	Checked string
	// Unix is when it was checked, in seconds, for the script; 0 where not known.
	Unix        int64
	Took, World string
	About       string
	Sureness    string
	Parts       []part
	Totals      []total
	Groups      []viewGroup
	Gaps        []viewGap
	NumGaps     int
	Legend      []certainty
	Secrets     []viewSecret
	Ages        []viewAge
	Debts       []viewDebt
	Timeline    *timeline
	Accepted    []viewFinding
	Info        []viewFinding
	Layers      []viewLayer
}

type part struct {
	certainty
	N    int
	X, W string // per cent
}

type total struct {
	N    int
	What string
	Href string
}

type viewGroup struct {
	Title, Who string
	Findings   []viewFinding
}

type viewFinding struct {
	Severity, Code, Subject string
	Detail                  []string
	Fix                     string
	Accepted                *viewAccepted
}

type viewAccepted struct{ By, At, Until, Reason string }

type viewGap struct {
	Layer, Subject string
	Detail         []string
	Fix            string
}

type viewSecret struct {
	Name, Title, State, Issuer string
	Running                    bool
	Consumers                  []viewConsumer
}

type viewConsumer struct {
	certainty
	Name, Kind, Detail string
	// Weaker: the proof had is weaker than the one that the catalog declares.
	Weaker string
}

type viewAge struct {
	Name, Age, Due string
	Level          string // over, soon, fine, unknown, none
	Word           string
	Bar            bool
	W              string // per cent
}

type viewDebt struct{ Secret, Text string }

type viewLayer struct {
	Name, Status, Seconds string
	Gaps                  int
	W                     string // per cent of the slowest
}

func percent(x float64) string { return fmt.Sprintf("%.2f%%", 100*x) }

func viewOf(r drift.Report) view {
	v := view{
		Policy: policy(), Style: template.CSS(pageStyle), Script: template.JS(pageScript),
		State: string(verdict(r)), Answer: headline(r), Checked: minute(r.CheckedAt),
		World: brief(r.World), About: about(r.About), Sureness: sureness(r.Copies), Legend: certainties(),
		Timeline: timelineOf(r), NumGaps: countGaps(r),
	}
	v.Icon = icon(v.State)
	if len(r.Layers) > 0 {
		v.Took = "took " + roughly(slowest(r))
	}
	if !r.CheckedAt.IsZero() {
		v.Unix = r.CheckedAt.Unix()
	}
	v.Parts = partsOf(r.Copies)
	for _, g := range groupOf(ofKind(r, drift.Finding.Counts)) {
		if len(g.findings) > 0 {
			v.Groups = append(v.Groups, viewGroup{g.Title, g.Who, viewFindings(g.findings)})
		}
	}
	v.Accepted, v.Info = viewFindings(ofKind(r, accepted)), viewFindings(ofKind(r, info))
	v.layers(r)
	v.secrets(r)
	v.totals(r)
	return v
}

func viewFindings(all []drift.Finding) []viewFinding {
	var out []viewFinding
	for _, f := range all {
		shown := viewFinding{Severity: severity(f), Code: printable(string(f.Code)), Subject: printable(f.Subject),
			Detail: lines(f.Detail), Fix: command(f.Fix)}
		if a := f.Accepted; a != nil {
			shown.Accepted = &viewAccepted{printable(a.By), day(a.At), day(a.Until), printable(a.Reason)}
		}
		out = append(out, shown)
	}
	return out
}

// severity is a finding's, or warning for one that is not known here and counts.
func severity(f drift.Finding) string {
	switch f.Severity {
	case drift.Error, drift.Info:
		return string(f.Severity)
	}
	return string(drift.Warning)
}

func (v *view) layers(r drift.Report) {
	longest := max(slowest(r).Seconds(), 0.001)
	for _, l := range r.Layers {
		v.Layers = append(v.Layers, viewLayer{brief(l.Name), string(statusOf(l)), seconds(l.Seconds), len(l.Gaps),
			percent(max(0, min(1, l.Seconds/longest)))})
	}
	for _, g := range gapsOf(r) {
		v.Gaps = append(v.Gaps, viewGap{g.Layer, g.Subject, lines(g.Detail), command(g.Fix)})
	}
}

func (v *view) secrets(r drift.Report) {
	for _, s := range r.Secrets {
		row := viewSecret{Name: brief(s.Name), Title: brief(s.Title), State: stateOf(s), Issuer: issuer(s), Running: s.Running}
		for _, c := range s.Consumers {
			cell := viewConsumer{certainty: sure(c), Name: brief(c.Name), Kind: brief(c.Kind), Detail: brief(c.Detail)}
			if weaker(c) {
				cell.Weaker = "declared: " + brief(c.Declared)
			}
			row.Consumers = append(row.Consumers, cell)
		}
		v.Secrets = append(v.Secrets, row)
		for _, d := range s.Debts {
			v.Debts = append(v.Debts, viewDebt{brief(s.Name), printable(d)})
		}
	}
	for _, s := range dueSecrets(r) {
		v.Ages = append(v.Ages, ageOf(s, r.CheckedAt))
	}
}

// weaker reports whether an answer proves less than the catalog asks for.
func weaker(c drift.Consumer) bool {
	return c.Answer != "" && secrets.ProofKind(c.Declared).Rank() > secrets.ProofKind(c.Proof).Rank()
}

func stateOf(s drift.Secret) string {
	switch {
	case s.Running:
		return "being rotated now"
	case !s.GraceUntil.IsZero():
		return "old value valid until " + day(s.GraceUntil)
	case s.State == "":
		return "no rotation known"
	}
	return brief(s.State)
}

func issuer(s drift.Secret) string {
	switch s.Issuer {
	case "alive", "dead":
		return s.Issuer
	}
	return "unknown"
}

func ageOf(s drift.Secret, now time.Time) viewAge {
	a := viewAge{Name: brief(s.Name), Age: ageText(s), Due: dueText(s, now), Level: "fine", Word: "in time"}
	if part, ok := used(s); ok {
		a.Bar, a.W = true, percent(part)
	}
	switch {
	case s.MaxAgeDays <= 0:
		a.Level, a.Word = "none", "no limit"
	case s.Due.IsZero():
		a.Level, a.Word = "unknown", "unknown"
	case overdue(s, now):
		a.Level, a.Word = "over", "overdue"
		a.Due = strings.TrimPrefix(a.Due, "overdue ")
	case dueSoon(s, now):
		a.Level, a.Word = "soon", "soon"
	}
	return a
}

func partsOf(c drift.Copies) []part {
	all := []part{{certainty: exact, N: c.Exact}, {certainty: works, N: c.Works}, {certainty: configured, N: c.Configured},
		{certainty: nameOnly, N: c.NameOnly}, {certainty: differs, N: c.Differs}, {certainty: unproven, N: c.Unproven}}
	sum, at := 0, 0
	for _, p := range all {
		sum += p.N
	}
	out := pick(all, func(p part) bool { return p.N > 0 })
	for i := range out {
		out[i].X, out[i].W = percent(float64(at)/float64(sum)), percent(float64(out[i].N)/float64(sum))
		at += out[i].N
	}
	return out
}

func (v *view) totals(r drift.Report) {
	counted := len(ofKind(r, drift.Finding.Counts))
	word := func(n int, one, many string) string {
		return strings.TrimPrefix(count(n, one, many), strconv.Itoa(n)+" ")
	}
	for _, t := range []total{
		{counted, word(counted, "finding", "findings"), "#findings"}, {v.NumGaps, "not checked", "#gaps"}, {len(r.Secrets), word(len(r.Secrets), "secret", "secrets"), "#secrets"},
		{len(pick(r.Secrets, func(s drift.Secret) bool { return overdue(s, r.CheckedAt) || dueSoon(s, r.CheckedAt) })), "due soon or overdue", "#due"},
		{len(v.Debts), "owed", "#owed"}, {len(r.Layers), "layers", "#layers"},
	} {
		if t.N > 0 {
			v.Totals = append(v.Totals, t)
		}
	}
}

// icon is the answer as the tab's picture: a shape and a colour for each state.
func icon(state string) template.URL {
	shape := map[string]string{
		"clean":       `<circle cx="8" cy="8" r="8" fill="#176b3a"/><path d="M4 8.5l3 3 5-6" fill="none" stroke="#fff" stroke-width="2"/>`,
		"drift":       `<path d="M8 0l8 8-8 8-8-8z" fill="#b3261e"/><path d="M8 4v5M8 10.5v2" stroke="#fff" stroke-width="2"/>`,
		"in-progress": `<circle cx="8" cy="8" r="8" fill="#1d5fa8"/><path d="M8 3.5V8l3 2" fill="none" stroke="#fff" stroke-width="2"/>`,
	}[state]
	if shape == "" {
		shape = `<rect width="16" height="16" rx="3" fill="#8a5300"/><path d="M5.5 6a2.5 2.5 0 1 1 3.5 2.3q-1 .5-1 1.7M8 11.5v2" fill="none" stroke="#fff" stroke-width="1.8"/>`
	}
	svg := `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">` + shape + `</svg>`
	// The text is one of the four above.
	return template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(svg)))
}
