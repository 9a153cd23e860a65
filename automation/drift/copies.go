package drift

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/inventory"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// original is a value of pass and whose it is.
type original struct {
	secret, entry string
	value         secrets.Value
}

// shortest is how long a value has to be to be looked for: shorter ones are found
// everywhere.
const shortest = 8

// registered are all values that pass holds of the chosen secrets.
func (s *scene) registered(ctx context.Context) []original {
	var out []original
	for _, sec := range s.chosen {
		c := s.credit(ctx, sec.Name)
		for _, e := range sec.Entries {
			for _, v := range []secrets.Value{c.current[e.Name()], c.previous[e.Name()], c.pending[e.Name()]} {
				if v.Len() >= shortest && !slices.ContainsFunc(out, func(k original) bool { return k.value.Equal(v) }) {
					out = append(out, original{sec.Name, e.Name(), v})
				}
			}
		}
	}
	return out
}

// copies looks for copies of registered values, and for names that stand for
// them, in all places that can be read and that the catalog does not declare.
func (s *scene) copies(ctx context.Context, out *sheet) {
	values := s.registered(ctx)
	s.projects(ctx, values, out)
	s.dotenv(values, out)
	if s.whole() {
		s.otherWorkers(ctx, out)
		s.containers(ctx, values, out)
	}
}

func (s *scene) copied(subject, what string, k original, out *sheet) {
	out.find(Finding{Code: UnmanagedAtConsumer, Subject: subject, Secret: k.secret, Severity: Warning, Fix: s.declare(subject),
		Detail: what + " holds a copy of " + k.secret + "'s " + k.entry + " that the catalog does not declare, so a rotation would miss it: " + undeclared})
}

// projects compares the config of every Pulumi project below the root.
func (s *scene) projects(ctx context.Context, values []original, out *sheet) {
	found, _, err := inventory.Scan(s.Folders.Root, inventory.DeclaredIn(s.Folders.Project, s.Catalog))
	if err != nil {
		out.gap("file/"+s.Folders.Root, err, "go run . drift --root DIR")
		return
	}
	var phrases []inventory.Phrase
	for _, stack := range append([]secrets.Stack{{}}, s.Catalog.Stacks...) {
		v, err := s.Fleet.Passphrase(ctx, stack)
		if err == nil && !slices.ContainsFunc(phrases, func(p inventory.Phrase) bool { return p.Value.Equal(v) }) {
			phrases = append(phrases, inventory.Phrase{Value: v})
		}
	}
	for _, p := range found {
		if p.Problem != "" && len(p.Stacks) == 0 && p.Name == "" {
			out.gap(join("stack", plain(p.Dir)), fmt.Errorf("project %s: %s", p.Dir, p.Problem), "pulumi preview --cwd "+quoted(filepath.Join(s.Folders.Root, p.Dir)))
		}
		for _, stack := range p.Stacks {
			s.project(ctx, p, stack, phrases, values, out)
		}
	}
}

// project compares one stack's config. What the catalog's stacks hold has been
// decrypted by them.
func (s *scene) project(ctx context.Context, p inventory.Project, stack inventory.Stack, phrases []inventory.Phrase, values []original, out *sheet) {
	target, ours := s.catalogStack(ctx, p.Dir, stack.Name)
	stack.Open(ctx, phrases)
	at := join("stack", plain(p.Name), stack.Name)
	switch {
	case ours && target == nil:
		return // the layer config has said why
	case ours:
		stack.Take(target.Config)
	case stack.Problem != "" && stack.Sealed():
		// What is not encrypted is compared all the same.
		out.gap(at, fmt.Errorf("the config secrets of stack %s of project %s were not compared: %s", stack.Name, p.Dir, stack.Problem), s.accepting(at))
	default:
		s.unreadable(p, stack, out)
	}
	for _, key := range stack.Keys {
		s.configCopy(p, stack.Name, key, "config secret", stack.Secrets[key], values, out)
	}
	for key, v := range stack.Plain {
		s.configCopy(p, stack.Name, key, "config IN THE CLEAR", v, values, out)
	}
	s.nestedCopies(p, stack, values, out)
}

// standsFor reports whether a stack of the catalog means a Pulumi stack of the
// project in dir, which is below the root.
func standsFor(entry secrets.Stack, dir, stack string) bool {
	return !entry.Declared && filepath.Clean(entry.Dir) == filepath.Clean(dir) && (entry.Stack == "" || entry.Stack == "*" || entry.Stack == stack)
}

