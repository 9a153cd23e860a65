package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTimeout     = 20 * time.Second
	interactiveTimeout = 120 * time.Second
	defaultUmask       = 0o077
)

// Options says which store is meant. The zero value is pass's own choice.
type Options struct {
	// Dir is the store's folder; empty: PASSWORD_STORE_DIR, else
	// ~/.password-store.
	Dir string
	// GNUPGHome is gpg's folder; empty: what gpg itself takes.
	GNUPGHome string
	// Env is the environment to take settings from, as os.Environ gives it,
	// which is the default. Honoured: PASSWORD_STORE_DIR, _KEY, _SIGNING_KEY and
	// _UMASK, and the short list that children get. Not honoured:
	// PASSWORD_STORE_GPG_OPTS, which could add a recipient.
	Env []string
	// Timeout bounds every single gpg or git process; 0: 20 seconds, 120 with
	// Interactive.
	Timeout time.Duration
	// Interactive: somebody sits at a terminal, gpg's pinentry may ask.
	Interactive bool
	// Asking is called before a program starts that may ask a person at the
	// terminal, and what it returns afterwards; nil: nobody has to know.
	Asking func() (done func())
	// Recipients are the keys that entries may be encrypted to, each by what
	// secrets.IsKeyID takes. If given, every write is refused whose .gpg-id names another key:
	// whoever can commit a .gpg-id would else be given every later secret.
	Recipients []string
}

// Store is an open password store. Its methods may be called at the same time;
// writers, also those of other processes, wait for each other.
type Store struct {
	dir         string // without symbolic links
	gpg         string
	git         string // empty: not installed
	env         []string
	gpgEnv      []string
	timeout     time.Duration
	interactive bool
	asking      func() func()
	pins        []string
	keys        []string // PASSWORD_STORE_KEY
	signers     []string // PASSWORD_STORE_SIGNING_KEY
	umask       fs.FileMode
	may         programs
	filters     *filters
	// stage is called at each step of a write; tests end the process there.
	stage func(step string)
	// still remembers what was read; nil outside of a look.
	still *still
}

// Open finds the store and the programs it needs. It fails with Kind NotAStore
// where there is no folder or no .gpg-id in it, NotFound where gpg is missing.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Env == nil {
		o.Env = os.Environ()
	}
	s := &Store{timeout: o.Timeout, interactive: o.Interactive, asking: o.Asking, umask: umask(getenv(o.Env, "PASSWORD_STORE_UMASK")),
		keys:    strings.Fields(getenv(o.Env, "PASSWORD_STORE_KEY")),
		signers: strings.Fields(getenv(o.Env, "PASSWORD_STORE_SIGNING_KEY")),
		stage:   func(string) {}, may: remotePrograms, filters: &filters{},
	}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
		if s.interactive {
			s.timeout = interactiveTimeout
		}
	}
	var err error
	if s.pins, err = listed(o.Recipients); err != nil {
		return nil, err
	}
	if s.dir, err = folder(o.Dir, o.Env); err != nil {
		return nil, err
	}
	var found bool
	// pass prefers gpg2 too: on old systems gpg is version 1.
	if s.gpg, found = find(o.Env, "gpg2", "gpg"); !found {
		return nil, notInstalled("gpg", "gnupg")
	}
	s.git, _ = find(o.Env, "git")
	s.gpgEnv = childEnv(o.Env, o.GNUPGHome, o.Interactive)
	s.env = append(s.gpgEnv[:len(s.gpgEnv):len(s.gpgEnv)],
		// As pass does: a repository above the store is not the store's.
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(s.dir), "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=false",
		"GIT_EDITOR=true", "GIT_OPTIONAL_LOCKS=0", "PASSWORD_STORE_DIR="+s.dir)
	if err := reviveSocket(getenv(s.gpgEnv, "GNUPGHOME")); err != nil {
		return nil, err
	}
	return s, ctx.Err()
}

// folder finds the store's folder and looks whether it is a store.
func folder(dir string, env []string) (string, error) {
	if dir == "" {
		dir = getenv(env, "PASSWORD_STORE_DIR")
	}
	if dir == "" {
		dir = filepath.Join(getenv(env, "HOME"), ".password-store")
	}
	no := func(why string, err error) (string, error) {
		return "", &Error{Kind: NotAStore, Op: "opening the password store " + dir, Detail: why, Err: err,
			Next: "pass init GPG-ID"}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return no(cause(err), err)
	}
	if closed := forbidden(dir); closed != nil {
		return "", closed
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return no(cause(err), err)
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return no("not a folder", err)
	}
	if !holdsGpgID(real) {
		return no("there is no .gpg-id in it", nil)
	}
	return real, nil
}

// forbidden is the error of a store that is there and may not be read: making one
// would be the wrong way out.
func forbidden(dir string) error {
	_, err := os.ReadDir(dir)
	if err == nil {
		_, err = os.ReadFile(filepath.Join(dir, gpgIDName))
	}
	if !errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return &Error{Kind: Denied, Op: "opening the password store " + dir, Detail: "this user may not read it", Err: err,
		Next: "ls -ld " + shellQuote(dir) + " " + shellQuote(dir+"/"+gpgIDName)}
}

// holdsGpgID looks at the top first: only an unusual store has its .gpg-id
// files in subfolders alone.
func holdsGpgID(dir string) bool {
	if info, err := os.Stat(filepath.Join(dir, gpgIDName)); err == nil && info.Mode().IsRegular() {
		return true
	}
	found := errors.New("found")
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil //nolint:nilerr // an unreadable folder holds no .gpg-id for us
		case d.Name() == gpgIDName && d.Type().IsRegular():
			return found
		case d.IsDir() && name != dir && strings.HasPrefix(d.Name(), entryHidden):
			return fs.SkipDir
		}
		return nil
	})
	return errors.Is(err, found)
}

func umask(text string) fs.FileMode {
	if n, err := strconv.ParseUint(text, 8, 9); text != "" && err == nil {
		return fs.FileMode(n)
	}
	return defaultUmask
}

// Dir is the store's folder, absolute and without symbolic links.
func (s *Store) Dir() string { return s.dir }

// Environ is the environment that a pass, gpg or git started by hand needs to
// see the same store.
func (s *Store) Environ() []string { return append([]string(nil), s.env...) }

// List returns the paths of all entries, sorted. Hidden files are left out, as
// `pass ls` does; a link to an entry is listed, a linked folder is not entered.
func (s *Store) List(ctx context.Context) ([]string, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, fileError("listing the store", "", err)
	}
	defer root.Close()
	return list(root), ctx.Err()
}

// Exists reports whether path is an entry (not a folder) inside the store.
func (s *Store) Exists(path string) bool {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return false
	}
	defer root.Close()
	_, err = s.locate(root, path)
	return err == nil
}

// bounded is ctx with the store's time limit for one process.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

// ended classifies the error of a child that did not end by itself.
func (s *Store) ended(op, path, what, next string, err error) error {
	e := &Error{Kind: Timeout, Path: path, Op: op, Next: next, Err: err,
		Detail: what + " did not answer within " + s.timeout.String()}
	switch {
	case errors.Is(err, context.Canceled):
		e.Kind, e.Detail, e.Next = Canceled, "stopped while "+what+" ran", ""
	case !errors.Is(err, context.DeadlineExceeded):
		e.Kind, e.Detail = Gpg, "starting "+what+": "+cause(err)
		if what == "git" {
			e.Kind = Git
		}
	}
	return e
}
