package inventory

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Entry is one of the pass store. Value is its secret; zero where it was
// not read, which Problem then says, or was not to be.
type Entry struct {
	Path    string
	Value   secrets.Value
	Problem string
	// Read is where in the entry the value stands; empty is its first line.
	Read secrets.Format
}

// Found is what a proposal is made from.
type Found struct {
	Entries  []Entry
	Projects []Project
	Workers  []Worker
	// NamesOnly: no value was read, and everything is guessed by names.
	NamesOnly bool
	// State is the address of the Pulumi state; empty where nothing names one.
	State string
	// Passphrase opens the stacks, where it was given; an entry that holds it
	// is named.
	Passphrase secrets.Value
}

// Proposal is a catalog with the reasons for everything in it.
type Proposal struct {
	found       Found
	identifiers []identifier
	secrets     []*secret
	stacks      []stack
	// undecided are entries, and open is everything else that a person decides.
	undecided, open []string
	passphrase      string
}

type identifier struct{ path, title, pattern, why, service, mode string }

type secret struct {
	name, title, service, folder, mode string
	entries                            []entry
	consumers                          []consumer
	notes                              []string
}

type entry struct {
	path, why string
	rule      rule
	value     secrets.Value
	read      secrets.Format
}

type consumer struct {
	stack, why string
	values     map[string]string
}

type stack struct{ name, dir, pulumi, passphrase, why string }

