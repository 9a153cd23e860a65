package drift

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/inventory"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// known is a value of pass and whose it is.
type known struct {
	secret, entry string
	value         secrets.Value
}

// shortest is how long a value has to be to be looked for: shorter ones are found
// everywhere.
const shortest = 8

// registered are all values that pass holds of the chosen secrets.
func (s *scene) registered(ctx context.Context) []known {
	var out []known
	for _, sec := range s.chosen {
		c := s.credit(ctx, sec.Name)
		for _, e := range sec.Entries {
			for _, v := range []secrets.Value{c.current[e.Name()], c.previous[e.Name()], c.pending[e.Name()]} {
				if v.Len() >= shortest && !slices.ContainsFunc(out, func(k known) bool { return k.value.Equal(v) }) {
					out = append(out, known{sec.Name, e.Name(), v})
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

func (s *scene) copied(subject, what string, k known, out *sheet) {
	out.find(Finding{Code: UnmanagedAtConsumer, Subject: subject, Secret: k.secret, Severity: Warning, Fix: s.declare(subject),
		Detail: what + " holds a copy of " + k.secret + "'s " + k.entry + " that the catalog does not declare, so a rotation would miss it: " + undeclared})
}

// projects compares the config of every Pulumi project below the root.
func (s *scene) projects(ctx context.Context, values []known, out *sheet) {
	found, _, err := inventory.Scan(s.Folders.Root, s.Folders.Project)
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
		for _, stack := range p.Stacks {
			stack.Open(phrases)
			for _, key := range stack.Keys {
				s.configCopy(p, stack.Name, key, "config secret", stack.Secrets[key], values, out)
			}
			for key, v := range stack.Plain {
				s.configCopy(p, stack.Name, key, "config IN THE CLEAR", v, values, out)
			}
		}
	}
}

// configCopy reports a config value that is a registered one, unless a stack of
// the catalog has it under this key.
func (s *scene) configCopy(p inventory.Project, stack, key, what string, v secrets.Value, values []known, out *sheet) {
	for _, k := range values {
		if !k.value.Equal(v) || s.declares(p.Dir, stack, key) && what == "config secret" {
			continue
		}
		s.copied(join("stack", p.Name, stack, plain(key)), fmt.Sprintf("%s %s of stack %s of project %s", what, key, stack, p.Dir), k, out)
	}
}

// declares reports whether a stack of the catalog stands for the Pulumi stack and
// holds a copy under the key.
func (s *scene) declares(dir, stack, key string) bool {
	for _, entry := range s.Catalog.Stacks {
		if entry.Declared || filepath.Clean(entry.Dir) != filepath.Clean(dir) || entry.Stack != "" && entry.Stack != "*" && entry.Stack != stack {
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

// maxDotenv bounds what is read of a .env file, in bytes.
const maxDotenv = 1 << 20

// dotenv looks through the .env files below the folders to be searched.
func (s *scene) dotenv(values []known, out *sheet) {
	for _, root := range s.Search {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrPermission) && path != root:
				return fs.SkipDir
			case err != nil:
				return err
			case d.IsDir() && path != root && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == ".sandbox"):
				return fs.SkipDir
			case d.Type().IsRegular() && (d.Name() == ".env" || strings.HasPrefix(d.Name(), ".env.") || d.Name() == ".dev.vars" || strings.HasSuffix(d.Name(), ".env")):
				s.dotenvFile(root, path, values, out)
			}
			return nil
		})
		if err != nil {
			out.gap("file/"+root, err, "go run . drift --search DIR")
		}
	}
}

// dotenvFile compares the values of NAME=VALUE lines, quoted or not.
func (s *scene) dotenvFile(root, path string, values []known, out *sheet) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxDotenv {
		err = fmt.Errorf("%s is too big for a .env file", path)
	}
	var raw []byte
	if err == nil {
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		out.gap("file/"+plain(path), err, "ls -l "+path)
		return
	}
	defer clear(raw)
	rel, _ := filepath.Rel(root, path)
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		name, value, ok := bytes.Cut(bytes.TrimSpace(lines.Bytes()), []byte{'='})
		name = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(name), []byte("export ")))
		if !ok || bytes.HasPrefix(name, []byte{'#'}) {
			continue
		}
		v := secrets.NewValue(bytes.Trim(bytes.TrimSpace(value), `"'`))
		for _, k := range values {
			if k.value.Equal(v) {
				s.copied(join("file", plain(filepath.ToSlash(rel)), plain(string(name))), "file "+path, k, out)
			}
		}
	}
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
func (s *scene) containers(ctx context.Context, values []known, out *sheet) {
	all, err := s.containersNow(ctx)
	if err != nil {
		out.gap("container", err, "go run . doctor")
		return
	}
	left := maxHashes
	for _, c := range all {
		names, ours := s.variables(ctx, c)
		if !ours && s.unopened(ctx) != "" {
			out.gap("container/"+c.Namespace+"/"+c.Name, fmt.Errorf("its variables were not compared: whether stack %s made it is not known", s.unopened(ctx)), "go run . doctor")
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
			s.hashed(c, name, hash, likely(name, values), &left, out)
		}
	}
}

func (s *scene) hashed(c scaleway.Container, name, hash string, values []known, left *int, out *sheet) {
	for _, k := range values {
		if *left--; *left < 0 {
			return
		}
		same, err := scaleway.MatchesHash(k.value, hash)
		if err != nil {
			return // a hash of another kind proves nothing, either way
		}
		if same {
			s.copied(join("container", c.Namespace, c.Name, name), "container "+c.Name+" ("+name+")", k, out)
			return
		}
	}
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
			if k.Container == c.Name {
				ours = true
				names = slices.AppendSeq(names, maps.Keys(k.Values))
			}
			if k.Probe.Container == c.Name {
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
func likely(variable string, values []known) []known {
	out := slices.Clone(values)
	score := func(k known) int {
		n := 0
		for word := range strings.FieldsFuncSeq(strings.ToLower(variable), func(r rune) bool { return r == '_' || r == '-' }) {
			if strings.Contains(k.secret+"-"+k.entry, word) {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(out, func(a, b known) int { return score(b) - score(a) })
	return out
}
