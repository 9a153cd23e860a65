package store

import (
	"bytes"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const fieldPrefix = "field:"

// gopassHeader is the first line of an entry in gopass's form of 2020, which has
// its secret in a field.
const gopassHeader = "GOPASS-SECRET-1.0"

// Entry is one entry of the store with its whole content.
type Entry struct {
	Path string
	// Commit and Time (UTC) are set by History: the commit that wrote this
	// content.
	Commit string
	Time   time.Time

	content secrets.Value
	readers []string
}

// NewEntry is an entry whose whole content is v, byte for byte.
func NewEntry(path string, v secrets.Value) Entry { return Entry{Path: path, content: v} }

// Readers are the ids of the keys (16 hex digits) that an entry which was read from
// its file is encrypted to; a hidden one is all zeros.
func (e Entry) Readers() []string { return e.readers }

// Content is every byte of the entry, as `pass show` prints it.
func (e Entry) Content() secrets.Value { return e.content }

// Secret takes the secret out of the content: "line" (or ""): the first line;
// "raw": every byte; "field:NAME": the rest of the one line that begins with
// "NAME:", without the blanks around it. It fails with Kind Format for an
// empty secret, a NUL or a carriage return in it, blanks at the ends of a
// line, a missing field or an unknown format, with Kind Multiple for a field
// that stands there twice. A value with a trailing blank is refused because
// it is far more often a slip of the hand than a secret.
func (e Entry) Secret(f secrets.Format) (secrets.Value, error) {
	content := e.content.Reveal()
	var got []byte
	switch name, isField := strings.CutPrefix(string(f), fieldPrefix); {
	case f == secrets.FormatLine || f == "":
		got, _, _ = bytes.Cut(content, []byte("\n"))
		if string(bytes.TrimRight(got, "\r")) == gopassHeader {
			// To replace it would leave the old secret in the entry, and in use.
			return secrets.Value{}, &Error{Kind: Format, Path: e.Path, Op: opRead, Detail: "it begins with " + gopassHeader + ", so its first line is no secret",
				Next: "write `read: field:Password` for the entry in the catalog"}
		}
	case f == secrets.FormatRaw:
		got = content
	case isField && name != "":
		at := fieldLines(content, name)
		if len(at) == 0 {
			return secrets.Value{}, e.unusable(Format, "no line begins with \""+name+":\"")
		}
		if len(at) > 1 {
			return secrets.Value{}, e.unusable(Multiple, "several lines begin with \""+name+":\"")
		}
		got = bytes.Trim(content[at[0].start:at[0].end], " \t")
	default:
		return secrets.Value{}, e.unusable(Format, "the format is not line, raw or field:NAME")
	}
	if why := refused(f, got); why != "" {
		return secrets.Value{}, e.unusable(Format, why)
	}
	return secrets.NewValue(got), nil
}

func (e Entry) unusable(kind Kind, why string) error {
	return &Error{Kind: kind, Path: e.Path, Op: opRead, Detail: why, Next: "pass edit " + shellQuote(e.Path)}
}

// refused says why the bytes cannot be a secret; it never quotes them.
func refused(f secrets.Format, v []byte) string {
	switch {
	case len(v) == 0:
		return "the secret is empty"
	case bytes.IndexByte(v, 0) >= 0:
		return "the secret holds a NUL byte"
	case bytes.IndexByte(v, '\r') >= 0:
		return "the secret holds a carriage return (Windows line ends)"
	case f != secrets.FormatRaw && len(bytes.Trim(v, " \t")) != len(v):
		return "the secret begins or ends with a blank"
	}
	return ""
}

// Fits reports whether v can be put into an entry in that format and be read
// back the same: With needs it.
func Fits(f secrets.Format, v secrets.Value) error {
	raw := v.Reveal()
	why := refused(f, raw)
	if why == "" && f != secrets.FormatRaw && bytes.IndexByte(raw, '\n') >= 0 {
		why = "the value has more than one line"
	}
	if why == "" {
		return nil
	}
	return &Error{Kind: Format, Op: "fitting a value", Detail: why}
}

// With returns the entry's new content with v as its secret, every other byte
// kept: "line" replaces the first line, "raw" everything, "field:NAME" the
// rest of the line that begins with "NAME:", which is added at the end where
// there is none. v must fit (see Fits).
func (e Entry) With(f secrets.Format, v secrets.Value) secrets.Value {
	content, secret := e.content.Reveal(), v.Reveal()
	if f == secrets.FormatRaw {
		return v
	}
	name, isField := strings.CutPrefix(string(f), fieldPrefix)
	if !isField {
		_, rest, _ := bytes.Cut(content, []byte("\n"))
		return secrets.NewValue(bytes.Join([][]byte{secret, rest}, []byte("\n")))
	}
	if at := fieldLines(content, name); len(at) > 0 {
		old := content[at[0].start:at[0].end]
		blanks := old[:len(old)-len(bytes.TrimLeft(old, " \t"))]
		if len(blanks) == len(old) {
			blanks = []byte(" ")
		}
		return secrets.NewValue(bytes.Join([][]byte{content[:at[0].start], blanks, secret, content[at[0].end:]}, nil))
	}
	if !bytes.HasSuffix(content, []byte("\n")) {
		// Line 1 is the secret by pass's custom, so a field never takes it.
		content = append(content, '\n')
	}
	return secrets.NewValue(bytes.Join([][]byte{content, []byte(name + ": "), secret, []byte("\n")}, nil))
}

type span struct{ start, end int }

// fieldLines finds what follows "NAME:" on each line that begins with it.
func fieldLines(content []byte, name string) []span {
	var found []span
	prefix := []byte(name + ":")
	for start := 0; start < len(content); {
		end := len(content)
		if i := bytes.IndexByte(content[start:], '\n'); i >= 0 {
			end = start + i
		}
		if bytes.HasPrefix(content[start:end], prefix) {
			found = append(found, span{start + len(prefix), end})
		}
		start = end + 1
	}
	return found
}
