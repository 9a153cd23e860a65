// Package inventory proposes a catalog from what exists: the entries of a pass
// store, the Pulumi projects below a folder, and the copies that the one's
// config secrets hold of the other. It asks no service, starts no process, and
// puts no value into anything that it returns for printing.
package inventory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Project is an existing Pulumi project.
type Project struct {
	// Name is Pulumi's; Dir is below the root, with slashes.
	Name, Dir string
	// Backend is the address in its Pulumi.yaml, where there is one.
	Backend string
	Stacks  []Stack
	// Problem is why nothing more is known.
	Problem string
}

// Stack is one stack's config file.
type Stack struct {
	Name string
	// Keys are the config secrets, sorted, in the form that the catalog takes.
	Keys []string
	// Objects are the keys of objects and lists with a secret inside, sorted.
	Objects []string
	// Secrets and Plain are the config's values, once it was opened: Plain also
	// of a config that could not be decrypted. Nested are those inside objects
	// and lists, by path.
	Secrets map[string]secrets.Value
	Plain   map[string]secrets.Value
	Nested  []stackfile.Nested
	// Unreadable are the keys that the stack's own passphrase does not open.
	Unreadable []string
	// Passphrase is the pass path of what opened it; empty where that was given.
	Passphrase string
	// Problem is why its config secrets could not be compared.
	Problem string

	file    stackfile.File
	content stackfile.Content
}

// Declared are the stacks that this program declares itself, whose files lie in
// Dir: they are no project's own.
type Declared struct {
	Dir    string
	Stacks []string
}

// DeclaredIn are the catalog's declared stacks, whose files lie in dir.
func DeclaredIn(dir string, cat *secrets.Catalog) Declared {
	own := Declared{Dir: dir}
	for _, s := range cat.Stacks {
		if s.Declared {
			own.Stacks = append(own.Stacks, s.Name)
		}
	}
	return own
}

// Scan looks for Pulumi projects and wrangler configs below root, in the order
// of their paths. Folders of dependencies and of tools are left out. Nothing is
// decrypted.
func Scan(root string, own Declared) ([]Project, []Worker, error) {
	var projects []Project
	var workers []Worker
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path != root && errors.Is(err, fs.ErrPermission) {
				return fs.SkipDir
			}
			return err
		}
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if path != root && (slices.Contains(foreignFolders, d.Name()) || strings.HasPrefix(d.Name(), ".sandbox")) {
				return fs.SkipDir
			}
			return nil
		}
		switch d.Name() {
		case "Pulumi.yaml", "Pulumi.yml", "Pulumi.json":
			if p := readProject(path, rel); !own.remove(&p, filepath.Dir(path)) {
				projects = append(projects, p)
			}
		case "wrangler.toml", "wrangler.json", "wrangler.jsonc":
			workers = append(workers, readWorkers(path, rel)...)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("looking for projects below %s: %w", root, err)
	}
	return projects, workers, nil
}

// foreignFolders are those of dependencies, tools and caches, in which nobody
// keeps a project of their own.
var foreignFolders = []string{
	"node_modules", "vendor", "venv", "__pycache__", "testdata",
	".git", ".hg", ".svn", ".venv", ".tox", ".terraform", ".pulumi", ".wrangler", ".cache", ".local", ".npm", ".nvm", ".yarn", ".pnpm-store", ".cargo", ".rustup", ".gradle", ".m2", ".idea", ".vscode",
}

// remove takes the declared stacks out of a project, and reports whether nothing
// of it is left.
func (own Declared) remove(p *Project, dir string) bool {
	if own.Dir == "" || !sameFolder(own.Dir, dir) {
		return false
	}
	p.Stacks = slices.DeleteFunc(p.Stacks, func(s Stack) bool { return slices.Contains(own.Stacks, s.Name) })
	return len(p.Stacks) == 0
}

