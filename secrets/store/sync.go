package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Sync is how the store stands to its remote.
type Sync struct {
	// Git: the store is a git repository.
	Git bool
	// Remote is the name of the branch's remote, or of the only one; empty: none.
	Remote string
	// Branch is the current branch; empty: HEAD is detached.
	Branch string
	// Upstream is the branch that Branch follows (origin/main); empty: none.
	Upstream string
	// Head is HEAD's commit id; empty: no commit yet.
	Head string
	// Ahead and Behind count commits that only this store, or only the remote,
	// has. Without an upstream, Ahead counts those on no branch of the remote.
	Ahead, Behind int
	// Dirty lists files that are changed and not committed, or unknown to git.
	Dirty []string
	// InProgress names an unfinished merge, rebase and so on.
	InProgress string
	// Tip is the commit that the branch which Branch follows has at the remote, as
	// Compare was told; empty where nothing was asked or there is none.
	Tip string
	// Fetched: the numbers are as fresh as this call.
	Fetched bool
}

// Ready is nil if the store may be used as the truth and written to: nothing
// uncommitted or unfinished, on a branch, not behind. A store without git is.
func (y Sync) Ready() error {
	const op = "checking the store"
	switch {
	case !y.Git:
		return nil
	case y.InProgress != "":
		return &Error{Kind: Git, Op: op, Detail: "a " + y.InProgress + " is unfinished in the store", Next: "pass git status"}
	case y.Branch == "":
		return &Error{Kind: Git, Op: op, Detail: "HEAD is detached", Next: "pass git switch main"}
	case len(y.Dirty) > 0:
		return &Error{Kind: Dirty, Op: op, Detail: strings.Join(y.Dirty[:min(len(y.Dirty), maxNear)], ", "), Next: "pass git status"}
	case y.Behind > 0:
		return &Error{Kind: Behind, Op: op, Next: "pass git pull --rebase",
			Detail: "the remote has " + strconv.Itoa(y.Behind) + " commit(s) that this store lacks"}
	}
	return nil
}

// Pushed is nil if the remote has every commit of the store; also where there
// is no git or no remote.
func (y Sync) Pushed() error {
	const op = "checking the store"
	switch {
	case !y.Git || y.Remote == "" || y.Head == "":
		return nil
	case y.Upstream == "":
		return &Error{Kind: Unpushed, Op: op, Detail: "the branch follows none of the remote's",
			Next: "pass git push --set-upstream " + y.Remote + " HEAD"}
	case y.Ahead > 0:
		return &Error{Kind: Unpushed, Op: op, Next: "pass git push",
			Detail: strconv.Itoa(y.Ahead) + " commit(s) are in this store only"}
	}
	return nil
}

// Sync fetches, within the time limit, and compares. Where the remote cannot be
// reached the error's Kind is Unreachable and the Sync says what was known
// before.
func (s *Store) Sync(ctx context.Context) (Sync, error) {
	y, err := s.status(ctx)
	if err != nil || !y.Git || y.Remote == "" {
		return y, err
	}
	if err := s.fetch(ctx, "fetching the store", y.Remote); err != nil {
		return y, err
	}
	y, err = s.status(ctx)
	y.Fetched = err == nil
	return y, err
}

// status compares with what is known of the remote.
func (s *Store) status(ctx context.Context) (Sync, error) {
	const op = "checking the store"
	r, err := s.repository(ctx, op)
	if err != nil || r == nil {
		return Sync{}, err
	}
	y := Sync{Git: true, Branch: r.branch, Upstream: r.upstream, Head: r.head, Ahead: r.ahead, Behind: r.behind,
		Dirty: r.dirty, InProgress: r.busy}
	if y.Branch != "" {
		y.Remote = s.config(ctx, "branch."+y.Branch+".remote")
	}
	if y.Remote == "" {
		names, err := s.gitOut(ctx, op, "remote")
		if err != nil {
			return y, err
		}
		if all := strings.Fields(names); len(all) == 1 {
			y.Remote = all[0]
		}
	}
	if y.Head != "" && y.Remote != "" && !r.tracked {
		count, err := s.gitOut(ctx, op, "rev-list", "--count", "HEAD", "--not", "--remotes="+y.Remote)
		if err != nil {
			return y, err
		}
		y.Ahead, _ = strconv.Atoi(strings.TrimSpace(count))
	}
	return y, nil
}

// remoteGit is a git command that talks to the remote: no prompt of git or ssh,
// and an end if nobody answers.
func (s *Store) remoteGit(ctx context.Context, op string, args ...string) (outcome, error) {
	ssh := getenv(s.env, "GIT_SSH_COMMAND")
	if ssh == "" {
		ssh = s.sshCommand(ctx)
	}
	if ssh == "" {
		ssh = "ssh"
	}
	quiet := *s
	quiet.env = append(slices.Clone(s.env), "GIT_SSH_COMMAND="+ssh+" -o BatchMode=yes -o ConnectTimeout=10")
	out, err := quiet.runGit(ctx, args...)
	if err == nil && out.code == 0 {
		return out, nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return out, &Error{Kind: Unreachable, Op: op, Next: "pass git fetch", Err: err,
			Detail: "the remote did not answer within " + s.timeout.String()}
	}
	if err == nil && unreachable(out.stderr) {
		return out, &Error{Kind: Unreachable, Op: op, Next: "pass git fetch", Detail: opening(out.stderr)}
	}
	return out, s.gitError(op, "git "+args[0], out, err)
}

