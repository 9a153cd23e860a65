package store

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// programs says which programs git may run because the repository's own config
// names them: fsmonitor, hooks, filters, ssh commands and so on. That file comes with
// a folder that somebody else has prepared; what the user's and the machine's config
// name is theirs.
type programs int

const (
	// allPrograms: as in a shell.
	allPrograms programs = iota
	// remotePrograms: git commands that only read run none but those that lead to the
	// remote, such as the ssh command with a store's own key. core.fsmonitor is off
	// everywhere.
	remotePrograms
	// noPrograms: none at all.
	noPrograms
)

// writing are the git commands of this package that change something. A person has
// asked for that, and the repository's hooks and filters are part of it.
var writing = [...]string{"add", "commit", "rm", "reset", "merge", "rebase", "push", "fetch", "init"}

// withoutPrograms are the options that keep a command which only reads from running
// programs of the repository's config.
func (s *Store) withoutPrograms(ctx context.Context, args []string) []string {
	if s.may == allPrograms || s.filters == nil || slices.Contains(writing[:], subcommand(args)) {
		return nil
	}
	return append([]string{"-c", "core.hooksPath=/dev/null", "-c", "log.showSignature=false"},
		s.filters.off(func() string {
			bare := *s
			bare.filters = nil
			text, _ := bare.gitOut(ctx, "reading git's config", "config", "--includes", "--show-scope", "-z", "--name-only", "--get-regexp", `^filter\.`)
			return text
		})...)
}

// subcommand is the git command among the arguments.
func subcommand(args []string) string {
	for i := 0; i < len(args); i++ {
		if args[i] == "-c" || args[i] == "-C" {
			i++
		} else if !strings.HasPrefix(args[i], "-") {
			return args[i]
		}
	}
	return ""
}

// filters are a repository's own filters. No one option switches them off, so each
// that its config names is emptied.
type filters struct {
	once sync.Once
	opts []string
}

func (f *filters) off(list func() string) []string {
	f.once.Do(func() {
		var names []string
		own := false
		// scope NUL name NUL …
		for i, word := range strings.Split(list(), "\x00") {
			if i%2 == 0 {
				own = word == "local" || word == "worktree"
				continue
			}
			if end := strings.LastIndexByte(word, '.'); own && end > len("filter.") && !slices.Contains(names, word[:end]) {
				names = append(names, word[:end])
			}
		}
		for _, name := range names {
			f.opts = append(f.opts, "-c", name+".clean=", "-c", name+".smudge=", "-c", name+".process=", "-c", name+".required=false")
		}
	})
	return f.opts
}

// Look is the checkout for a look at it: nothing is changed, and no program runs that
// the repository's own config names. What a filter would make of a file is not
// known then; see Filtered.
func (c *Checkout) Look() *Checkout {
	s := *c.s
	s.may, s.filters = noPrograms, &filters{}
	return &Checkout{&s}
}

// Filtered reports whether the repository has a filter of its own for the file.
func (c *Checkout) Filtered(ctx context.Context, path string) bool {
	text, err := c.s.gitOut(ctx, "looking at the attributes", "check-attr", "-z", "filter", "--", path)
	f := strings.Split(text, "\x00") // path, attribute, value
	if err != nil || len(f) < 3 || c.s.filters == nil {
		return false
	}
	return slices.Contains(c.s.withoutPrograms(ctx, []string{"check-attr"}), "filter."+f[2]+".clean=")
}

// sshCommand is the config's, of the user and the machine alone where that of the
// repository may name none.
func (s *Store) sshCommand(ctx context.Context) string {
	if s.may != noPrograms {
		return s.config(ctx, "core.sshCommand")
	}
	command := ""
	for _, scope := range []string{"--system", "--global"} {
		if set := s.config(ctx, "--includes", scope, "core.sshCommand"); set != "" {
			command = set
		}
	}
	return command
}

// heads asks the remote for its branches.
func (s *Store) heads(ctx context.Context, op, remote string) (outcome, error) {
	if s.may != noPrograms {
		return s.remoteGit(ctx, op, "ls-remote", "--heads", "--", remote)
	}
	// Outside of the repository: its config may name a helper for credentials, a
	// program at the other end and a way of its own to the address.
	address, err := s.gitOut(ctx, op, "remote", "get-url", "--", remote)
	if err != nil {
		return outcome{}, err
	}
	return s.remoteGit(ctx, op, "--git-dir=/dev/null", "ls-remote", "--heads", "--", strings.TrimSpace(address))
}
