package rollout

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks"
)

// checkout is a project in a real repository with a bare remote, two stacks'
// config files committed and pushed.
type checkout struct {
	t                  *testing.T
	home, dir, remote  string
	environ            map[string]string
	production, second *Target
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	home := t.TempDir()
	c := &checkout{t: t, home: home, dir: filepath.Join(home, "work"), remote: filepath.Join(home, "remote.git"),
		environ: map[string]string{"HOME": home, "PATH": os.Getenv("PATH"),
			// Both would lead git elsewhere.
			"GIT_DIR": filepath.Join(home, "elsewhere"), "GIT_INDEX_FILE": filepath.Join(home, "elsewhere")}}
	c.write("project/Pulumi.yaml", "name: shop\nruntime: go\n")
	c.write("README", "a shop\n")
	c.production, c.second = c.target("production"), c.target("second")
	c.write(productionFile, salt)
	c.set(c.production, "first-key")
	c.write(secondFile, salt)
	c.set(c.second, "first-key")
	c.git("init", "--quiet", "--bare", "--initial-branch=main", c.remote)
	c.git("init", "--quiet", "--initial-branch=main")
	c.git("config", "user.name", "Ann")
	c.git("config", "user.email", "ann@example.com")
	c.git("add", "--all")
	c.git("commit", "--quiet", "--message=begin")
	c.git("remote", "add", "origin", c.remote)
	c.git("push", "--quiet", "--set-upstream", "origin", "main")
	return c
}

// shared keeps what it costs a second to make: the key of a passphrase and salt.
var shared = sync.OnceValue(func() *engine.Engine {
	cli := &engine.CLI{Path: "pulumi", Version: engine.Version(), Home: "home", LanguageDir: "language"}
	return engine.New(engine.Options{CLI: cli, Backend: "file:///nowhere", Passphrase: value("a passphrase"), RunID: "test"})
})

func value(s string) secrets.Value { return secrets.NewValue([]byte(s)) }

func (c *checkout) target(name string) *Target {
	c.t.Helper()
	spec := engine.StackSpec{Name: name, Dir: filepath.Join(c.dir, "project"), Stack: name, Backend: "file://" + c.home, Program: func(*pulumi.Context) error { return nil }}
	stack, err := shared().Open(c.t.Context(), spec)
	require.NoError(c.t, err)
	return &Target{fleet: &Fleet{Environ: c.environ}, Name: name, Refs: map[string]stacks.Ref{"api-key": {}}, stack: stack, spec: spec}
}

// set is what a deployment does to the file.
func (c *checkout) set(t *Target, key string) {
	c.t.Helper()
	_, err := t.stack.WriteConfig(c.t.Context(), map[string]secrets.Value{"api-key": value(key)})
	require.NoError(c.t, err)
}

