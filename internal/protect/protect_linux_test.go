package protect_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sanmarcsoft/secret-rotation/internal/protect"
)

// The test binary is its own child: it protects itself, and tries what the program
// does with /proc afterwards.
func TestMain(m *testing.M) {
	if os.Getenv("PROTECT_CHILD") == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("PROTECT_CHILD") == "protected" {
		protect.Memory()
	}
	if err := child(); err != nil {
		fmt.Println("failed:", err)
	}
}

func child() error {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	fmt.Println("own", dumpable, limit.Cur, limit.Max)
	for _, link := range []string{"/proc/self/ns/pid", "/proc/self/fd/0"} {
		if _, err := os.Readlink(link); err != nil {
			return err
		}
	}
	// A file without a name that a child opens by its number, as a passphrase is
	// handed over.
	file, err := os.CreateTemp("", "handed")
	if err != nil {
		return err
	}
	_, err = file.WriteString("handed over")
	if err != nil || os.Remove(file.Name()) != nil {
		return fmt.Errorf("preparing the file: %w", err)
	}
	cmd := exec.Command("/bin/sh", "-c", "ulimit -c; ulimit -Hc; cat /proc/self/fd/3; tr '\\0' '\\n' < /proc/$$/environ | grep -c PROTECT_CHILD")
	cmd.ExtraFiles, cmd.Stderr = []*os.File{file}, os.Stdout
	text, err := cmd.Output()
	fmt.Println("child", strings.Join(strings.Fields(string(text)), " "))
	return err
}

// run starts the child, as another user where this one may, and gives what it said.
func run(t *testing.T, how string, uid uint32) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "protect") // others must be able to enter it
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o777|os.ModeSticky))
	self, err := os.Open("/proc/self/exe")
	require.NoError(t, err)
	defer self.Close()
	program := filepath.Join(dir, "child")
	to, err := os.OpenFile(program, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, self)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	require.NoError(t, os.Chmod(program, 0o755))
	cmd := exec.Command(program)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PROTECT_CHILD="+how, "TMPDIR="+dir)
	if int(uid) != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// It protects itself, its children have the limit, and what the program reads of
// /proc and hands over by it works as before: for root and for anybody else.
func TestMemory(t *testing.T) {
	const nobody = 65534
	users := []uint32{uint32(os.Getuid())}
	if os.Getuid() == 0 {
		users = append(users, nobody)
	}
	for _, uid := range users {
		require.Equal(t, "own 0 0 0\nchild 0 0 handed over1\n", run(t, "protected", uid), "user %d", uid)
		require.True(t, strings.HasPrefix(run(t, "bare", uid), "own 1 "), "the test can tell")
	}
}
