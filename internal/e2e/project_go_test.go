//go:build slow

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goHost is a folder with a host of Go programs: Pulumi's own where this machine
// has it, else the tests' stand-in.
func goHost(t *testing.T) string {
	t.Helper()
	if found, err := exec.LookPath("pulumi-language-go"); err == nil {
		return filepath.Dir(found)
	}
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "pulumi-language-go"), "./testdata/gohost").CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// TestProjectInGo: the example in Go, which knows nothing of this program, is
// rolled like the others once there is a host for it; without one that is said
// before anything is issued.
func TestProjectInGo(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(w.dir, "projects", "reports")
	require.NoError(t, os.CopyFS(dir, os.DirFS("../../examples/reports")))
	catalog := filepath.Join(w.root, "catalog.yaml")
	w.edited("../../secrets/catalog.yaml", catalog, "stacks:\n", "stacks:\n  - {name: reports, dir: reports, env: [GOMODCACHE, GOCACHE, GOPROXY, GOFLAGS]}\n")
	for _, first := range []string{"      - name: verifieddit-badges\n        kind: worker\n        stack: verifieddit-badges\n        worker: verifieddit-badges\n        values: {CLERK_SECRET_KEY",
		"      - name: stripe-backend\n        kind: config\n        stack: stripe-backend\n        values: {stripe-secret-key"} {
		key := "clerk-secret-key"
		if strings.Contains(first, "stripe") {
			key = "stripe-secret-key"
		}
		w.edited(catalog, catalog, first, "      - {name: reports, kind: config, stack: reports, values: {"+key+": secret-key}, reads: each-run, probe: {kind: configured, by: config}}\n"+first)
	}
	for _, name := range []string{"GOMODCACHE", "GOCACHE", "GOPROXY"} {
		out, err := exec.Command("go", "env", name).Output()
		require.NoError(t, err)
		w.env = append(w.env, name+"="+strings.TrimSpace(string(out)))
	}
	w.pulumi("", "reports", "stack", "init", "prod")
	w.pulumi("", "reports", "config", "set-all", "--stack", "prod", "--secret", "clerk-secret-key="+w.pass(clerkKey), "--secret", "stripe-secret-key="+w.pass(stripeKey))

	without := w.with("PATH=" + w.without("pulumi-language-go"))
	without.refused(refusal{1, []string{"reports", "written in go", "pulumi-language-go is not installed"}, "connect to the network"},
		"", "rotate", "--secret", "clerk", "--secret", "stripe", "--yes", "--catalog", catalog)

	w = w.with("PATH=" + goHost(t) + ":" + os.Getenv("PATH"))
	w.pulumi("", "reports", "up", "--yes", "--stack", "prod")
	key, payments := w.pass(clerkKey), w.pass(stripeKey)
	w.must("rotate", "--secret", "clerk", "--secret", "stripe", "--yes", "--catalog", catalog)
	fresh := w.swapped("clerk", clerkKey, key)
	require.Equal(t, "reports:"+fresh+"\n", w.pulumi("", "reports", "stack", "output", "login", "--show-secrets", "--stack", "prod").stdout)
	require.Equal(t, w.swapped("stripe", stripeKey, payments)+"\n", w.pulumi("", "reports", "stack", "output", "payments", "--show-secrets", "--stack", "prod").stdout)
	w.pulumi("", "reports", "preview", "--expect-no-changes", "--stack", "prod")

	// A program that does not compile is found by the preview.
	w.edited(filepath.Join(dir, "main.go"), filepath.Join(dir, "main.go"), "ctx.Export(\"login\", m.Login)", "ctx.Export(\"login\", m.Nobody)")
	w.refused(refusal{1, []string{"previewing of reports", "main.go:", "m.Nobody undefined"}, "pulumi preview --stack prod --cwd " + dir},
		"", "rotate", "--secret", "clerk", "--yes", "--catalog", catalog)
}
