package drift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Folders says where the config files of stacks are.
type Folders struct {
	// Root is what the dirs of existing projects are relative to, Project the
	// folder of the declared stacks.
	Root, Project string
	// Environ is git's environment.
	Environ []string
}

// files looks for config files of stacks that git has not seen as they stand.
func (s *scene) files(ctx context.Context, out *sheet) {
	for _, name := range s.stacks {
		stack, _ := s.Catalog.Stack(name)
		loose, err := s.Folders.Uncommitted(ctx, stack)
		if err != nil {
			out.gap("stack/"+name, err, "git status")
		}
		for _, f := range loose {
			out.find(f)
		}
	}
}

// Uncommitted are the stack's config files that are not committed as they stand:
// an up from another checkout would bring old values back. A folder that lies in
// no checkout has none.
func (at Folders) Uncommitted(ctx context.Context, stack secrets.Stack) ([]Finding, error) {
	dir, file := at.Project, "Pulumi."+stack.Name+".yaml"
	if !stack.Declared {
		dir, file = filepath.Join(at.Root, stack.Dir), "Pulumi.*.yaml"
		if stack.Stack != "" && stack.Stack != "*" {
			file = "Pulumi." + filepath.Base(stack.Stack) + ".yaml"
		}
	}
	cmd := exec.CommandContext(ctx, "git", "-C", dir, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--", file)
	cmd.Env = append(slices.Clone(at.Environ), "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	text, err := cmd.Output()
	if outside := strings.Contains(complaint.String(), "not a git repository"); err != nil && (outside || errors.Is(err, exec.ErrNotFound)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("asking git about %s: %w", filepath.Join(dir, file), err)
	}
	var out []Finding
	for record := range strings.SplitSeq(string(text), "\x00") {
		if len(record) < 4 {
			continue
		}
		// Paths are relative to the checkout, file names are the project's own.
		f := uncommitted(dir, filepath.Base(record[3:]), !strings.HasPrefix(record, "??"))
		f.stack = stack.Name
		out = append(out, f)
	}
	return out, nil
}

func uncommitted(dir, name string, added bool) Finding {
	in := "git -C " + quoted(dir)
	fix := in + " commit -m 'Rotate secrets' " + quoted(name) + " && " + in + " push"
	if !added {
		fix = in + " add " + quoted(name) + " && " + fix
	}
	return Finding{Code: ConfigUncommitted, Subject: filepath.Join(dir, name), Severity: Info, Fix: fix,
		Detail: "is not committed as it stands: an up from another checkout would bring old values back"}
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
