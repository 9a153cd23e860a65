package inventory

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// unknownState stands where nothing names the state; it is made to be replaced.
const unknownState = "file:///" + secrets.Placeholder

// page is the text of a catalog as it is written.
type page struct{ strings.Builder }

func (w *page) line(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

// comment writes text as a comment, whatever it holds.
func (w *page) comment(indent, text string) {
	clean := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
	w.line("%s# %s", indent, clean)
}

// Text is the proposal as a catalog file. Embedded is the built-in catalog,
// whose dashboards, ages and addresses of the services are taken.
func (p *Proposal) Text(embedded *secrets.Catalog) []byte {
	w := &page{}
	p.head(w)
	p.storeAndState(w)
	p.services(w, embedded)
	if len(p.identifiers) > 0 {
		w.line("\nidentifiers:")
		for _, id := range p.identifiers {
			w.line("  - {path: %s, title: %s, pattern: %s} # %s", scalar(id.path), scalar(id.title), single(id.pattern), id.why)
		}
	}
	w.line("\nsecrets:")
	for i, s := range p.secrets {
		if i > 0 {
			w.line("")
		}
		p.secret(w, s, embedded)
	}
	if len(p.stacks) > 0 {
		w.line("\nstacks:")
	}
	for _, s := range p.stacks {
		w.line("  - name: %s # %s", scalar(s.name), s.why)
		w.line("    dir: %s", scalar(s.dir))
		w.line("    stack: %s", scalar(s.pulumi))
		if s.passphrase != "" {
			w.line("    passphrase: %s # it opens this stack's config", scalar(s.passphrase))
		}
	}
	p.workerExample(w)
	return []byte(w.String())
}

func (p *Proposal) head(w *page) {
	w.comment("", "Proposed by `catalog init` from what exists. Every guess says why; read it, mend it,")
	w.comment("", "then: catalog validate --catalog FILE, status --catalog FILE, adopt --catalog FILE.")
	if p.found.NamesOnly {
		w.comment("", "By names only: no value was read, so every line here is a guess.")
	}
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		w.line("#")
		w.comment("", title)
		for _, l := range lines {
			w.comment("", "  "+l)
		}
	}
	list("Entries to decide about: credentials to add under secrets, or identifiers, or store.ignore.", p.undecided)
	list("What else was found:", p.open)
	w.line("version: 1")
}

func (p *Proposal) storeAndState(w *page) {
	var covers []string
	add := func(entry string) {
		if top, _, _ := strings.Cut(entry, "/"); !slices.Contains(covers, top) {
			covers = append(covers, top)
		}
	}
	for _, id := range p.identifiers {
		add(id.path)
	}
	for _, s := range p.secrets {
		for _, e := range s.entries {
			add(e.path)
		}
	}
	slices.Sort(covers)
	w.line("\nstore:\n  covers: # the top folders of everything below")
	for _, c := range covers {
		w.line("    - %s", scalar(c))
	}
	w.line("  ignore: []")
	state, why := p.found.State, "what Pulumi uses now"
	if !strings.HasPrefix(state, "s3://") && !strings.HasPrefix(state, "file://") {
		why = "REPLACE: nothing names a state at s3:// or file://, the two kinds that can be used"
		state = unknownState
	}
	w.line("\nstate:")
	w.line("  url: %s # %s", single(state), why)
	if s := p.first("scaleway"); s != nil && p.atScaleway() {
		w.line("  accessKey: %s # the state lies at Scaleway, and this is its key", scalar(s.entry("access-key")))
		w.line("  secretKey: %s", scalar(s.entry("api-secret")))
	}
	if p.passphrase != "" {
		w.line("  passphrase: %s # it opens the stacks' config", scalar(p.passphrase))
	}
}

func (p *Proposal) atScaleway() bool { return strings.Contains(p.found.State, ".scw.cloud") }

// first is the service's first credential, preferably one in use.
func (p *Proposal) first(service string) *secret {
	for _, s := range p.secrets {
		if s.service == service && s.mode == "" {
			return s
		}
	}
	return nil
}

func (s *secret) entry(name string) string {
	for _, e := range s.entries {
		if path.Base(e.path) == name {
			return e.path
		}
	}
	return ""
}

// services names those that a secret has, with what their clients need.
func (p *Proposal) services(w *page, embedded *secrets.Catalog) {
	at := embedded.Services
	ids := func(mode string) (out []string) {
		for _, id := range p.identifiers {
			if id.mode == mode {
				out = append(out, id.path)
			}
		}
		return out
	}
	w.line("\nservices:")
	has := func(service string) bool {
		return slices.ContainsFunc(p.secrets, func(s *secret) bool { return s.service == service })
	}
	if s := p.first("cloudflare"); s != nil {
		w.line("  cloudflare:\n    api: %s\n    token: %s # this program's own calls use it", at.Cloudflare.API, scalar(s.entries[0].path))
		if account := ids("account"); len(account) > 0 {
			w.line("    account: %s", scalar(account[0]))
		}
		if zones := ids("zone"); len(zones) > 0 {
			w.line("    zones:")
			for _, z := range zones {
				w.line("      - %s", scalar(z))
			}
		}
	}
	if s := p.first("scaleway"); s != nil {
		w.line("  scaleway:\n    api: %s\n    region: %s # a guess", at.Scaleway.API, at.Scaleway.Region)
		w.line("    accessKey: %s\n    secretKey: %s", scalar(s.entry("access-key")), scalar(s.entry("api-secret")))
	}
	if has("stripe") {
		w.line("  stripe:\n    api: %s", at.Stripe.API)
	}
	if has("clerk") {
		w.line("  clerk:\n    api: %s", at.Clerk.API)
		if keys := ids("publishable"); len(keys) > 0 {
			w.line("    publishableKey: %s # a secret key must be of its instance", scalar(keys[0]))
		}
	}
	if has("sightengine") {
		w.line("  sightengine:\n    api: %s", at.Sightengine.API)
	}
	if !slices.ContainsFunc(p.secrets, func(s *secret) bool { return s.service != secrets.ServiceManual }) {
		w.line("    {}")
	}
}

