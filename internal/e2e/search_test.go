package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// forms are the ways in which a value may stand somewhere, by name.
func forms(value string) map[string]string {
	out := map[string]string{
		"plain": value, "hex": hex.EncodeToString([]byte(value)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(value))),
	}
	for name, escaped := range map[string]string{"URL": url.QueryEscape(value), "path": url.PathEscape(value)} {
		if escaped != value {
			out[name] = escaped
		}
	}
	for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for shift := range 3 {
			// Within a longer text a value begins at any of three places of a
			// group; the characters it shares with its neighbours say nothing.
			whole := encoding.EncodeToString([]byte(strings.Repeat("x", shift) + value))
			out[name+string(rune('0'+shift))] = whole[(shift*8+5)/6 : (shift+len(value))*8/6]
		}
	}
	return out
}

// needles are all forms of all values.
type needles map[string]string // form -> which value it is of

func needlesOf(values map[string]string) needles {
	out := needles{}
	for what, value := range values {
		for form, text := range forms(value) {
			out[text] = what + " as " + form
		}
	}
	return out
}

// in names what data holds, compressed parts too.
func (n needles) in(data []byte) []string {
	var found []string
	for text, what := range n {
		if bytes.Contains(data, []byte(text)) {
			found = append(found, what)
		}
	}
	for rest := data; ; {
		at := bytes.Index(rest, []byte{0x1f, 0x8b, 8})
		if at < 0 {
			break
		}
		if unpacked, err := gzip.NewReader(bytes.NewReader(rest[at:])); err == nil {
			plain, _ := io.ReadAll(io.LimitReader(unpacked, 64<<20))
			if len(plain) > 0 {
				found = append(found, n.in(plain)...)
			}
		}
		rest = rest[at+3:]
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// places searches everything that a rotation may have written to, but for the
// issuers' own record and the operator's passphrase file, and says what is
// found where.
func (w *sandboxed) places(n needles, outputs map[string]string) []string {
	w.t.Helper()
	var found []string
	note := func(place string, data []byte) {
		for _, what := range n.in(data) {
			found = append(found, what+" in "+place)
		}
	}
	for place, text := range outputs {
		note(place, []byte(text))
	}
	for _, root := range []string{w.root, shared.cli.Home} {
		require.NoError(w.t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			note("the name of "+path, []byte(d.Name()))
			own := []string{filepath.Join(w.dir, "world.json"), filepath.Join(w.dir, "passphrase")}
			if !d.Type().IsRegular() || slices.Contains(own, path) {
				return nil
			}
			data, err := os.ReadFile(path)
			if os.IsNotExist(err) {
				return nil
			}
			note(path, data)
			return err
		}))
	}
	for _, repository := range []string{"store/.git", "store.git", "projects/.git", "projects.git"} {
		objects := w.exec("", "git", "--git-dir="+filepath.Join(w.dir, repository), "cat-file", "--batch-all-objects", "--batch")
		require.Zero(w.t, objects.code, objects.stderr)
		require.NotEmpty(w.t, objects.stdout)
		note("the objects of "+repository, []byte(objects.stdout))
	}
	return found
}

// places searches what the sampler saw.
func (s *sampler) places(n needles) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for text := range s.seen {
		place, _, _ := strings.Cut(text, ": ")
		for _, what := range n.in([]byte(text)) {
			found = append(found, what+" in "+place)
		}
	}
	return found
}
