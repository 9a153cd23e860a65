package drift

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// clone is a project in a checkout with a bare remote, and a colleague's clone.
type clone struct {
	t                         *testing.T
	home, dir, theirs, remote string
	stack                     secrets.Stack
}

func newClone(t *testing.T) *clone {
	home, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	c := &clone{t: t, home: home, dir: filepath.Join(home, "work"), theirs: filepath.Join(home, "theirs"), remote: filepath.Join(home, "remote.git"),
		stack: secrets.Stack{Name: "shop", Dir: "infra", Stack: "prod"}}
	c.write(c.dir, "infra/Pulumi.prod.yaml", "old\n")
	c.git(home, "init", "--quiet", "--bare", "--initial-branch=main", c.remote)
	c.git(c.dir, "init", "--quiet", "--initial-branch=main")
	// A relative address starts from the checkout.
	c.git(c.dir, "remote", "add", "origin", "../remote.git")
	c.commit(c.dir, "begin")
	c.git(c.dir, "push", "--quiet", "--set-upstream", "origin", "main")
	c.git(home, "clone", "--quiet", c.remote, c.theirs)
	return c
}

func (c *clone) write(dir, path, text string) {
	c.t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(path))
	require.NoError(c.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(c.t, os.WriteFile(file, []byte(text), 0o600))
}

func (c *clone) environ() []string {
	return []string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH"), "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.invalid", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.invalid"}
}

func (c *clone) git(dir string, args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = c.environ()
	out, err := cmd.CombinedOutput()
	require.NoError(c.t, err, "git %v: %s", args, out)
	return strings.TrimSpace(string(out))
}

func (c *clone) commit(dir, message string) {
	c.t.Helper()
	c.git(dir, "add", "--all")
	c.git(dir, "commit", "--quiet", "--message", message)
}

// looked is what one look at the files finds, and that it wrote nothing.
func (c *clone) looked() (codes []string, out *sheet) {
	c.t.Helper()
	before := c.bytes()
	s := company(c.t)
	s.Catalog.Stacks, s.stacks = []secrets.Stack{c.stack}, []string{"shop"}
	s.Folders = Folders{Root: c.dir, Project: c.dir, Environ: c.environ()}
	out = &sheet{next: func(error) string { return "" }}
	s.files(c.t.Context(), out)
	require.Equal(c.t, before, c.bytes(), "a look changed the checkout")
	for _, f := range out.findings {
		require.Equal(c.t, filepath.Join(c.dir, "infra", "Pulumi.prod.yaml"), f.Subject)
		codes = append(codes, string(f.Code))
	}
	return codes, out
}

// bytes is all that the checkout is made of.
func (c *clone) bytes() map[string]string {
	out := map[string]string{}
	require.NoError(c.t, filepath.Walk(c.dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		out[path] = string(raw)
		return err
	}))
	return out
}

// A config file that others would not get as it stands is a finding that counts: an
// up from their checkout would roll out what they have instead.
func TestAConfigThatOthersDoNotHaveIsAFinding(t *testing.T) {
	c := newClone(t)
	codes, out := c.looked()
	require.Empty(t, codes)
	require.Empty(t, out.gaps)

	c.write(c.dir, "infra/Pulumi.prod.yaml", "new\n")
	codes, out = c.looked()
	require.Equal(t, []string{"config-uncommitted"}, codes)
	require.False(t, out.findings[0].Counts())

	c.commit(c.dir, "rotate")
	codes, out = c.looked()
	require.Equal(t, []string{"unpushed"}, codes)
	require.True(t, out.findings[0].Counts())
	require.Equal(t, "shop", out.findings[0].stack)
	c.git(c.dir, strings.Fields(out.findings[0].Fix)[3:]...)
	codes, _ = c.looked()
	require.Empty(t, codes, "the command that is printed mends it")

	// A colleague's commit of something else is none of drift's.
	c.git(c.theirs, "pull", "--quiet")
	c.write(c.theirs, "README", "a shop\n")
	c.commit(c.theirs, "read me")
	c.git(c.theirs, "push", "--quiet")
	codes, _ = c.looked()
	require.Empty(t, codes)
}

// The remote's branch gets the old ciphertexts back: nothing of that is fetched yet.
func TestAConfigThatTheRemoteHasReplacedIsAFinding(t *testing.T) {
	c := newClone(t)
	c.write(c.dir, "infra/Pulumi.prod.yaml", "new\n")
	c.commit(c.dir, "rotate")
	c.git(c.dir, "push", "--quiet")
	before := c.git(c.theirs, "rev-parse", "HEAD")
	c.git(c.theirs, "pull", "--quiet")
	c.git(c.theirs, "revert", "--no-edit", "HEAD")
	c.git(c.theirs, "push", "--quiet")
	codes, out := c.looked()
	require.Equal(t, []string{"behind"}, codes)
	require.True(t, out.findings[0].Counts())
	for step := range strings.SplitSeq(out.findings[0].Fix, " && ") {
		cmd := exec.Command("sh", "-c", step)
		cmd.Env = c.environ()
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, string(text))
		if strings.Contains(step, " log ") {
			require.Contains(t, string(text), "+old", "the command shows what the remote has")
		}
	}
	codes, _ = c.looked()
	require.Equal(t, []string{"behind"}, codes, "fetched, it is the same")

	// Put back by force, history and all.
	c.git(c.theirs, "push", "--quiet", "--force", "origin", before+":main")
	codes, _ = c.looked()
	require.Equal(t, []string{"unpushed"}, codes)
}

// What the remote does not tell is not checked, and never fine.
func TestARemoteThatDoesNotAnswerIsAGap(t *testing.T) {
	c := newClone(t)
	c.write(c.dir, "infra/Pulumi.prod.yaml", "new\n")
	require.NoError(t, os.RemoveAll(c.remote))
	codes, out := c.looked()
	require.Equal(t, []string{"config-uncommitted"}, codes, "what can be told without it")
	require.Len(t, out.gaps, 1)
	require.Equal(t, "stack/shop/remote", out.gaps[0].Subject)
}

// In no checkout, in one without a remote, and where git is told to ignore the
// file, nobody else deploys from what git has.
func TestAConfigThatIsNotInGitIsNobodyElses(t *testing.T) {
	c := newClone(t)
	c.git(c.dir, "remote", "remove", "origin")
	c.write(c.dir, "infra/Pulumi.prod.yaml", "new\n")
	c.commit(c.dir, "rotate")
	codes, out := c.looked()
	require.Empty(t, codes)
	require.Empty(t, out.gaps)
	require.NoError(t, os.RemoveAll(filepath.Join(c.dir, ".git")))
	codes, out = c.looked()
	require.Empty(t, codes)
	require.Empty(t, out.gaps)
}

// On no branch, a commit that some branch of the remote has is everybody's.
func TestADetachedHeadIsComparedWithAllBranches(t *testing.T) {
	c := newClone(t)
	c.git(c.dir, "switch", "--quiet", "--detach")
	codes, _ := c.looked()
	require.Empty(t, codes)
	c.write(c.dir, "infra/Pulumi.prod.yaml", "new\n")
	c.commit(c.dir, "rotate")
	codes, _ = c.looked()
	require.Equal(t, []string{"unpushed"}, codes)
}