// Propose makes a catalog of what was found. The same findings give the same
// proposal.
func Propose(f Found) *Proposal {
	p := &Proposal{found: f}
	slices.SortFunc(p.found.Entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	var rest []Entry
	for _, e := range p.found.Entries {
		if !p.take(e) {
			rest = append(rest, e)
		}
	}
	p.pairs()
	p.used(rest)
	p.name()
	p.copies()
	p.places()
	return p
}

// Empty reports whether no credential was found.
func (p *Proposal) Empty() bool { return len(p.secrets) == 0 }

// distinct is how long a value is that stands nowhere by chance.
const distinct = 12

// Values are those of the credentials that were recognised, for a redactor.
func (p *Proposal) Values() []secrets.Value {
	var out []secrets.Value
	for _, s := range p.secrets {
		for _, e := range s.entries {
			if e.value.Len() >= distinct {
				out = append(out, e.value)
			}
		}
	}
	return out
}

// take puts an entry where it belongs, if that can be told.
func (p *Proposal) take(e Entry) bool {
	own := func(why string) bool { p.undecided = append(p.undecided, e.Path+": "+why); return true }
	if !secrets.IsPassPath(e.Path) {
		return own("a catalog takes names of letters, digits, blanks inside and . _ - @ + =")
	}
	if e.Problem != "" {
		return own(e.Problem)
	}
	r, ok := find(e.Path, e.Value, p.found.NamesOnly)
	if !ok {
		return false
	}
	if r.public {
		p.identifiers = append(p.identifiers, identifier{path: e.Path, title: r.title, pattern: r.pattern, why: r.why(p.found.NamesOnly), service: r.service, mode: r.mode})
		return true
	}
	s := p.secretOf(r, path.Dir(e.Path))
	s.entries = append(s.entries, entry{path: e.Path, why: r.why(p.found.NamesOnly), rule: r, value: e.Value, read: e.Read})
	return true
}

// secretOf is the credential that an entry belongs to: one per service, folder
// and mode, but one per entry where each is a credential of its own.
func (p *Proposal) secretOf(r rule, folder string) *secret {
	for _, s := range p.secrets {
		has := slices.ContainsFunc(s.entries, func(e entry) bool { return e.rule.entry == r.entry && e.rule.noDoor == r.noDoor })
		fits := s.mode == r.mode || r.noDoor && s.service == r.service
		if s.service == r.service && s.folder == folder && fits && !has {
			return s
		}
	}
	s := &secret{title: r.title, service: r.service, folder: folder, mode: r.mode}
	p.secrets = append(p.secrets, s)
	return s
}

// pairs makes what its service's client cannot use a secret that people rotate:
// half a pair, or an entry under another name than the client reads.
func (p *Proposal) pairs() {
	for _, s := range p.secrets {
		var missing []string
		for _, name := range paired(s.service) {
			if !slices.ContainsFunc(s.entries, func(e entry) bool { return e.rule.entry == name }) {
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			s.manual("a " + s.service + " key is a pair, and " + strings.Join(missing, " and ") + " was not found in " + s.folder + "; with it: service: " + s.service)
			continue
		}
		for _, e := range s.entries {
			if want := e.rule.entry; want != "" && path.Base(e.path) != want {
				s.manual("the client of " + s.service + " reads an entry named " + want + "; with pass mv " + e.path + " " + path.Join(s.folder, want) + " it can be service: " + s.service)
				break
			}
		}
		if s.service == "stripe" && !slices.ContainsFunc(s.entries, func(e entry) bool { return !e.rule.noDoor }) {
			s.manual("no Stripe key was found beside it in " + s.folder)
		}
	}
}

func (s *secret) manual(note string) {
	s.notes = append(s.notes, note)
	s.mode, s.service = s.service+s.mode, secrets.ServiceManual
}

func paired(service string) []string {
	switch service {
	case "scaleway":
		return []string{"access-key", "api-secret"}
	case "sightengine":
		return []string{"api-user", "api-secret"}
	}
	return nil
}

// used proposes what no rule knows and a stack holds a copy of; the rest is a
// person's to decide.
func (p *Proposal) used(rest []Entry) {
	for _, e := range rest {
		if !p.found.Passphrase.IsZero() && e.Value.Equal(p.found.Passphrase) {
			p.passphrase = e.Path
			p.open = append(p.open, "entry "+e.Path+" holds the passphrase of the stacks: it is state.passphrase, and no secret of this catalog")
			continue
		}
		if p.opens(e.Path) {
			p.open = append(p.open, "entry "+e.Path+" is the passphrase of a stack, and no secret of this catalog")
			continue
		}
		if !p.found.NamesOnly && p.copied(e.Value) {
			r := rule{service: secrets.ServiceManual, title: "Credential of " + e.Path}
			p.secrets = append(p.secrets, &secret{title: r.title, service: r.service, folder: path.Dir(e.Path), mode: e.Path,
				notes:   []string{"its service is not known; people make and retire its values"},
				entries: []entry{{path: e.Path, why: "a stack's config secret holds its value", rule: r, value: e.Value, read: e.Read}}})
			continue
		}
		why := "its name does not tell"
		if !p.found.NamesOnly {
			why = hint(e.Path, e.Value)
		}
		p.undecided = append(p.undecided, e.Path+": "+why)
	}
}

func (p *Proposal) opens(entry string) bool {
	for _, project := range p.found.Projects {
		if slices.ContainsFunc(project.Stacks, func(s Stack) bool { return s.Passphrase == entry }) {
			return true
		}
	}
	return false
}

// shortest is how long a value must be for a copy of it to be no coincidence.
const shortest = 6

func (p *Proposal) copied(v secrets.Value) bool {
	for _, project := range p.found.Projects {
		for _, s := range project.Stacks {
			same := func(have secrets.Value) bool { return v.Len() >= shortest && have.Equal(v) }
			if slices.ContainsFunc(slices.Collect(maps.Values(s.Secrets)), same) ||
				slices.ContainsFunc(s.Nested, func(n stackfile.Nested) bool { return n.Secret && same(n.Value) }) {
				return true
			}
		}
	}
	return false
}

// name gives every secret a name of its own.
func (p *Proposal) name() {
	used := map[string]bool{}
	for _, s := range p.secrets {
		name := s.service
		switch {
		case s.service == secrets.ServiceManual:
			name = slug(s.entries[0].path)
		case s.mode != "":
			name += "-" + s.mode
		}
		for _, longer := range []string{name, slug(s.folder) + "-" + name, slug(s.entries[0].path)} {
			if name = longer; !used[name] {
				break
			}
		}
		for used[name] {
			name += "-x"
		}
		used[name], s.name = true, name
	}
}

// slug is a name of small letters, digits and single hyphens.
func slug(text string) string {
	out := strings.Join(words(text), "-")
	if out == "" {
		return "unnamed"
	}
	return out
}