func (p *Proposal) secret(w *page, s *secret, embedded *secrets.Catalog) {
	like := secrets.Secret{}
	for _, have := range embedded.Secrets {
		if have.Service == s.service && (like.Name == "" || have.Name == s.name) {
			like = have
		}
	}
	for _, note := range s.notes {
		w.comment("  ", note)
	}
	w.line("  - name: %s\n    title: %s\n    service: %s", scalar(s.name), scalar(s.title), s.service)
	if like.Issuer != "" {
		w.line("    issuer: %s", like.Issuer)
	}
	if len(paired(s.service)) > 0 {
		w.line("    pair: true")
	}
	w.line("    entries:")
	for _, e := range s.entries {
		w.line("      - path: %s # %s", scalar(e.path), e.why)
		if e.rule.pattern != "" {
			w.line("        pattern: %s\n        expect: %s", single(e.rule.pattern), scalar(e.rule.expect))
		}
		if e.read != "" {
			w.line("        read: %s", scalar(string(e.read)))
		}
		if e.rule.noDoor {
			w.line("        noDoor: true")
		}
	}
	age, grace := like.MaxAge.String(), like.Grace.String()
	if like.Name == "" {
		age, grace = "180d", "24h"
	}
	w.line("    maxAge: %s\n    grace: %s", age, grace)
	dashboard(w, like.Dashboard)
	p.consumers(w, s)
}

func dashboard(w *page, d secrets.Dashboard) {
	if d.URL == "" {
		w.line("    dashboard:\n      issue:\n        - Make a second value beside the present one, where its service can.\n      retire:\n        - Retire the old value.")
		return
	}
	w.line("    dashboard:\n      url: %s", single(d.URL))
	steps := func(name string, steps []string) {
		if len(steps) > 0 {
			w.line("      %s:", name)
		}
		for _, step := range steps {
			w.line("        - %s", single(step))
		}
	}
	steps("issue", d.Issue)
	steps("retire", d.Retire)
	if d.KillsOld {
		w.line("      killsOld: true")
	}
}

func (p *Proposal) consumers(w *page, s *secret) {
	backend := s == p.first("scaleway") && p.atScaleway()
	reader := s == p.first("cloudflare")
	if len(s.consumers) == 0 && !backend && !reader {
		w.comment("    ", "no copy was found. Scripts that read it from pass are: {name: readers-of-pass, kind: pass, reads: each-run, probe: {kind: configured, by: pass}}")
		return
	}
	w.line("    consumers:")
	if reader {
		w.line("      - name: readers-of-pass # this program is one\n        kind: pass\n        reads: each-run\n        probe: {kind: configured, by: pass}")
	}
	for _, c := range s.consumers {
		w.line("      - name: %s # %s", scalar(c.stack), c.why)
		w.line("        kind: config\n        stack: %s\n        values:", scalar(c.stack))
		for _, key := range slices.Sorted(maps.Keys(c.values)) {
			w.line("          %s: %s", scalar(key), scalar(c.values[key]))
		}
		w.line("        probe: {kind: configured, by: config} # shows the config, not what runs: a person confirms it before the old value is revoked; by: attest or hash proves it, reads: each-run says that only the stack's own program uses it")
	}
	if backend {
		w.line("      - name: state-backend # the state lies at Scaleway\n        kind: backend\n        probe: {kind: works, by: login}")
	}
}

// workerExample is what a person fills in: which names a Worker has is known to
// Cloudflare only.
func (p *Proposal) workerExample(w *page) {
	at := slices.IndexFunc(p.found.Workers, func(w Worker) bool { return w.Name != "" })
	if at < 0 || p.first("cloudflare") == nil {
		return
	}
	name := p.found.Workers[at].Name
	w.line("")
	w.comment("", "A Worker's secrets become a stack that this program declares; `wrangler secret list` has the names:")
	w.comment("", "stacks:    - {name: "+slug(name)+", declared: true}")
	w.comment("", "consumers: - {name: "+slug(name)+", kind: worker, stack: "+slug(name)+", worker: "+name+", values: {SECRET_NAME: ENTRY-NAME}, probe: {kind: present, by: names}}")
}

var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./() -]*[A-Za-z0-9_)]$`)

// scalar is text as YAML takes it.
func scalar(text string) string {
	if plain.MatchString(text) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off"}, strings.ToLower(text)) {
		return text
	}
	return single(text)
}

func single(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