func sameFolder(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// readProject reads a project file and the stack files that go with it.
func readProject(path, rel string) Project {
	p := Project{Dir: strings.TrimSuffix(strings.TrimSuffix(rel, filepath.Base(path)), "/")}
	if p.Dir == "" {
		p.Dir = "."
	}
	project, err := workspace.LoadProject(path)
	if err != nil {
		// What the parser says may quote the file.
		p.Problem = filepath.Base(path) + " is not a project file"
		return p
	}
	p.Name = project.Name.String()
	if project.Backend != nil {
		p.Backend = project.Backend.URL
	}
	dir := filepath.Dir(path)
	if project.StackConfigDir != "" {
		dir = filepath.Join(dir, project.StackConfigDir)
	}
	for _, ext := range []string{".yaml", ".yml", ".json"} {
		files, err := filepath.Glob(filepath.Join(dir, "Pulumi.*"+ext))
		if err != nil {
			continue // no file of such a folder can be listed
		}
		for _, file := range files {
			name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ext)
			one := readStack(name, stackfile.File{Path: file, Project: project})
			if ext != filepath.Ext(path) && one.Problem == "" {
				one.Problem = "Pulumi does not read " + filepath.Base(file) + " beside " + filepath.Base(path)
			}
			p.Stacks = append(p.Stacks, one)
		}
	}
	if len(p.Stacks) == 0 {
		p.Problem = "it has no Pulumi.<stack>" + filepath.Ext(path)
	}
	return p
}

func readStack(name string, file stackfile.File) Stack {
	s := Stack{Name: name, file: file}
	var err error
	s.content, err = file.Load()
	switch {
	case errors.Is(err, stackfile.ErrProvider):
		s.Problem = strings.TrimPrefix(err.Error(), "reading "+filepath.Base(file.Path)+": ")
	case err != nil:
		s.Problem = "its file cannot be read: " + err.Error()
		return s
	case s.content.Provider != "":
		s.Problem = "its secrets are encrypted by " + s.content.Provider + ", which is asked only about stacks of the catalog"
	}
	for key, v := range s.content.Config {
		switch {
		case v.Secure() && v.Object():
			s.Objects = append(s.Objects, file.Key(key))
		case v.Secure():
			s.Keys = append(s.Keys, file.Key(key))
		}
	}
	slices.Sort(s.Keys)
	slices.Sort(s.Objects)
	return s
}

// Sealed reports whether the stack has config secrets.
func (s *Stack) Sealed() bool { return len(s.Keys)+len(s.Objects) > 0 }

// Phrase is a passphrase that may open a stack. Path is its pass path, empty
// for one that was given otherwise.
type Phrase struct {
	Path  string
	Value secrets.Value
}

// Open decrypts the stack's config with the first of the phrases that opens it.
// What keeps it from that is the stack's Problem; what is not encrypted is read
// all the same.
func (s *Stack) Open(ctx context.Context, phrases []Phrase) {
	if open, err := s.file.Unsealed(s.content); err == nil {
		s.Take(open)
	}
	if s.Problem != "" || !s.Sealed() {
		return
	}
	if len(phrases) == 0 {
		s.Problem = "there is no passphrase to open it with"
		return
	}
	s.Problem = "no passphrase at hand opens it"
	for _, p := range phrases {
		crypt, err := stackfile.Open(p.Value, s.content.Salt)
		if err != nil {
			continue
		}
		if open, err := s.file.Decrypt(ctx, s.content, crypt); err == nil {
			s.Take(open)
			s.Passphrase, s.Problem = p.Path, ""
		}
		return
	}
}

// Take makes an opened config the stack's own.
func (s *Stack) Take(open stackfile.Opened) {
	s.Secrets, s.Plain, s.Nested, s.Unreadable = open.Secrets, map[string]secrets.Value{}, open.Nested, open.Unreadable
	for key, text := range open.Plain {
		s.Plain[key] = secrets.NewValue([]byte(text))
	}
}
