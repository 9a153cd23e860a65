package inventory

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// copies makes consumers of the config secrets that hold an entry's value, and
// lists those that hold none.
func (p *Proposal) copies() {
	used := map[string]bool{}
	for _, project := range p.found.Projects {
		if project.Problem != "" {
			p.open = append(p.open, "project "+project.Dir+": "+project.Problem)
			continue
		}
		for _, s := range project.Stacks {
			one := stack{name: stackName(project, s, used), dir: project.Dir, pulumi: s.Name, passphrase: s.Passphrase, why: "Pulumi project " + project.Name}
			if p.compare(one.name, s) {
				used[one.name] = true
				p.stacks = append(p.stacks, one)
			}
		}
	}
	// One passphrase for all is the state's.
	for _, s := range p.stacks {
		if p.passphrase == "" && s.passphrase != "" {
			p.passphrase = s.passphrase
		}
	}
	for i := range p.stacks {
		if p.stacks[i].passphrase == p.passphrase {
			p.stacks[i].passphrase = ""
		}
	}
}

// stackName is the project's name, with the stack's where it has several.
func stackName(project Project, s Stack, used map[string]bool) string {
	name := slug(project.Name)
	if len(project.Stacks) > 1 {
		name += "-" + slug(s.Name)
	}
	if used[name] {
		name = slug(project.Dir) + "-" + slug(s.Name)
	}
	for used[name] {
		name += "-x"
	}
	return name
}

// configKey is the form of keys that a catalog takes.
var configKey = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[A-Za-z0-9._-]+)?$`)

// compare makes the stack's consumers; it reports whether there is any.
func (p *Proposal) compare(name string, s Stack) bool {
	any := false
	if s.Problem != "" {
		p.open = append(p.open, fmt.Sprintf("the config secrets of stack %s were not compared: %s", name, s.Problem))
	}
	for _, key := range s.Keys {
		at := fmt.Sprintf("config secret %s of stack %s", key, name)
		switch owner, e, why := p.owner(key, s); {
		case s.Problem != "" && !p.found.NamesOnly:
			p.open = append(p.open, at+" was not compared"+p.perhaps(key))
		case slices.Contains(s.Unreadable, key) && !p.found.NamesOnly:
			p.open = append(p.open, at+" was not compared: it was not encrypted with this stack's passphrase and salt"+p.perhaps(key))
		case owner != nil && !configKey.MatchString(key):
			p.open = append(p.open, at+" holds "+e.path+", but a catalog takes no such key")
		case owner != nil:
			owner.copy(name, key, path.Base(e.path), why)
			any = true
		default:
			p.open = append(p.open, at+" matches no entry"+p.identified(s.Secrets[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Plain)) {
		for _, e := range p.holders(s.Plain[key]) {
			p.open = append(p.open, fmt.Sprintf("config %s of stack %s holds the value of %s IN THE CLEAR: make it a secret (pulumi config set --secret), and rotate it", key, name, e.path))
		}
	}
	p.compareNested(name, s)
	return any
}

// compareNested lists the copies inside objects and lists, which a catalog does
// not take, and the objects that were not looked into.
func (p *Proposal) compareNested(name string, s Stack) {
	for _, n := range s.Nested {
		for _, e := range p.holders(n.Value) {
			clear := ""
			if !n.Secret {
				clear = " IN THE CLEAR"
			}
			p.open = append(p.open, fmt.Sprintf("config %s of stack %s holds the value of %s%s, inside an object or a list, where a rotation does not reach it: give it a key of its own (pulumi config set --secret), and take it out of %s", n.Path, name, e.path, clear, n.Key))
		}
	}
	for _, key := range s.Objects {
		if s.Problem != "" || p.found.NamesOnly || slices.Contains(s.Unreadable, key) {
			p.open = append(p.open, fmt.Sprintf("config %s of stack %s is an object or a list with secrets inside, which were not compared", key, name))
		}
	}
}

// holders are the entries whose value this is.
func (p *Proposal) holders(v secrets.Value) (out []entry) {
	for _, owner := range p.secrets {
		for _, e := range owner.entries {
			if e.value.Len() >= shortest && v.Equal(e.value) {
				out = append(out, e)
			}
		}
	}
	return out
}

// owner is the entry that a config secret is a copy of: by its value, or by its
// name alone where values are not read.
func (p *Proposal) owner(key string, s Stack) (*secret, entry, string) {
	for _, owner := range p.secrets {
		for _, e := range owner.entries {
			switch {
			case p.found.NamesOnly:
				if named(key, e) {
					return owner, e, "by the key's name alone"
				}
			case e.value.Len() >= shortest && s.Secrets[key].Equal(e.value):
				return owner, e, "its config secret holds the same value"
			}
		}
	}
	return nil, entry{}, ""
}

// perhaps is a guess that a person may follow; a wrong one would overwrite
// somebody's config, so it stays a comment.
func (p *Proposal) perhaps(key string) string {
	for _, owner := range p.secrets {
		for _, e := range owner.entries {
			if named(key, e) {
				return "; by its name it may be " + e.path
			}
		}
	}
	return ""
}

// named: a key names the service and what tells the entry from the others.
func named(key string, e entry) bool {
	r, ok := find(strings.ReplaceAll(key, ":", "-"), secrets.Value{}, true)
	return ok && r.service == e.rule.service && r.entry == e.rule.entry && r.noDoor == e.rule.noDoor && !r.public
}

// identified says that a config secret holds what is no secret.
func (p *Proposal) identified(v secrets.Value) string {
	for _, id := range p.identifiers {
		for _, e := range p.found.Entries {
			if e.Path == id.path && !v.IsZero() && e.Value.Equal(v) {
				return " of a credential (it holds identifier " + id.path + ")"
			}
		}
	}
	return ""
}

func (s *secret) copy(stack, key, entry, why string) {
	for i := range s.consumers {
		if s.consumers[i].stack == stack {
			s.consumers[i].values[key] = entry
			return
		}
	}
	s.consumers = append(s.consumers, consumer{stack: stack, why: why, values: map[string]string{key: entry}})
}

// places says what else is known to hold copies, and what could not be found.
func (p *Proposal) places() {
	for _, w := range p.found.Workers {
		if w.Problem != "" {
			p.open = append(p.open, w.File+" was not read: "+w.Problem)
			continue
		}
		name := w.Name
		if w.Environment != "" {
			name += " (environment " + w.Environment + ")"
		}
		p.open = append(p.open, fmt.Sprintf("%s names Worker %s: if it has secrets of these, add a consumer of kind worker (an example is at the end)", w.File, name))
	}
}
