package cli

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/sanmarcsoft/secret-rotation/internal/schedule"
)

// module is this program's own, which `go install` takes.
const module = "github.com/sanmarcsoft/secret-rotation"

// workflowPlan fills in what the workflow of this folder's repository needs: the
// program, unless it is built from this very repository, and the flags of this
// call as they are on GitHub's machine, which has the repository and nothing else.
func (a *app) workflowPlan(p *schedule.Plan) error {
	if data, err := os.ReadFile(filepath.Join(a.env.Dir, "go.mod")); err != nil || modfile.ModulePath(data) != module {
		p.Install = module + "@" + installable(version())
	}
	if a.opts.pulumi != "" {
		return misused(typed("schedule", "print", "--format", formatGitHub), "--pulumi is a file of this machine; the workflow provides the Pulumi CLI itself")
	}
	if a.opts.catalog != "" {
		file, err := filepath.Rel(a.env.Dir, a.absolute(a.opts.catalog))
		if err != nil || !filepath.IsLocal(file) {
			return misused(typed("schedule", "print", "--format", formatGitHub, "--catalog=FILE"), "the catalog %s is not in this repository, so the workflow would not have it", a.opts.catalog)
		}
		p.Globals = append(p.Globals, "--catalog="+filepath.ToSlash(file))
	}
	if a.opts.root != "" {
		if filepath.IsAbs(a.opts.root) {
			return misused(typed("schedule", "print", "--format", formatGitHub, "--root=.."), "--root is relative to the repository in a workflow; %s is a folder of this machine", a.opts.root)
		}
		p.Globals = append(p.Globals, "--root="+filepath.ToSlash(filepath.Clean(a.opts.root)))
	}
	for _, word := range p.Globals {
		if strings.Contains(word, "${{") {
			return misused(typed("schedule", "print", "--format", formatGitHub, "--catalog=FILE"), "GitHub would take %q for an expression of its own", word)
		}
	}
	if err := p.Check(); err != nil {
		return misused(typed("schedule", "print", "--format", formatGitHub), "%v", err)
	}
	return nil
}

// installable is what `go install MODULE@` takes for a version that the program
// gives as its own: a commit where it has no other, the newest where none is known.
func installable(version string) string {
	version, _, _ = strings.Cut(version, "+")
	switch commit, isCommit := strings.CutPrefix(version, "devel-"); {
	case isCommit:
		return commit
	case version == "devel", version == "unknown", version == "":
		return "latest"
	}
	return version
}
