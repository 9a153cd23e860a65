package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// With every limit on the size of a file, from none at all to enough, the write
// happened or it did not, and then it says that the disk refused. (A full disk
// for whoever may not mount one.)
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	f := pairFixture(t)
	head := f.Git("rev-parse", "HEAD")
	refused := 0
	for limit := 0; ; limit = limit*5/4 + 40 {
		require.Less(t, limit, 1<<20, "a limit that is large enough")
		out, _ := runChild(t, f, fmt.Sprint("STORE_CHILD_FSIZE=", limit))
		if f.Git("rev-parse", "HEAD") != head {
			require.Contains(t, out, survived)
			require.Equal(t, newWorld(), contents(t, f))
			break
		}
		refused++
		require.Contains(t, out, failed+string(store.Disk), "limit %d", limit)
		_, err := f.Store.Recover(t.Context())
		require.NoError(t, err)
		require.Equal(t, oldWorld(), contents(t, f), "limit %d", limit)
		f.Clean()
		noLeftovers(t, f)
	}
	require.GreaterOrEqual(t, refused, 5)
}

// A real full disk, a page more at a time, where this process may mount one.
func TestFullDisk(t *testing.T) {
	f := pairFixture(t)
	disk := filepath.Join(f.Home, "disk")
	require.NoError(t, os.Mkdir(disk, 0o700))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m,mode=700"); err != nil {
		t.Logf("no mount here (%v): TestFileSizeLimit stands for it", err)
		return
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	dir := filepath.Join(disk, "store")
	f.Run("", "cp", "-a", f.Dir, dir)
	f.Dir = dir
	f.Env = append(f.Env, "PASSWORD_STORE_DIR="+dir)
	f.Store = f.Open(f.Options())
	head := f.Git("rev-parse", "HEAD")
	ballast := filepath.Join(disk, "ballast")
	refused := 0
	for pages := 0; ; pages++ {
		require.Less(t, pages, 200, "room that is enough")
		fill(t, ballast, pages)
		err := f.Store.Write(t.Context(), "", pairChanges("new")...)
		require.NoError(t, os.Remove(ballast))
		if err == nil {
			require.Equal(t, newWorld(), contents(t, f))
			break
		}
		refused++
		want(t, err, store.Disk)
		require.Equal(t, head, f.Git("rev-parse", "HEAD"))
		require.Equal(t, oldWorld(), contents(t, f), "%d pages", pages)
		f.Clean()
		noLeftovers(t, f)
	}
	require.GreaterOrEqual(t, refused, 5)
}

// fill takes all room but some pages.
func fill(t *testing.T, file string, pages int) {
	t.Helper()
	out, err := os.Create(file)
	require.NoError(t, err)
	defer out.Close()
	page := make([]byte, os.Getpagesize())
	size := int64(0)
	for {
		n, err := out.Write(page)
		size += int64(n)
		if err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			break
		}
	}
	require.NoError(t, out.Truncate(max(0, size-int64(pages*len(page)))))
}
