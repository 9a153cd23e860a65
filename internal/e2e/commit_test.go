//go:build slow

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

const stripeConfig = "services/stripe-backend/infra/Pulumi.prod.yaml"

// git runs in the company's projects.
func (c *company) git(args ...string) string {
	c.t.Helper()
	r := c.exec("", "git", append([]string{"-C", filepath.Join(c.dir, "projects")}, args...)...)
	require.Zero(c.t, r.code, "git %v: %s", args, r.stderr)
	return strings.TrimSpace(r.stdout)
}

// An old value stays alive until the changed config is committed and pushed: an
// up from another checkout would bring it back.
func TestLongOldValueWaitsForTheCommit(t *testing.T) {
	t.Parallel()
	c := newCompany(t)
	c.flags = slices.DeleteFunc(c.flags, func(flag string) bool { return flag == "--commit" })
	old := c.pass(clerkKey)
	made, err := c.world.Issue(world.Order{Service: "clerk", Entries: []string{"secret-key"}})
	require.NoError(t, err)
	c.insert(clerkKey, made[0].Value)
	c.passCommand("", "git", "push", "--quiet")
	before, remote := c.git("rev-parse", "HEAD"), filepath.Join(c.dir, "projects.git")

	r := c.rotate("clerk")
	require.Equal(t, 6, r.code, tail(r.stderr, 30))
	require.Contains(t, r.stderr, "the config of")
	require.Contains(t, r.stderr, "stripe-backend")
	require.Contains(t, r.stderr, "git -C "+filepath.Join(c.dir, "projects")+" commit -m 'Rotate clerk (rotation ")
	require.Contains(t, r.stderr, " --secret clerk --grace 0 --commit")
	require.NotContains(t, r.stderr, "somebody has to retire", "nobody is asked to kill a value that may come back")
	require.True(t, credential(t, c.truth(), old).Alive, "the old key died without a commit")
	require.Equal(t, before, c.git("-C", remote, "rev-parse", "main"), "nothing is committed unasked")

	// Somebody is in the middle of something else, which stays his.
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "projects", "thought"), []byte("half\n"), 0o600))
	c.git("add", "thought")
	c.flags = append(c.flags, "--commit")
	r = c.rotate("clerk")
	require.Equal(t, 6, r.code, tail(r.stderr, 30))
	require.Contains(t, r.stderr, "somebody has to retire the old")
	require.Equal(t, "A  thought", c.exec("", "git", "-C", filepath.Join(c.dir, "projects"), "status", "--porcelain", "thought").stdout[:10])
	c.committed(before, remote, old)

	require.NoError(t, c.world.Update(func(s *world.State) error {
		for _, cred := range s.Credentials {
			if cred.Value == old {
				s.Revoke(cred.ID)
			}
		}
		return nil
	}))
	r = c.rotate("clerk")
	require.Zero(t, r.code, tail(r.stderr, 30))
	c.swapped("clerk", clerkKey, old)
	c.noChangeInAClone(remote)
}

// committed: the remote has one commit more, of the stacks' config files alone,
// and no value in it that could be read.
func (c *company) committed(before, remote, old string) {
	c.t.Helper()
	require.Regexp(c.t, `^Rotate clerk \(rotation .+\)$`, c.git("-C", remote, "log", "--format=%s", before+"..main"))
	require.Equal(c.t, []string{"secret-rotation/Pulumi.verifieddit-badges.yaml", stripeConfig},
		strings.Fields(c.git("-C", remote, "diff", "--name-only", before, "main")))
	patch := c.git("-C", remote, "show", "main")
	require.NotContains(c.t, patch, old)
	require.NotContains(c.t, patch, c.pass(clerkKey))
	ciphertexts := 0
	for line := range strings.Lines(c.git("-C", remote, "diff", "--unified=0", before, "main", "--", stripeConfig)) {
		if strings.HasPrefix(line, "+ ") {
			require.Contains(c.t, line, "secure: v1:")
			ciphertexts++
		}
	}
	require.Equal(c.t, 1, ciphertexts)
}

// noChangeInAClone: whoever clones the project and runs the plain CLI has what
// was rolled out.
func (c *company) noChangeInAClone(remote string) {
	c.t.Helper()
	clone := filepath.Join(c.root, "clone")
	c.git("clone", "--quiet", remote, clone)
	shell := c.with("PULUMI_BACKEND_URL=file://"+filepath.Join(c.dir, "state"), "PULUMI_HOME="+filepath.Join(c.dir, "pulumi-home"),
		"PATH="+filepath.Dir(shared.cli.Path)+":"+shared.cli.LanguageDir+":"+os.Getenv("PATH"))
	r := shell.exec("", shared.cli.Path, "preview", "--stack", "prod", "--expect-no-changes", "--non-interactive", "--cwd", filepath.Join(clone, filepath.Dir(stripeConfig)))
	require.Zero(c.t, r.code, "%s%s", r.stdout, r.stderr)
}