// catalogStack is a Pulumi stack that the catalog has; nil where it could not be
// opened.
func (s *scene) catalogStack(ctx context.Context, dir, stack string) (target *rollout.Target, ours bool) {
	for _, entry := range s.Catalog.Stacks {
		if !standsFor(entry, dir, stack) {
			continue
		}
		o := s.open(ctx, entry.Name)
		if o == nil || o.err != nil {
			return nil, true
		}
		for _, t := range o.targets {
			if len(o.targets) == 1 || t.Name == entry.Name+"/"+stack {
				return t, true
			}
		}
	}
	return nil, false
}

// configCopy reports a config value that is a registered one, unless a stack of
// the catalog has it under this key.
func (s *scene) configCopy(p inventory.Project, stack, key, what string, v secrets.Value, values []original, out *sheet) {
	for _, k := range values {
		if !k.value.Equal(v) || what == "config secret" && (s.declares(p.Dir, stack, key) || s.declares(p.Dir, stack, p.Name+":"+key)) {
			continue
		}
		s.copied(join("stack", p.Name, stack, plain(key)), fmt.Sprintf("%s %s of stack %s of project %s", what, key, stack, p.Dir), k, out)
	}
}

// declares reports whether a stack of the catalog stands for the Pulumi stack and
// holds a copy under the key.
func (s *scene) declares(dir, stack, key string) bool {
	for _, entry := range s.Catalog.Stacks {
		if !standsFor(entry, dir, stack) {
			continue
		}
		for _, sec := range s.Catalog.Secrets {
			for _, c := range sec.Consumers {
				if _, has := c.Values[key]; has && c.Stack == entry.Name {
					return true
				}
			}
		}
	}
	return false
}

// otherWorkers looks for Workers that the catalog does not know and that have a
// secret of a name that it knows: their values cannot be read.
func (s *scene) otherWorkers(ctx context.Context, out *sheet) {
	names := map[string]string{}
	mine := map[string]bool{}
	for _, d := range s.holders() {
		if d.holder.Kind != hosted.Worker {
			continue
		}
		mine[d.holder.Name] = true
		for name, o := range d.names {
			names[name] = o.secret
		}
	}
	if len(mine) == 0 {
		return
	}
	all, err := s.Abroad.Workers(ctx)
	if err != nil {
		out.gap("worker", err, "go run . doctor")
		return
	}
	for worker := range mine {
		if !slices.Contains(all, worker) {
			out.gap("worker", fmt.Errorf("the account's list lacks Worker %s, so it is not whole, or the Worker is gone", worker), "go run . doctor")
		}
	}
	for _, worker := range all {
		if mine[worker] {
			continue
		}
		h := hosted.Holder{Kind: hosted.Worker, Scope: s.Fleet.Account, Name: worker}
		listed, err := s.list(ctx, h)
		if err != nil {
			out.gap(subject(h), err, "go run . doctor")
			continue
		}
		for _, name := range listed {
			if secret, ok := names[name]; ok {
				at := subject(h) + "/" + name
				out.find(Finding{Code: UnmanagedAtConsumer, Subject: at, Secret: secret, Severity: Warning, Fix: s.declare(at),
					Detail: "Worker " + worker + " has a secret " + name + ", by its name a copy of " + secret + " that the catalog does not declare: " + undeclared})
			}
		}
	}
}

// maxHashes bounds how many hashes are computed: each takes tens of milliseconds
// and megabytes.
const maxHashes = 200

// containers compares the hashes of every container's secret variables.
func (s *scene) containers(ctx context.Context, values []original, out *sheet) {
	all, err := s.containersNow(ctx)
	if err != nil {
		out.gap("container", err, "go run . doctor")
		return
	}
	if id := s.unlistedContainer(ctx, all); id != "" {
		out.gap("container", fmt.Errorf("Scaleway's list lacks container %s, which a stack has made: it is not whole, or the container is gone", id), "go run . drift --format html")
	}
	left := maxHashes
	for _, c := range all {
		names, ours := s.variables(ctx, c)
		if !ours && s.unopened(ctx) != "" {
			stack := s.unopened(ctx)
			out.gap("container/"+c.Namespace+"/"+c.Name, &consequence{"its variables were not compared: whether stack " + stack + " made it is not known", s.open(ctx, stack).err}, "go run . doctor")
			continue
		}
		for name, hash := range c.Secrets {
			if left <= 0 {
				out.gap("container/"+c.Namespace+"/"+c.Name, fmt.Errorf("its variables were not compared: more than %d hashes would have had to be computed", maxHashes), "go run . drift --stack NAME")
				return
			}
			if slices.Contains(names, name) {
				continue
			}
			if !s.hashed(c, name, hash, likely(name, values), &left, out) {
				out.gap(join("container", plain(c.Namespace), plain(c.Name), plain(name)), errors.New("its hash was not compared: it is of another kind, or too many had to be computed"), "go run . drift --stack NAME")
			}
		}
	}
}

