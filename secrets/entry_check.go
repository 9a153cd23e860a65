package secrets

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// ShapeError says that a value cannot be what its entry holds. It shows no
// part of the value but a prefix that every key of that kind has.
type ShapeError struct {
	// Path is the pass path of the entry.
	Path     string
	Found    string
	Expected string
}

// Error names the entry, what was found and what was expected.
func (e *ShapeError) Error() string {
	return fmt.Sprintf("entry %s: found %s, expected %s", e.Path, e.Found, e.Expected)
}

// Check reports, as a *ShapeError, whether v can be the entry's value: not
// empty, no CR or NUL, one line unless the entry is read raw, no blanks around
// it, and all of it fits the pattern. It asks nobody whether the value works.
func (e Entry) Check(v Value) error {
	found := e.fault(v.bytes())
	if found == "" {
		return nil
	}
	return &ShapeError{Path: e.Path, Found: found, Expected: e.expected()}
}

func (e Entry) expected() string {
	switch {
	case e.Expect != "":
		return e.Expect
	case e.Pattern != "":
		return "a value that fits " + e.Pattern
	case e.Read == FormatRaw:
		return "a value without carriage returns, NUL bytes and blanks around it"
	}
	return "a value of one line without blanks around it"
}

// fault says what is wrong with value, or nothing.
func (e Entry) fault(value []byte) string {
	blanks := " \t\n\v\f"
	if e.Read == FormatRaw {
		// A file ends with a newline; the ones inside are its own.
		blanks = " \t"
	}
	size := fmt.Sprintf("%d characters", len(value))
	switch {
	case len(value) == 0:
		return "an empty value"
	case bytes.IndexByte(value, 0) >= 0:
		return "a value with a NUL byte (" + size + ")"
	case bytes.IndexByte(value, '\r') >= 0:
		return "a value with a carriage return, as of a Windows file (" + size + ")"
	case e.Read != FormatRaw && bytes.IndexByte(bytes.Trim(value, blanks), '\n') >= 0:
		return "a value of several lines (" + size + ")"
	case len(bytes.Trim(value, blanks)) != len(value):
		return "a value with blanks or a newline before or after it (" + size + ")"
	case e.Pattern == "":
		return ""
	}
	whole, err := wholePattern(e.Pattern)
	if err != nil {
		return "the pattern of the entry broken"
	}
	if whole.Match(value) {
		return ""
	}
	return e.unlike(string(value), size)
}

// wholePattern compiles an expression that all of a text must match.
func wholePattern(expression string) (*regexp.Regexp, error) {
	// By itself first: "a)|(b" is one only inside the parentheses, and would
	// match less than all.
	if _, err := regexp.Compile(expression); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + expression + `)\z`)
}

// unlike describes a value that does not fit by the one thing about it that is
// no secret: the prefix that says whose key it is and for which mode.
func (e Entry) unlike(value, size string) string {
	prefix, what := publicPrefix(value)
	switch {
	case prefix == "":
		return "another kind of value (" + size + ")"
	case strings.Contains(e.Expect, prefix):
		return fmt.Sprintf("a value that begins with %s as it should, with a wrong length or wrong characters after it (%s)", prefix, size)
	}
	return fmt.Sprintf("%s (it begins with %s, %s)", what, prefix, size)
}

// publicPrefix is the beginning of value if it is one that the issuer
// documents and every key of that kind has, and the kind in words. Nothing
// else of a value may be shown.
func publicPrefix(value string) (prefix, what string) {
	for _, p := range publicPrefixes() {
		if strings.HasPrefix(value, p[0]) {
			return p[0], p[1]
		}
	}
	return "", ""
}

func publicPrefixes() [][2]string {
	return [][2]string{
		{"sk_test_", "a test-mode secret key"},
		{"sk_live_", "a live secret key"},
		{"rk_test_", "a test-mode restricted key"},
		{"rk_live_", "a live restricted key"},
		{"pk_test_", "a test-mode publishable key"},
		{"pk_live_", "a live publishable key"},
		{"whsec_", "a webhook signing secret"},
		{"cfut_", "a Cloudflare user token"},
		{"cfat_", "a Cloudflare account token"},
		{"SCW", "a Scaleway access key"},
	}
}
