package drift

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

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
	return strings.HasPrefix(name, ".env") || strings.HasSuffix(name, ".env") || strings.HasPrefix(name, ".dev.vars")
}

// dotenvFile looks for the values in a file of variables, in whatever form they
// stand: the tools that read such files agree on none. A link is followed: what it
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
	defer clear(raw)
	text := raw
	if err == nil {
		text, err = plainText(path, raw)
	}
	rel, _ := filepath.Rel(root, path)
	at := join("file", plain(filepath.ToSlash(rel)))
	if err != nil {
		out.gap("file/"+plain(path), err, "ls -l "+quoted(path))
		return
	}
	defer clear(text)
	if bytes.Contains(text, []byte("ENC[AES256_GCM")) || sealed.Match(text) {
		out.gap(at, fmt.Errorf("%s holds encrypted values, which were not compared", path), s.accepting(at))
	}
	for _, k := range values {
		found := secrets.NewFinder(k.value)
		told := map[string]bool{}
		for from := found.Next(text, 0); from >= 0; from = found.Next(text, from+1) {
			if name := variable(text, from); !told[name] {
				told[name] = true
				s.copied(join(at, plain(name)), "file "+path, k, out)
			}
		}
	}
}

// sealed is an assignment of a value that dotenvx has encrypted.
var sealed = regexp.MustCompile(`(?m)[=:]\s*["']?encrypted:`)

// plainText is the content of a file as UTF-8, with lines that are comments blank.
func plainText(path string, raw []byte) ([]byte, error) {
	text := bytes.TrimPrefix(bytes.Clone(raw), []byte("\xef\xbb\xbf"))
	switch {
	case bytes.HasPrefix(raw, []byte{0xff, 0xfe}):
		text = wide(raw[2:], binary.LittleEndian)
	case bytes.HasPrefix(raw, []byte{0xfe, 0xff}):
		text = wide(raw[2:], binary.BigEndian)
	}
	if bytes.IndexByte(text, 0) >= 0 || !utf8.Valid(text) {
		return nil, fmt.Errorf("%s is no text, so it was not looked through", path)
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte{'#'}) {
			for i := range bytes.TrimSuffix(line, []byte{'\n'}) {
				line[i] = ' '
			}
		}
	}
	return text, nil
}

// wide is UTF-16 as UTF-8.
func wide(raw []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = order.Uint16(raw[2*i:])
	}
	return []byte(string(utf16.Decode(units)))
}

// assignment is a line that names a variable: NAME=…, export NAME=…, NAME: …, "NAME": ….
var assignment = regexp.MustCompile(`^[\s,{]*(?:export\s+|set\s+)?["'` + "`" + `]?([A-Za-z_][A-Za-z0-9_.-]*)["'` + "`" + `]?\s*[=:]`)

// variable is the name of the variable that what stands at a place of the text
// belongs to: its line's, or, in a value of several lines, that of the line which
// began it; else the number of the line.
func variable(text []byte, at int) string {
	lines := bytes.Split(text[:at], []byte{'\n'})
	for i := len(lines) - 1; i >= 0; i-- {
		line := lines[i]
		if m := assignment.FindSubmatch(line); m != nil {
			return string(m[1])
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	return fmt.Sprintf("line-%d", len(lines))
}
