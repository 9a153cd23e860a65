package sandbox_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	truth "github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// other starts another process on a world's folder.
func other(t *testing.T, role, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// A maker killed at any point leaves nothing that the next one trips over.
func TestKilledWhileMakingIsMadeAnew(t *testing.T) {
	dir := folder(t)
	for _, point := range []string{"store/.gpg-id", "state/.pulumi/locks/organization/infra/prod"} {
		cmd, _ := other(t, "open", dir)
		require.Eventually(t, func() bool {
			_, err := os.Stat(filepath.Join(dir, point))
			return err == nil
		}, patience, tick, point)
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait()
		require.NoFileExists(t, filepath.Join(dir, "sandbox.json"))
	}
	s := open(t, dir)
	require.NoFileExists(t, filepath.Join(dir, "making"))
	secret, _ := s.Catalog(catalog(t)).Secret("stripe")
	require.NoError(t, asks(t, s, secret.Consumers[0].Probe, "stripe", held(t, s, secret)))
	require.NoError(t, s.World().Read(func(state *truth.State) { require.Len(t, state.Containers, 1) }))
}

func TestTwoAtOnceMakeOneWorld(t *testing.T) {
	dir, found := folder(t), cli(t)
	opened := make([]*sandbox.Sandbox, 2)
	made := make([]int, 2)
	var work errgroup.Group
	for i := range opened {
		work.Go(func() (err error) {
			opened[i], err = sandbox.Open(context.Background(), sandbox.Options{Dir: dir, CLI: found, Progress: func(string) { made[i]++ }})
			return err
		})
	}
	require.NoError(t, work.Wait())
	require.True(t, (made[0] == 0) != (made[1] == 0), "one made it, one waited")
	require.NotEqual(t, opened[0].Providers(), opened[1].Providers(), "each serves on ports of its own")
	require.ErrorIs(t, sandbox.Reset(t.Context(), dir), sandbox.ErrInUse)
	for _, s := range opened {
		require.NoError(t, s.Close())
	}
	ports := func() (out map[string]int) {
		s := open(t, dir)
		require.NoError(t, s.World().Read(func(state *truth.State) { out = state.Ports }))
		require.Equal(t, out["scaleway-provider"], s.Providers()["scaleway"], "kept from one time to the next")
		require.NoError(t, s.Close())
		return out
	}
	require.Equal(t, ports(), ports())
	require.NoError(t, sandbox.Reset(t.Context(), dir))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "only the lock is left")
}

func TestAnotherProcessServesTheSameTruth(t *testing.T) {
	s := world(t)
	cmd, lines := other(t, "serve", s.Dir())
	for lines.Scan() && lines.Text() != "ready" {
	}
	require.Equal(t, "ready", lines.Text())
	env := filepath.Join(s.Dir(), "env")
	raw, err := os.ReadFile(env)
	require.NoError(t, err)
	own, err := s.EnvText()
	require.NoError(t, err)
	require.NotEqual(t, exported(t, own, "STRIPE_API_BASE"), exported(t, string(raw), "STRIPE_API_BASE"))
	shell(t, env, `curl -sf -X PUT "$CLOUDFLARE_API_BASE_URL/accounts/${ACCOUNT_ID}/workers/scripts/verifieddit-badges/secrets" \
		-H "Authorization: Bearer ${CF_TOKEN}" -H "Content-Type: application/json" --data '{"name":"FROM_ANOTHER","text":"x","type":"secret_text"}'`)
	require.NoError(t, s.World().Read(func(state *truth.State) {
		require.Equal(t, "x", state.Workers[truth.WorkerName].Latest().Secrets["FROM_ANOTHER"])
	}))
	log, err := s.Requests()
	require.NoError(t, err)
	require.Contains(t, string(log), `"method":"PUT","path":"/client/v4/accounts/`)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
}

func TestAFolderOfSomebodyElseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thesis.txt")
	require.NoError(t, os.WriteFile(file, []byte("years of work"), 0o600))
	_, err := sandbox.Open(t.Context(), sandbox.Options{Dir: dir, CLI: cli(t)})
	require.ErrorIs(t, err, sandbox.ErrForeign)
	require.ErrorContains(t, err, "thesis.txt")
	require.ErrorIs(t, sandbox.Reset(t.Context(), dir), sandbox.ErrForeign)
	require.FileExists(t, file)
}

func TestResetOfNothing(t *testing.T) {
	require.NoError(t, sandbox.Reset(t.Context(), filepath.Join(t.TempDir(), "never")))
}

func TestMakingWithoutACLISaysSo(t *testing.T) {
	_, err := sandbox.Open(t.Context(), sandbox.Options{Dir: filepath.Join(t.TempDir(), "world")})
	require.ErrorContains(t, err, "no Pulumi CLI")
}

// A deep folder with spaces and a quote: sockets have short names, shells split.
func TestAwkwardFolder(t *testing.T) {
	dir := filepath.Join(folder(t), "it's a "+strings.Repeat("deep/", 20)+"world")
	s := open(t, dir)
	require.Contains(t, shell(t, served(t, s), `pass show verifieddit/stripe/secret-key`), "sk_live_")
	t.Cleanup(func() { _ = sandbox.Reset(context.Background(), dir) })
}

func TestDamagedWorldIsRefusedAndCanBeReset(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sandbox.json"), []byte("{\"sandbox\":1}\n"), 0o600))
	_, err := sandbox.Open(t.Context(), sandbox.Options{Dir: dir, CLI: cli(t)})
	require.ErrorIs(t, err, sandbox.ErrDamaged)
	require.NoError(t, sandbox.Reset(t.Context(), dir))
	require.NoFileExists(t, filepath.Join(dir, "sandbox.json"))
}
