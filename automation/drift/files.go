package drift

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Folders says where the config files of stacks are.
type Folders struct {
	// Root is what the dirs of existing projects are relative to, Project the
	// folder of the declared stacks.
	Root, Project string
	// Environ is git's environment.
	Environ []string
}

// files looks for config files of stacks that others would not get as they stand:
// an up from another checkout brings back what those hold.
func (s *scene) files(ctx context.Context, out *sheet) {
	for _, name := range s.stacks {
		stack, _ := s.Catalog.Stack(name)
		found, err := s.Folders.states(ctx, stack, rollout.Asked)
		if err != nil {
			out.gap("stack/"+name, err, "git status")
		}
		var unasked error
		for _, f := range found {
			unasked = cmp.Or(unasked, f.Err)
			for _, wrong := range notShared(f) {
				out.find(wrong)
			}
		}
		if unasked != nil {
			out.gap("stack/"+name+"/remote", fmt.Errorf("whether its config is pushed is not known: %w", unasked), found[0].Command("fetch"))
		}
	}
}

// Uncommitted are the stack's config files that are not committed as they stand:
// an up from another checkout would bring old values back. A folder that lies in
// no checkout has none. No remote is asked.
func (at Folders) Uncommitted(ctx context.Context, stack secrets.Stack) (out []Finding, err error) {
	found, err := at.states(ctx, stack, rollout.NotAsked)
	for _, f := range found {
		out = append(out, notShared(f)...)
	}
	return out, err
}

// states are what others get of the stack's config files.
func (at Folders) states(ctx context.Context, stack secrets.Stack, remote rollout.Remote) ([]rollout.FileState, error) {
	dir, pattern := at.Project, "Pulumi."+stack.Name+".yaml"
	if !stack.Declared {
		dir, pattern = filepath.Join(at.Root, stack.Dir), "Pulumi.*.yaml"
		if stack.Stack != "" && stack.Stack != "*" {
			pattern = "Pulumi." + filepath.Base(stack.Stack) + ".yaml"
		}
	}
	// Glob would take the folder for a pattern, too.
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil // the layer config says that there is no such folder
	}
	var files []rollout.ConfigFile
	for _, e := range entries {
		if hit, _ := filepath.Match(pattern, e.Name()); hit && !e.IsDir() {
			files = append(files, rollout.ConfigFile{Stack: stack.Name, Path: filepath.Join(dir, e.Name())})
		}
	}
	found, err := rollout.Compare(ctx, files, at.Environ, remote)
	if git := (*rollout.GitError)(nil); errors.As(err, &git) && git.Kind == store.NotFound {
		return nil, nil // then it is nobody's checkout
	}
	return found, err
}

// notShared is what is wrong with what others get of a file: that it is not
// committed, and that the branch which they deploy from has another content.
func notShared(f rollout.FileState) (out []Finding) {
	finding := func(code Code, severity Severity, detail, fix string) {
		out = append(out, Finding{Code: code, Subject: f.Path, Severity: severity, stack: f.Stack, Detail: detail, Fix: fix})
	}
	if !f.Committed {
		in, name := "git -C "+quoted(filepath.Dir(f.Path)), quoted(filepath.Base(f.Path))
		fix := in + " commit -m 'Rotate secrets' " + name + " && " + in + " push"
		if f.New {
			fix = in + " add " + name + " && " + fix
		}
		finding(ConfigUncommitted, Info, "is not committed as it stands: an up from another checkout would bring old values back", fix)
	}
	switch f.Upstream {
	case rollout.UpstreamOlder:
		finding(Unpushed, Warning, "is committed and not pushed: an up from another checkout would bring back what the remote's branch has", f.Command("push"))
	case rollout.UpstreamOther:
		finding(Behind, Warning, f.Branch+" has commits that this checkout lacks, and another content of this file: an up from there would roll that out; "+
			"revert what brought old values back, else take it in and push",
			f.Command("fetch")+" && "+f.Command("log", "-p", "HEAD..@{upstream}", "--", f.InCheckout()))
	}
	return out
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if strings.IndexFunc(word, func(r rune) bool {
		return !strings.ContainsRune("/._-+@%:,=", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0 && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
