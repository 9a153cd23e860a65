package store

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Kind says what went wrong. A Kind is an error itself, so that
// errors.Is(err, store.Missing) asks for it.
type Kind string

// Error implements error.
func (k Kind) Error() string { return string(k) }

// The kinds of failure.
const (
	Missing     Kind = "no such entry"
	Folder      Kind = "a folder, not an entry"
	Exists      Kind = "entry exists"
	Name        Kind = "bad entry name"
	Symlink     Kind = "symbolic link"
	Format      Kind = "unusable content"
	Multiple    Kind = "ambiguous content"
	Damaged     Kind = "damaged file"
	NoKey       Kind = "no secret key"
	Locked      Kind = "key is locked"
	Expired     Kind = "expired key"
	Recipients  Kind = "wrong recipients"
	NotAStore   Kind = "not a password store"
	NotFound    Kind = "program not installed"
	Gpg         Kind = "gpg failed"
	Git         Kind = "git failed"
	Busy        Kind = "store is in use"
	Changed     Kind = "changed meanwhile"
	Interrupted Kind = "interrupted write"
	Behind      Kind = "behind the remote"
	Conflict    Kind = "conflicting changes"
	Dirty       Kind = "uncommitted changes"
	Unpushed    Kind = "not pushed"
	Unreachable Kind = "remote unreachable"
	Disk        Kind = "disk"
	Denied      Kind = "permission denied"
	Timeout     Kind = "time limit"
	Canceled    Kind = "canceled"
)

// Error is every failure of this package: what was done (Op, a gerund), to
// which entry (Path, empty for the store as a whole), why (Kind, Detail) and
// what to type (Next, one command, or empty). It never holds a value.
type Error struct {
	Kind   Kind
	Path   string
	Op     string
	Detail string
	Next   string
	Err    error
}

// Error implements error: "reading pass entry "a/b": no such entry: …".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Path != "" {
		fmt.Fprintf(&b, " pass entry %q", e.Path)
	}
	b.WriteString(": " + string(e.Kind))
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is e's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// KindOf is the Kind of the first Error in err's tree, or "".
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// fileError classifies an error of the file system.
func fileError(op, path string, err error) error {
	e := &Error{Kind: Disk, Path: path, Op: op, Detail: cause(err), Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind = Missing
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		e.Next = "df -h"
	}
	return e
}

// cause is the innermost message: the entry is named by the Error, and a
// machine path or the name of a temporary file helps nobody.
func cause(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}