// hashed compares one variable; false if that could not be done.
func (s *scene) hashed(c scaleway.Container, name, hash string, values []original, left *int, out *sheet) bool {
	for _, k := range values {
		if *left--; *left < 0 {
			return false
		}
		same, err := scaleway.MatchesHash(k.value, hash)
		if err != nil {
			return false
		}
		if same {
			s.copied(join("container", plain(c.Namespace), plain(c.Name), plain(name)), "container "+c.Name+" ("+name+")", k, out)
			return true
		}
	}
	return true
}

// containersNow lists the containers, once. Without a Scaleway key in the catalog
// there are none to ask about.
func (s *scene) containersNow(ctx context.Context) ([]scaleway.Container, error) {
	listed := s.boxes.get(func() listed {
		if s.Catalog.Services.Scaleway.AccessKey == "" {
			return listed{}
		}
		all, err := s.Abroad.Containers(ctx)
		return listed{all, err}
	})
	return listed.all, listed.err
}

type listed struct {
	all []scaleway.Container
	err error
}

// variables are those of a container that the catalog declares: as its holder, by
// a probe, or, all of them, because a stack of the catalog made the container and
// gets its secrets. ours: it is a consumer in one of these ways.
func (s *scene) variables(ctx context.Context, c scaleway.Container) (names []string, ours bool) {
	for _, sec := range s.Catalog.Secrets {
		for _, k := range sec.Consumers {
			if k.Container != "" && is(c, k.Container, k.Namespace) {
				ours = true
				names = slices.AppendSeq(names, maps.Keys(k.Values))
			}
			if k.Probe.Container != "" && is(c, k.Probe.Container, k.Probe.Namespace) {
				ours = true
				names = slices.AppendSeq(names, maps.Keys(k.Probe.Variables))
			}
		}
	}
	if s.made(ctx, c.ID) {
		return slices.AppendSeq(names, maps.Keys(c.Secrets)), true
	}
	return names, ours
}

// is reports whether a container is the one of that name in the namespace, which
// may be given by its id, or not at all.
func is(c scaleway.Container, name, namespace string) bool {
	return c.Name == name && (namespace == "" || namespace == c.Namespace || namespace == c.NamespaceID)
}

// made reports whether a stack of the catalog made the thing with this id: REGION/ID
// in the state.
func (s *scene) made(ctx context.Context, id string) bool {
	for _, name := range s.stacks {
		for _, t := range s.open(ctx, name).targets {
			for _, r := range t.State.Resources {
				if r.ID == id || strings.HasSuffix(r.ID, "/"+id) {
					return true
				}
			}
		}
	}
	return false
}

// unlistedContainer is the id of a container that a stack of the catalog has made
// in this region and that the list lacks.
func (s *scene) unlistedContainer(ctx context.Context, all []scaleway.Container) string {
	region := s.Catalog.Services.Scaleway.Region + "/"
	for _, name := range s.stacks {
		for _, t := range s.open(ctx, name).targets {
			for _, r := range t.State.Resources {
				id, here := strings.CutPrefix(r.ID, region)
				container := strings.HasPrefix(r.Type, "scaleway:") && strings.HasSuffix(r.Type, ":Container")
				if container && here && !slices.ContainsFunc(all, func(c scaleway.Container) bool { return c.ID == id }) {
					return id
				}
			}
		}
	}
	return ""
}

// unopened is a stack of the catalog whose state could not be read, empty if there
// is none: what a container has may be its doing.
func (s *scene) unopened(ctx context.Context) string {
	for _, name := range s.stacks {
		if s.open(ctx, name).err != nil {
			return name
		}
	}
	return ""
}

// likely puts the values first whose names the variable's name has.
func likely(variable string, values []original) []original {
	out := slices.Clone(values)
	score := func(k original) int {
		n := 0
		for word := range strings.FieldsFuncSeq(strings.ToLower(variable), func(r rune) bool { return r == '_' || r == '-' }) {
			if strings.Contains(k.secret+"-"+k.entry, word) {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(out, func(a, b original) int { return score(b) - score(a) })
	return out
}
