package store_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// A store that this user may not read is not to be made anew.
func TestAStoreThatMayNotBeReadIsNotMissing(t *testing.T) {
	for name, closed := range map[string]string{"folder": ".", "list": ".gpg-id"} {
		f := storetest.New(t)
		for _, dir := range []string{f.Home, f.Dir} {
			require.NoError(t, os.Chmod(dir, 0o755))
		}
		file := filepath.Join(f.Dir, closed)
		require.NoError(t, os.Chmod(file, 0))
		asNobody(t, func() {
			_, err := store.Open(t.Context(), f.Options())
			e := want(t, err, store.Denied)
			require.Contains(t, e.Error(), "permission denied", name)
			require.Contains(t, e.Next, "ls -ld "+f.Dir, name)
		})
		require.NoError(t, os.Chmod(file, 0o700))
	}
}

// asNobody takes root's power over files away while do runs on this thread; who is
// not root has none.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	if os.Getuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		const nobody = 65534
		_, err := unix.SetfsuidRetUid(nobody)
		require.NoError(t, err)
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	}
	do()
}
