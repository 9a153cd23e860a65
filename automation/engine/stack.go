package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/process"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/toolchain"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Stack is one stack that has been opened. Preview and Up of one stack must
// not overlap; different stacks are independent.
type Stack struct {
	engine  *Engine
	spec    StackSpec
	project *workspace.Project
	address string // of the backend, normalized
	phrase  secrets.Value
	// provider is the scheme of the secrets provider, empty for a passphrase.
	provider string
	name     string // Pulumi's
	// languageDir holds the host of the project's runtime, empty if the CLI finds
	// it by itself.
	languageDir string
	file        stackfile.File
}

// Open finds the project, its stack and what is needed to run it, without a
// CLI process. A declared stack need not exist yet (State says so, Init
// creates it); one of an existing project must.
func (e *Engine) Open(ctx context.Context, spec StackSpec) (*Stack, error) {
	const step = "opening the stack"
	s, err := e.prepare(spec)
	if err != nil {
		return nil, err
	}
	for _, v := range spec.Env {
		if !setting(v) {
			e.opts.Redactor.Add(v)
		}
	}
	names, err := s.names(ctx)
	if err != nil {
		return nil, s.wrap(step, err)
	}
	if err := s.pick(names); err != nil {
		return nil, err
	}
	if err := s.language(ctx); err != nil {
		return nil, err
	}
	path := filepath.Join(spec.Dir, projectFile(spec.Dir))
	s.file = stackfile.File{Path: workspace.ProjectStackPath(path, s.project, tokens.QName(s.name)), Project: s.project, Keeper: &keeper{stack: s}}
	content, err := s.file.Load()
	switch {
	case errors.Is(err, stackfile.ErrProvider):
		return nil, s.wrap(step, err)
	case err == nil && content.Provider != "":
		s.provider = content.Provider
		return s, nil // nothing of it is encrypted with a passphrase
	}
	if spec.NoPassphrase != nil {
		return nil, spec.NoPassphrase
	}
	if s.phrase, err = stackfile.Phrase(first(spec.Passphrase, e.opts.Passphrase)); err != nil {
		return nil, s.wrap(step, err)
	}
	e.opts.Redactor.Add(s.phrase)
	return s, nil
}

// setting reports whether a variable is no secret: short ones, paths and plain
// addresses, which would blank half the output and say nothing then.
func setting(v secrets.Value) bool {
	if v.Len() < 12 {
		return true
	}
	text := string(v.Reveal())
	u, err := url.Parse(text)
	plain := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && u.RawQuery == "" && len(u.Path) <= 1
	return plain || filepath.IsAbs(text)
}

// Name is the stack's name in Pulumi.
func (s *Stack) Name() string { return s.name }

// File is the path of the stack's config file.
func (s *Stack) File() string { return s.file.Path }

// State reads the stack from the backend: whether it exists, who holds it,
// what an earlier update left half done, and its resources.
func (s *Stack) State(ctx context.Context) (State, error) {
	st, err := s.read(ctx)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		// It was waited for: whoever wrote it is dead, and opening mends that.
		st, err = s.read(ctx)
	}
	if err != nil {
		return State{}, s.wrap("reading the state", err)
	}
	return st, nil
}

func (s *Stack) read(ctx context.Context) (State, error) {
	b, err := s.bucket(ctx)
	if err != nil {
		return State{}, err
	}
	defer b.Close()
	return backend.Read(ctx, b, s.project.Name.String(), s.name)
}

// Unlock takes a lock away that its holder, proven dead by the caller, has left
// behind. One that is gone already is fine.
func (s *Stack) Unlock(ctx context.Context, l Lock) error {
	const step = "taking a dead update's lock away"
	b, err := s.bucket(ctx)
	if err != nil {
		return s.wrap(step, err)
	}
	defer b.Close()
	if err := b.Delete(ctx, l.URL); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return s.wrap(step, backend.Explain(err))
	}
	return nil
}

// Orphans are the CLIs that killed runs of this program on this host have left at
// work on the stack, by process id; one may not have taken its lock yet. Without
// /proc there are none: then only their locks show them.
func (s *Stack) Orphans() []int { return process.Orphans(s.work()) }

// work names the stack among all of all backends.
func (s *Stack) work() string {
	return s.address + " " + s.project.Name.String() + "/" + s.name
}

