package store

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"
)

const (
	suffix      = ".gpg"
	maxName     = 512
	maxPart     = 200
	maxNear     = 3
	nearEnough  = 3
	gpgIDName   = ".gpg-id"
	opRead      = "reading"
	opWrite     = "writing"
	opPutBack   = "putting back"
	entryHidden = "."
)

// CheckName reports whether path may name an entry: parts of letters, digits,
// blanks inside and . _ @ + = -, separated by single slashes, none beginning with
// a dot or a dash. pass allows more, but such a name can be taken for an option, for
// .git or .gpg-id, or for something outside the store.
func CheckName(name string) error {
	bad := func(why string) error {
		return &Error{Kind: Name, Path: name, Op: "naming", Detail: why, Next: "pass ls"}
	}
	if name == "" {
		return bad("the name is empty")
	}
	if len(name) > maxName {
		return bad(fmt.Sprintf("the name is longer than %d bytes", maxName))
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return bad("a part of the name is empty")
		case len(part) > maxPart:
			return bad(fmt.Sprintf("a part of the name is longer than %d bytes", maxPart))
		case part[0] == '.' || part[0] == '-':
			return bad("a part of the name begins with a dot or a dash")
		case strings.TrimSpace(part) != part:
			return bad("a part of the name begins or ends with a blank")
		case strings.IndexFunc(part, notInName) >= 0:
			return bad("only letters, digits, blanks and . _ @ + = - are allowed")
		}
	}
	return nil
}

func notInName(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune(" ._@+=-", r)
}

// locate finds the entry's regular file below root and returns its name there.
// Symbolic links are followed as long as they stay inside the store; os.Root
// refuses the others.
func (s *Store) locate(root *os.Root, entry string) (string, error) {
	if err := CheckName(entry); err != nil {
		return "", err
	}
	file := entry + suffix
	linked, err := hasLink(root, file)
	if err != nil {
		return "", s.notThere(root, entry, err)
	}
	info, err := root.Stat(file)
	switch {
	case err != nil && linked:
		return "", &Error{Kind: Symlink, Path: entry, Op: opRead, Err: err,
			Detail: "the link leads out of the store or nowhere", Next: "ls -l " + s.shellPath(file)}
	case err != nil:
		return "", s.notThere(root, entry, err)
	case !info.Mode().IsRegular():
		return "", &Error{Kind: Damaged, Path: entry, Op: opRead, Detail: "not a regular file",
			Next: "ls -ld " + s.shellPath(file)}
	}
	return file, nil
}

// hasLink reports whether any part of file is a symbolic link.
func hasLink(root *os.Root, file string) (bool, error) {
	for i, r := range file + "/" {
		if r != '/' {
			continue
		}
		info, err := root.Lstat(file[:i])
		if err != nil {
			return false, err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			return true, nil
		}
	}
	return false, nil
}

// notThere tells a folder from an entry that does not exist, and names the
// entries that were perhaps meant.
func (s *Store) notThere(root *os.Root, entry string, err error) error {
	if info, statErr := root.Stat(entry); statErr == nil && info.IsDir() {
		return &Error{Kind: Folder, Path: entry, Op: opRead, Err: err,
			Detail: "pass would print its list as if it were the secret", Next: "pass ls " + shellQuote(entry)}
	}
	if e := fileError(opRead, entry, err).(*Error); e.Kind != Missing && !strings.Contains(e.Detail, "not a directory") {
		return e
	}
	e := &Error{Kind: Missing, Path: entry, Op: opRead, Err: err, Next: "pass insert " + shellQuote(entry)}
	if near := nearest(entry, list(root)); len(near) > 0 {
		e.Detail = "did you mean " + strings.Join(near, " or ") + "?"
		e.Next = "pass ls"
	}
	return e
}

// nearest returns the few entries whose name is close to entry, closest first.
func nearest(entry string, all []string) []string {
	distance := map[string]int{}
	var near []string
	for _, other := range all {
		d := editDistance(entry, other)
		if path.Base(other) == path.Base(entry) || other == strings.TrimSuffix(entry, suffix) {
			d = min(d, nearEnough)
		}
		if d <= nearEnough {
			distance[other] = d
			near = append(near, other)
		}
	}
	sort.SliceStable(near, func(i, j int) bool { return distance[near[i]] < distance[near[j]] })
	return near[:min(len(near), maxNear)]
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			above := row[j+1]
			row[j+1] = min(row[j]+1, above+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}

// list returns every entry below root, sorted. Like `pass ls` it leaves out
// what is hidden; a folder that is a symbolic link is not entered, so that an
// entry is listed once.
func list(root *os.Root) []string {
	names := []string{}
	_ = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // an unreadable folder hides its own entries only
		case name == ".":
			return nil
		case strings.HasPrefix(d.Name(), entryHidden) && d.IsDir():
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), entryHidden) || !strings.HasSuffix(name, suffix) || d.IsDir():
			return nil
		}
		if info, err := root.Stat(name); err == nil && info.Mode().IsRegular() {
			names = append(names, strings.TrimSuffix(name, suffix))
		}
		return nil
	})
	sort.Strings(names)
	return names
}

// shellPath is the file's path, quoted for a shell if it needs that.
func (s *Store) shellPath(file string) string { return shellQuote(s.dir + "/" + file) }

// Quote is a name as a shell takes it.
func Quote(name string) string { return shellQuote(name) }

func shellQuote(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r != '/' && (r == ' ' || notInName(r)) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
