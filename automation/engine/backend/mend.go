package backend

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// attributes is how the CLI's library calls the file beside an object in a
// folder that keeps its content type and checksum.
const attributes = ".attrs"

// mend removes attributes that a CLI which was killed in the middle of its write
// has left empty: with them neither the CLI nor this package reads the object
// again, and without them both do. Those being written are empty for a moment
// only.
func mend(dir string) {
	_ = filepath.WalkDir(filepath.Join(dir, ".pulumi"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, attributes) {
			return nil
		}
		info, err := d.Info()
		if err == nil && info.Size() == 0 && time.Since(info.ModTime()) > writePatience {
			_ = os.Remove(path)
		}
		return nil
	})
}
