package drift

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// maxDotenv bounds what is read of a .env file, in bytes.
const maxDotenv = 1 << 20

// dotenv looks through the .env files below the folders to be searched.
func (s *scene) dotenv(values []original, out *sheet) {
	for _, root := range s.Search {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil && path == root:
				return err
			case err != nil:
				// A folder that cannot be looked into may hold anything.
				out.gap("file/"+plain(path), err, "ls -ld "+quoted(path))
				return fs.SkipDir
			case d.IsDir() && path != root && (d.Name() == ".git" || d.Name() == "node_modules" || d.Name() == ".sandbox"):
				return fs.SkipDir
			case !d.IsDir() && isDotenv(d.Name()):
				s.dotenvFile(root, path, values, out)
			}
			return nil
		})
		if err != nil {
			out.gap("file/"+plain(root), err, "go run . drift --search DIR")
		}
	}
}

// isDotenv tells the files in which variables are kept by their names: dotenv's,
// direnv's, wrangler's. What is an example holds no value.
func isDotenv(name string) bool {
	return name == ".env" || strings.HasPrefix(name, ".env.") || strings.HasSuffix(name, ".env") || name == ".envrc" || strings.HasPrefix(name, ".dev.vars")
}

// dotenvFile compares the values of NAME=VALUE lines. A link is followed: what it
// leads to is read under this name too.
func (s *scene) dotenvFile(root, path string, values []original, out *sheet) {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return // a folder, or what would wait for a writer
	case err == nil && info.Size() > maxDotenv:
		err = fmt.Errorf("%s is too big for a file of variables", path)
	}
	var raw []byte
	if err == nil {
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		out.gap("file/"+plain(path), err, "ls -l "+quoted(path))
		return
	}
	defer clear(raw)
	rel, _ := filepath.Rel(root, path)
	for line := range bytes.Lines(raw) {
		name, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte{'='})
		name = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(name), []byte("export ")))
		if !ok || bytes.HasPrefix(name, []byte{'#'}) {
			continue
		}
		for _, k := range values {
			if assigned(value, k.value) {
				s.copied(join("file", plain(filepath.ToSlash(rel)), plain(string(name))), "file "+path, k, out)
			}
		}
	}
}

// assigned reports whether the right side of an assignment is the value: bare or
// quoted, alone or before a comment.
func assigned(text []byte, v secrets.Value) bool {
	text = bytes.TrimSpace(text)
	if len(text) > 0 && (text[0] == '"' || text[0] == '\'') {
		if end := bytes.IndexByte(text[1:], text[0]); end >= 0 {
			return secrets.NewValue(text[1 : 1+end]).Equal(v)
		}
	}
	if secrets.NewValue(text).Equal(v) {
		return true
	}
	bare, _, commented := bytes.Cut(text, []byte(" #"))
	return commented && secrets.NewValue(bytes.TrimSpace(bare)).Equal(v)
}
