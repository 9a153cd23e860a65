//go:build linux

package schedule

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUnitsAreWhatSystemdTakes(t *testing.T) {
	for _, name := range []string{"plain", odd} {
		for _, system := range []bool{false, true} {
			dir := filepath.Join(t.TempDir(), name)
			p := plan(t, dir)
			p.System = system
			if name == odd {
				require.ErrorContains(t, p.Check(), "systemd starts no program")
				p.Program = filepath.Join(t.TempDir(), "a 100% $HOME", "secret-rotation")
				require.NoError(t, os.Mkdir(filepath.Dir(p.Program), 0o700))
				require.NoError(t, os.Symlink("/bin/true", p.Program))
			}
			require.NoError(t, p.Check())
			units := t.TempDir()
			var files []string
			for _, f := range p.Units() {
				files = append(files, filepath.Join(units, f.Name))
				require.NoError(t, os.WriteFile(filepath.Join(units, f.Name), []byte(f.Text), 0o600))
				require.True(t, strings.HasPrefix(f.Text, "# "+Mark+"\n"))
			}
			require.Len(t, files, 4)
			manager := "--user"
			if system {
				manager = "--system"
			}
			out := analyze(t, append([]string{manager, "--man=no", "--recursive-errors=no", "verify"}, files...)...)
			require.Empty(t, strings.TrimSpace(out), "%s, system %v", name, system)
		}
	}
}

// systemd-analyze as a user's or the system's, without a manager that runs.
func analyze(t *testing.T, args ...string) string {
	cmd := exec.Command("systemd-analyze", args...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir(), "SYSTEMD_LOG_LEVEL=warning")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

var exposure = regexp.MustCompile(`(?m)Overall exposure level for \S+: ([0-9.]+)`)

// The exposure by systemd's own count, of 10: what gpg, ssh and the Pulumi CLI
// need keeps it from less.
func TestSystemUnitsAreHardened(t *testing.T) {
	p := plan(t, t.TempDir())
	p.System = true
	for _, f := range p.Units() {
		if !strings.HasSuffix(f.Name, ".service") {
			continue
		}
		file := filepath.Join(t.TempDir(), f.Name)
		require.NoError(t, os.WriteFile(file, []byte(f.Text), 0o600))
		out := analyze(t, "security", "--offline=true", "--threshold=20", "--no-pager", file)
		require.Regexp(t, exposure, out)
		t.Log(exposure.FindString(out))
		require.NotContains(t, f.Text, "MemoryDenyWriteExecute=")
		require.NotContains(t, f.Text, "hooks.slack")
	}
	units := p.Units()
	require.NotContains(t, units[0].Text, "ReadWritePaths=-"+p.Writes[0]+"\n", "the check does not write to the store")
	require.Contains(t, units[2].Text, "ReadWritePaths=-"+p.Writes[0]+"\n")
}