func (c *checkout) write(path, text string) {
	c.t.Helper()
	path = filepath.Join(c.dir, path)
	require.NoError(c.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(c.t, os.WriteFile(path, []byte(text), 0o644))
}

func (c *checkout) read(path string) string {
	c.t.Helper()
	raw, err := os.ReadFile(filepath.Join(c.dir, path))
	require.NoError(c.t, err)
	return string(raw)
}

// git is the person's own, in the checkout.
func (c *checkout) git(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", c.dir}, args...)...)
	cmd.Env = []string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	require.NoError(c.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// colleague pushes a commit of his own.
func (c *checkout) colleague() {
	c.t.Helper()
	theirs := filepath.Join(c.home, "theirs")
	c.git("clone", "--quiet", c.remote, theirs)
	require.NoError(c.t, os.WriteFile(filepath.Join(theirs, "README"), []byte("a big shop\n"), 0o644))
	c.git("-C", theirs, "-c", "user.name=Bob", "-c", "user.email=bob@example.com", "commit", "--quiet", "--all", "--message=bigger")
	c.git("-C", theirs, "push", "--quiet")
}

func (c *checkout) look(targets ...*Target) *Repository {
	c.t.Helper()
	all, err := Repositories(c.t.Context(), targets)
	require.NoError(c.t, err)
	require.Len(c.t, all, 1)
	return all[0]
}

// salt of "a passphrase": what the CLI would write into a new file.
const salt = "encryptionsalt: v1:Vq0yoOdej9Y=:v1:sqE2+CQMDfM8UI9t:xpDZjZA7GElI4q+qcGSg710dCyVRCw==\n"

const productionFile, secondFile = "project/Pulumi.production.yaml", "project/Pulumi.second.yaml"

func TestCommitTakesTheFilesAndNothingElse(t *testing.T) {
	c := newCheckout(t)
	require.True(t, c.look(c.production, c.second).Done())
	c.set(c.production, "second-key")
	c.set(c.second, "second-key")
	c.write("staged", "half a thought\n")
	c.git("add", "staged")
	c.write("README", "changed, not staged\n")

	r := c.look(c.production, c.second)
	require.Equal(t, []string{productionFile, secondFile}, r.Uncommitted)
	require.Equal(t, []string{"production", "second"}, r.Stacks)
	require.NoError(t, r.Commit(t.Context(), "Rotate it (rotation r1)"))

	require.Equal(t, "Rotate it (rotation r1)", c.git("log", "-1", "--format=%s", "origin/main"))
	require.Equal(t, "2", c.git("rev-list", "--count", "main"), "one commit for both")
	require.Equal(t, productionFile+"\n"+secondFile, c.git("-C", c.remote, "show", "--format=", "--name-only", "main"))
	require.Equal(t, "staged", c.git("diff", "--cached", "--name-only"), "what was staged stays staged")
	require.Equal(t, "README", c.git("diff", "--name-only"))
	require.Equal(t, c.read(productionFile), c.git("-C", c.remote, "show", "main:"+productionFile)+"\n")
	require.True(t, c.look(c.production, c.second).Done())
}

func TestCommitAddsANewStacksFile(t *testing.T) {
	c := newCheckout(t)
	third := c.target("third")
	all, err := Repositories(t.Context(), []*Target{third})
	require.NoError(t, err)
	require.Empty(t, all, "a stack that was never deployed has nothing to commit")
	c.set(third, "a-key")
	require.NoError(t, c.look(third).Commit(t.Context(), "Rotate it"))
	require.Equal(t, "project/Pulumi.third.yaml", c.git("-C", c.remote, "show", "--format=", "--name-only", "main"))
}

func TestCommittedIsNotPushed(t *testing.T) {
	c := newCheckout(t)
	c.set(c.production, "second-key")
	c.git("commit", "--quiet", "--all", "--message=mine")
	r := c.look(c.production)
	require.Empty(t, r.Uncommitted)
	require.Equal(t, []string{productionFile}, r.Unpushed)
	require.Equal(t, []string{"git -C " + c.dir + " push"}, r.Commands("m"))
	require.NoError(t, r.Commit(t.Context(), "Rotate it"))
	require.Equal(t, "mine", c.git("-C", c.remote, "log", "-1", "--format=%s", "main"))
}

// The branch that ours follows is asked, not what was once known of it.
func TestTheRemoteIsFetched(t *testing.T) {
	c := newCheckout(t)
	c.set(c.production, "second-key")
	c.git("commit", "--quiet", "--all", "--message=mine")
	c.git("push", "--quiet")
	c.git("-C", c.remote, "update-ref", "refs/heads/main", "main~1")
	require.Equal(t, []string{productionFile}, c.look(c.production).Unpushed)
}

func TestCommittedIsEnoughWithoutARemote(t *testing.T) {
	c := newCheckout(t)
	c.git("branch", "--unset-upstream")
	c.set(c.production, "second-key")
	r := c.look(c.production)
	require.Contains(t, r.Alone, "main")
	require.NoError(t, r.Commit(t.Context(), "Rotate it"))
	c.git("remote", "remove", "origin")
	r = c.look(c.production)
	require.True(t, r.Done())
	require.Equal(t, "its repository has no remote", r.Alone)
}

// git overlooks a file that it was told to overlook; a clone still has the old one.
func TestOverlookedFilesAreUncommitted(t *testing.T) {
	c := newCheckout(t)
	c.git("update-index", "--assume-unchanged", productionFile)
	c.set(c.production, "second-key")
	require.Equal(t, []string{productionFile}, c.look(c.production).Uncommitted)
}

func TestWhatIsNotAskedFor(t *testing.T) {
	c := newCheckout(t)
	c.set(c.production, "second-key")
	for _, pattern := range []string{"Pulumi.*.yaml", "/project/"} {
		c.write(".gitignore", pattern+"\n")
		require.NotEmpty(t, c.look(c.production).Uncommitted, "git knows the file: nothing is ignored")
		local := c.target("local")
		c.write("project/Pulumi.local.yaml", c.read(productionFile))
		all, err := Repositories(t.Context(), []*Target{local})
		require.NoError(t, err)
		require.Empty(t, all, "an ignored file")
	}
	require.NoError(t, os.Rename(filepath.Join(c.dir, ".git"), filepath.Join(c.home, "gone")))
	all, err := Repositories(t.Context(), []*Target{c.production})
	require.NoError(t, err)
	require.Empty(t, all, "a folder in no checkout")
}

func TestCommitRefusesWhatAPersonHasToSortOut(t *testing.T) {
	for name, one := range map[string]struct {
		prepare      func(c *checkout)
		detail, next string
	}{
		"detached HEAD": {func(c *checkout) { c.git("checkout", "--quiet", "--detach") }, "detached", " switch "},
		"a merge under way": {func(c *checkout) {
			c.git("branch", "other")
			c.write("x", "x")
			c.git("add", "x")
			c.git("commit", "--quiet", "--message=x", "x")
			c.git("checkout", "--quiet", "other")
			c.write("y", "y")
			c.git("add", "y")
			c.git("commit", "--quiet", "--message=y", "y")
			c.git("merge", "--quiet", "--no-commit", "main")
		}, "a merge is unfinished", " status"},
		"behind":           {(*checkout).colleague, "1 commit(s) that this checkout lacks", " pull --rebase --autostash"},
		"another key":      {func(c *checkout) { c.append(productionFile, "  shop:size: large\n") }, "more is changed", " diff HEAD -- " + productionFile},
		"a comment":        {func(c *checkout) { c.append(productionFile, "# mine\n") }, "more is changed", " diff HEAD -- " + productionFile},
		"a plain value":    {func(c *checkout) { c.write(productionFile, "config:\n  shop:api-key: plain\n") }, "more is changed", " diff HEAD -- " + productionFile},
		"a hook":           {func(c *checkout) { c.hook("pre-commit", "echo no >&2; exit 1") }, "hook pre-commit", " commit -m "},
		"a remote's hook":  {func(c *checkout) { c.remoteHook("pre-receive", "exit 1") }, "pre-receive hook declined", " push"},
		"no remote there":  {func(c *checkout) { require.NoError(c.t, os.RemoveAll(c.remote)) }, "remote unreachable", " fetch"},
		"a hook that adds": {func(c *checkout) { c.hook("pre-commit", "echo '# more' >> "+productionFile) }, "not what stands in " + productionFile, " status"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCheckout(t)
			c.set(c.production, "second-key")
			one.prepare(c)
			before := c.read(productionFile)
			all, err := Repositories(t.Context(), []*Target{c.production})
			if err == nil {
				err = all[0].Commit(t.Context(), "Rotate it")
			}
			var refused *GitError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, err.Error(), one.detail)
			require.Contains(t, strings.Join(refused.Next, "\n"), "git -C "+c.dir+one.next)
			require.NotContains(t, strings.Join(refused.Next, "\n"), "pass git")
			if name != "a hook that adds" {
				require.Equal(t, before, c.read(productionFile), "the file is left as it is")
			}
		})
	}
}

func (c *checkout) append(path, text string) { c.write(path, c.read(path)+text) }

func (c *checkout) hook(name, body string) {
	c.write(".git/hooks/"+name, "#!/bin/sh\n"+body+"\n")
	require.NoError(c.t, os.Chmod(filepath.Join(c.dir, ".git/hooks", name), 0o755))
}

func (c *checkout) remoteHook(name, body string) {
	require.NoError(c.t, os.WriteFile(filepath.Join(c.remote, "hooks", name), []byte("#!/bin/sh\n"+body+"\n"), 0o755))
}

// What was refused is not left staged.
func TestRefusedNewFileIsNoMoreAddedThanBefore(t *testing.T) {
	c := newCheckout(t)
	third := c.target("third")
	c.set(third, "a-key")
	c.hook("commit-msg", "exit 1")
	require.ErrorContains(t, c.look(third).Commit(t.Context(), "Rotate it"), "hook commit-msg")
	require.Empty(t, c.git("diff", "--cached", "--name-only"))
	require.FileExists(t, filepath.Join(c.dir, "project/Pulumi.third.yaml"))
}
