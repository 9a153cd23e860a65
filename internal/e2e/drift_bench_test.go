//go:build slow

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
)

// BenchmarkDrift is the check of the sandbox's three stacks beside what three
// `pulumi preview --refresh` of the plain CLI take that run side by side, on the
// same machine and world, turn by turn. The declared stack has no program that
// the plain CLI could run: infra, which is as small, stands in for it.
//
//	go test -tags slow ./internal/e2e -run '^$' -bench Drift -benchtime 5x
func BenchmarkDrift(b *testing.B) {
	root, err := shortDir()
	require.NoError(b, err)
	b.Cleanup(func() {
		endAgents(root)
		require.NoError(b, os.RemoveAll(root))
	})
	template, err := shared.template()
	require.NoError(b, err)
	dir := filepath.Join(root, "w")
	require.NoError(b, copyWorld(template, dir))
	program := func(args ...string) {
		cmd := exec.Command(shared.binary, append(args, "--sandbox="+dir)...)
		cmd.Dir, cmd.Env = root, shared.environ(root, root)
		out, err := cmd.CombinedOutput()
		require.NoError(b, err, "%v: %s", args, tail(string(out), 20))
	}
	program("rotate", "--all", "--yes")

	s, err := sandbox.Open(b.Context(), sandbox.Options{Dir: dir, CLI: shared.cli})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	env := exports(b, s, root)
	preview := func(folder string) error {
		cmd := exec.Command(shared.cli.Path, "preview", "--refresh", "--non-interactive")
		cmd.Dir, cmd.Env = filepath.Join(s.Root(), folder), env
		return cmd.Run()
	}

	var ours, plain time.Duration
	for b.Loop() {
		began := time.Now()
		program("drift")
		ours += time.Since(began)
		began = time.Now()
		var all errgroup.Group
		for _, folder := range []string{"infra", "infra", "services/stripe-backend/infra"} {
			all.Go(func() error { return preview(folder) })
		}
		require.NoError(b, all.Wait())
		plain += time.Since(began)
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/drift")
	b.ReportMetric(plain.Seconds()/float64(b.N), "s/3-previews")
	b.ReportMetric(ours.Seconds()/plain.Seconds(), "times")
}

// exports is the environment of a shell that has the world's.
func exports(b *testing.B, s *sandbox.Sandbox, home string) []string {
	b.Helper()
	text, err := s.EnvText()
	require.NoError(b, err)
	cmd := exec.Command("bash", "-c", text+"\nenv -0")
	cmd.Env = shared.environ(home, home)
	out, err := cmd.Output()
	require.NoError(b, err)
	var env []string
	for _, v := range bytes.Split(bytes.TrimRight(out, "\x00"), []byte{0}) {
		if !strings.HasPrefix(string(v), "_=") {
			env = append(env, string(v))
		}
	}
	return env
}
