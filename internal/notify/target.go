package notify

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Source is where an address may come from beside the command line.
type Source struct {
	// Env is a variable of the caller's environment, Pass the first line of an
	// entry of pass; nil: the store could not be opened, which is no slip of the
	// caller's.
	Env  func(name string) string
	Pass func(ctx context.Context, path string) (secrets.Value, error)
	// Hide keeps a value out of all output from now on.
	Hide func(...secrets.Value)
}

// Error is every failure of this package. It names the place by where its
// address was read and never holds the address or a service's text.
type Error struct {
	// Where is env:NAME, pass:PATH, or the kind of service of an address that
	// stood on the command line.
	Where  string
	Detail string
	// Next is what to type.
	Next string
	// Misused: the call has to change; nothing was asked or sent.
	Misused bool
}

// Error implements error.
func (e *Error) Error() string { return e.Where + ": " + e.Detail }

// target is one place to send to.
type target struct {
	where  string
	scheme string
	url    secrets.Value
}

// referred is what of an address may be shown: a reference to one is none.
func referred(ref string) string {
	if strings.HasPrefix(ref, "env:") || strings.HasPrefix(ref, "pass:") {
		return ref
	}
	scheme, _, found := strings.Cut(ref, "://")
	if !found || !word.MatchString(scheme) {
		return "an address"
	}
	return scheme + "://…"
}

var word = regexp.MustCompile(`^[a-z][a-z0-9+]{0,24}$`)

// Reference reports whether ref is env:NAME or pass:PATH, which may stand in a
// command line and in a file: they hold no token.
func Reference(ref string) bool {
	return strings.HasPrefix(ref, "env:") || strings.HasPrefix(ref, "pass:")
}

// resolve gives the address that ref stands for. flag is named in what to type.
func (s Source) resolve(ctx context.Context, flag, ref string) (secrets.Value, error) {
	bad := func(detail, next string) (secrets.Value, error) {
		return secrets.Value{}, &Error{Where: flag + " " + referred(ref), Detail: detail, Next: next, Misused: true}
	}
	var v secrets.Value
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		v = secrets.NewValue([]byte(strings.TrimSpace(s.Env(name))))
		if v.IsZero() {
			return bad("the variable is not set", "export "+name+"=URL")
		}
	} else if path, ok := strings.CutPrefix(ref, "pass:"); ok {
		if s.Pass == nil {
			return secrets.Value{}, &Error{Where: flag + " " + ref, Detail: "pass could not be opened, so its address is not known", Next: "go run . doctor"}
		}
		entry, err := s.Pass(ctx, path)
		if err != nil {
			return secrets.Value{}, err
		}
		if v = entry; v.IsZero() {
			return bad("the entry is empty", "pass edit "+path)
		}
	} else {
		v = secrets.NewValue([]byte(ref))
	}
	s.hide(v)
	return v, nil
}

// shortestPart is the length of the shortest part of an address that is hidden
// by itself: a shorter one is a port or a word.
const shortestPart = 8

// hide hides the address and each part of it that could be a token.
func (s Source) hide(v secrets.Value) {
	if s.Hide == nil {
		return
	}
	s.Hide(v)
	u, err := url.Parse(string(v.Reveal()))
	if err != nil {
		return
	}
	parts := append(strings.Split(u.EscapedPath(), "/"), strings.Split(u.Path, "/")...)
	parts = append(parts, u.Opaque, u.Fragment)
	if password, ok := u.User.Password(); ok {
		s.Hide(secrets.NewValue([]byte(password)))
	}
	parts = append(parts, u.User.Username())
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	if !strings.Contains(u.Host, ".") && !strings.HasPrefix(u.Host, "localhost") {
		parts = append(parts, u.Host) // no host, but where some services put a token
	}
	for _, part := range parts {
		if len(part) >= shortestPart {
			s.Hide(secrets.NewValue([]byte(part)))
		}
	}
}

// patience is how long a service may take to be told or to be opened.
const patience = 30 * time.Second

func (s Source) target(ctx context.Context, ref string) (target, error) {
	const flag = "--notify"
	v, err := s.resolve(ctx, flag, ref)
	if err != nil {
		return target{}, err
	}
	bad := func(detail string) (target, error) {
		return target{}, &Error{Where: flag + " " + referred(ref), Detail: detail, Misused: true,
			Next: "look the form of the address up: https://shoutrrr.nickfedor.com/latest/services/overview/"}
	}
	text := string(v.Reveal())
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return bad("it is not an address (SERVICE://…)")
	}
	scheme, _, _ := strings.Cut(u.Scheme, "+")
	r := &router.ServiceRouter{}
	switch {
	case scheme == "http" || scheme == "https":
		return bad("an address of shoutrrr begins with the service; a plain webhook is generic+" + scheme + "://…")
	case scheme == "logger":
		return bad("logger:// tells nobody")
	case !slices.Contains(r.ListServices(), scheme):
		return bad("shoutrrr knows no such service")
	}
	t := target{where: flag + " " + referred(ref), scheme: scheme, url: v}
	if scheme == "matrix" {
		return t, nil // to open it is to log in, which is for the moment of sending
	}
	if _, err := r.Locate(text); err != nil {
		return bad("it is not a complete address of " + scheme)
	}
	return t, nil
}