// prepare reads the project and finds its backend.
func (e *Engine) prepare(spec StackSpec) (*Stack, error) {
	s := &Stack{engine: e, spec: spec}
	file := projectFile(spec.Dir)
	if file == "" {
		return nil, &Error{Kind: NoProject, Stack: spec.Name, Step: "reading the project",
			Err:  fmt.Errorf("%s holds no Pulumi.yaml", spec.Dir),
			Next: "check the stack's dir in the catalog, or pass --root DIR"}
	}
	var err error
	if s.project, err = workspace.LoadProject(filepath.Join(spec.Dir, file)); err != nil {
		return nil, &Error{Kind: NoProject, Stack: spec.Name, Step: "reading the project",
			Err: fmt.Errorf("%s is not a project file", file), Tail: e.opts.Redactor.String(err.Error()), Next: "mend " + filepath.Join(spec.Dir, file)}
	}
	address := spec.Backend
	if address == "" {
		address = e.opts.Backend
	}
	if address == "" && s.project.Backend != nil {
		address = s.project.Backend.URL
	}
	if address == "" {
		return nil, s.wrap("finding the state backend", errors.New("neither the catalog nor Pulumi.yaml names one"))
	}
	dir, err := filepath.Abs(spec.Dir)
	if err != nil {
		return nil, s.wrap("reading the project", err)
	}
	s.spec.Dir = dir
	if s.address, err = backend.Normalize(address, dir); err != nil {
		return nil, s.wrap("finding the state backend", err)
	}
	return s, nil
}

// pick settles Pulumi's name of the stack.
func (s *Stack) pick(names []string) error {
	s.name = s.spec.Stack
	if s.name == "" && s.spec.Program != nil {
		s.name = s.spec.Name
	}
	missing := func(what, next string) error {
		return &Error{Kind: NoStack, Stack: s.spec.Name, Step: "opening the stack", Err: errors.New(what), Next: next}
	}
	have := "none"
	if len(names) > 0 {
		have = strings.Join(names, ", ")
	}
	switch {
	case s.spec.Program != nil:
		return nil
	case s.name == "" && len(names) == 1:
		s.name = names[0]
		return nil
	case s.name == "" && len(names) == 0:
		return missing(fmt.Sprintf("project %s has no stack in the state backend", s.project.Name),
			"check the state backend in the catalog, or create the stack in "+s.spec.Dir+" with `pulumi stack init`")
	case s.name == "":
		return missing(fmt.Sprintf("project %s has several stacks: %s", s.project.Name, have),
			"name one of them as `stack:` in the catalog, or \"*\" for all")
	case !slices.Contains(names, s.name):
		return missing(fmt.Sprintf("project %s has no stack %s in the state backend, it has: %s", s.project.Name, s.name, have),
			"correct `stack:` in the catalog")
	}
	return nil
}

// language finds the host that runs an existing project's program, or has it
// provided.
func (s *Stack) language(ctx context.Context) error {
	if s.spec.Program != nil || s.engine.opts.CLI == nil {
		return nil
	}
	name := s.project.Runtime.Name()
	dir, err := s.engine.opts.Language(ctx, name)
	if err == nil {
		s.languageDir = dir
		return nil
	}
	if !errors.Is(err, toolchain.ErrNoLanguage) {
		return s.wrap("providing the language host", err)
	}
	plugin := "pulumi-language-" + name
	next := "connect to the network and type the same command again, or install Pulumi " + Version() + " from its release, which brings " + plugin + ", and put it on PATH"
	if name == "yaml" {
		next = "run `go run . setup`, or put " + plugin + " on PATH"
	}
	return &Error{Kind: NoLanguage, Stack: s.spec.Name, Step: "opening the stack",
		Err: fmt.Errorf("the project is written in %s and %s is not installed: %w", name, plugin, err), Next: next}
}

func (s *Stack) names(ctx context.Context) ([]string, error) {
	b, err := s.bucket(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return backend.Stacks(ctx, b, s.project.Name.String())
}

func (s *Stack) bucket(ctx context.Context) (*blob.Bucket, error) {
	return backend.Open(ctx, s.address, s.backendEnv(), s.engine.opts.HTTP)
}

// backendEnv is the engine's, with what the stack has of its own.
func (s *Stack) backendEnv() map[string]secrets.Value {
	env := map[string]secrets.Value{}
	for _, from := range []map[string]secrets.Value{s.engine.backendEnv(), s.spec.Env} {
		for name, v := range from {
			if strings.HasPrefix(name, "AWS_") {
				env[name] = v
			}
		}
	}
	return env
}

func projectFile(dir string) string {
	for _, name := range []string{"Pulumi.yaml", "Pulumi.yml", "Pulumi.json"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			return name
		}
	}
	return ""
}

func first(values ...secrets.Value) secrets.Value {
	for _, v := range values {
		if !v.IsZero() {
			return v
		}
	}
	return secrets.Value{}
}