// opening is the first line that says something: git and ssh name the cause
// first, and end with general advice over several lines.
func opening(stderr string) string {
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "warning:") && !strings.HasPrefix(line, "hint:") && !strings.HasPrefix(line, "Warning:") {
			return tail(line)
		}
	}
	return tail(stderr)
}

// unreachable also takes in a refused login: the remote is there, not for us.
func unreachable(stderr string) bool {
	for _, text := range []string{"Could not read from remote", "unable to access", "Could not resolve host",
		"does not appear to be a git repository", "could not read Username", "could not read Password",
		"Permission denied", "Authentication failed", "Connection refused", "Connection timed out",
		"unable to connect", "early EOF", "hung up", "not found"} {
		if strings.Contains(stderr, text) {
			return true
		}
	}
	return false
}

func (s *Store) fetch(ctx context.Context, op, remote string) error {
	_, err := s.remoteGit(ctx, op, "fetch", "--quiet", "--", remote)
	return err
}

// Push sends the branch to its upstream and believes only the remote: it asks
// for the branch's commit there. Kinds: Behind (the remote has newer commits),
// Unreachable, Unpushed (no upstream, or refused), Git. Without git or without
// a remote there is nothing to do.
func (s *Store) Push(ctx context.Context) error {
	const op = "pushing the store"
	y, err := s.status(ctx)
	if err != nil || !y.Git || y.Remote == "" || y.Head == "" {
		return err
	}
	if y.Branch == "" || y.InProgress != "" {
		return y.Ready()
	}
	ref := s.config(ctx, "branch."+y.Branch+".merge") // refs/heads/main at the remote
	if y.Upstream == "" || ref == "" {
		return (Sync{Git: true, Remote: y.Remote, Head: y.Head}).Pushed()
	}
	out, err := s.remoteGit(ctx, op, "push", "--porcelain", "--", y.Remote, y.Head+":"+ref)
	if err != nil {
		return pushError(op, out, err)
	}
	return s.atRemote(ctx, op, y, ref)
}

// pushError tells a remote that is ahead from one that refuses.
func pushError(op string, out outcome, err error) error {
	for line := range strings.Lines(string(out.stdout)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if f[0] != "!" || len(f) < 3 {
			continue
		}
		if strings.Contains(f[2], "fetch first") || strings.Contains(f[2], "non-fast-forward") {
			return &Error{Kind: Behind, Op: op, Detail: "the remote has commits that this store lacks", Next: "pass git pull --rebase", Err: err}
		}
		return &Error{Kind: Unpushed, Op: op, Detail: tail(f[2]), Next: "pass git push", Err: err}
	}
	return err
}

// atRemote proves that the remote's branch has the commit: it is there, or an
// ancestor of what somebody pushed on top a moment later.
func (s *Store) atRemote(ctx context.Context, op string, y Sync, ref string) error {
	out, err := s.remoteGit(ctx, op, "ls-remote", "--", y.Remote, ref)
	if err != nil {
		return err
	}
	there, _, _ := strings.Cut(string(out.stdout), "\t")
	if there == y.Head {
		return nil
	}
	if err := s.fetch(ctx, op, y.Remote); err != nil {
		return err
	}
	if out, err := s.runGit(ctx, "merge-base", "--is-ancestor", y.Head, y.Upstream); there != "" && err == nil && out.code == 0 {
		return nil
	}
	return &Error{Kind: Unpushed, Op: op, Detail: "git reported success, but the remote does not have the commit", Next: "pass git push"}
}

// Pull takes in the remote's commits: fast-forward, else the own commits are
// replayed on top. It changes nothing where files are uncommitted (Dirty) or
// the replay conflicts (Conflict: the rebase is aborted).
func (s *Store) Pull(ctx context.Context) error {
	const op = "pulling the store"
	y, err := s.Sync(ctx)
	if err != nil || y.Behind == 0 {
		return err
	}
	unlock, err := s.lock(ctx, op)
	if err != nil {
		return err
	}
	defer unlock()
	y.Behind = 0
	if err := y.Ready(); err != nil {
		return err
	}
	if y.Ahead == 0 {
		_, err := s.gitOut(ctx, op, "merge", "--quiet", "--ff-only", y.Upstream)
		return err
	}
	out, err := s.runGit(ctx, "rebase", "--quiet", "--no-autostash", y.Upstream)
	if err == nil && out.code == 0 {
		return nil
	}
	return s.abortRebase(context.WithoutCancel(ctx), op, y, out, err)
}

// abortRebase goes back to where the pull began and says so.
func (s *Store) abortRebase(ctx context.Context, op string, before Sync, out outcome, err error) error {
	why := s.gitError(op, "git rebase", out, err).(*Error)
	if strings.Contains(string(out.stdout)+out.stderr, "CONFLICT") {
		why.Kind, why.Detail = Conflict, "this store and the remote changed the same entry; the pull was undone"
	}
	why.Next = "pass git pull --rebase"
	now, err := s.repository(ctx, op)
	if err == nil && now.busy != "" {
		_, _ = s.runGit(ctx, "rebase", "--abort")
		now, err = s.repository(ctx, op)
	}
	if err != nil || now.head != before.Head || now.busy != "" || now.branch != before.Branch {
		why.Detail += "; the store is not as it was before"
		why.Next = "pass git status"
	}
	return why
}
