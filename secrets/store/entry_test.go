package store_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

func TestSecret(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		format  secrets.Format
		want    string
		kind    store.Kind
	}{
		"line":                     {"hunter2\nuser: me\n", "line", "hunter2", ""},
		"no format is line":        {"hunter2\n", "", "hunter2", ""},
		"no newline":               {"hunter2", "line", "hunter2", ""},
		"inner blanks":             {"a b\tc\n", "line", "a b\tc", ""},
		"raw keeps every byte":     {"hunter2\n\n", "raw", "hunter2\n\n", ""},
		"field":                    {"x\nuser:  hunter2 \nurl: y\n", "field:user", "hunter2", ""},
		"field without a blank":    {"x\nuser:hunter2", "field:user", "hunter2", ""},
		"field of the whole name":  {"x\nsuperuser: a\nuser: hunter2\n", "field:user", "hunter2", ""},
		"field with a colon":       {"x\nuser: a:b\n", "field:user", "a:b", ""},
		"empty":                    {"", "line", "", store.Format},
		"empty first line":         {"\nhunter2\n", "line", "", store.Format},
		"empty raw":                {"", "raw", "", store.Format},
		"Windows line end":         {"hunter2\r\nx\r\n", "line", "", store.Format},
		"Windows line end, raw":    {"hunter2\r\n", "raw", "", store.Format},
		"Windows line end, field":  {"x\nuser: hunter2\r\n", "field:user", "", store.Format},
		"NUL":                      {"hun\x00ter2\n", "line", "", store.Format},
		"NUL, raw":                 {"hunter2\x00", "raw", "", store.Format},
		"its form, by its field":   {"GOPASS-SECRET-1.0\nPassword: hunter2\n\nnote\n", "field:Password", "hunter2", ""},
		"leading blank":            {" hunter2\n", "line", "", store.Format},
		"trailing blank":           {"hunter2\t\n", "line", "", store.Format},
		"no such field":            {"x\nuser: hunter2\n", "field:pass", "", store.Format},
		"empty field":              {"x\nuser: \n", "field:user", "", store.Format},
		"field twice":              {"x\nuser: a\nuser: hunter2\n", "field:user", "", store.Multiple},
		"field without a name":     {"x\n: a\n", "field:", "", store.Format},
		"unknown format":           {"hunter2", "first", "", store.Format},
		"CR on a later line is ok": {"hunter2\nnote\r\n", "line", "hunter2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := store.NewEntry("a/b", storetest.Value(c.content)).Secret(c.format)
			if c.kind != "" {
				e := want(t, err, c.kind)
				require.Equal(t, "pass edit a/b", e.Next)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, string(got.Reveal()))
		})
	}
}

// The way out of a first line that is no secret is named.
func TestTheFormOfGopassIsTold(t *testing.T) {
	_, err := store.NewEntry("a b", secrets.NewValue([]byte("GOPASS-SECRET-1.0\nPassword: hunter2\n"))).Secret("")
	require.Contains(t, want(t, err, store.Format).Next, "read: field:Password")
	_, err = store.NewEntry("a b", secrets.NewValue([]byte("\n"))).Secret("")
	require.Equal(t, "pass edit 'a b'", want(t, err, store.Format).Next)
}

func TestWithKeepsTheRest(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		format  secrets.Format
		want    string
	}{
		"further lines":          {"old\nuser: me\nnote\n", "line", "NEW\nuser: me\nnote\n"},
		"one line":               {"old\n", "line", "NEW\n"},
		"no newline becomes one": {"old", "line", "NEW\n"},
		"nothing there":          {"", "line", "NEW\n"},
		"bytes that are no text": {"old\n\xff\x00\r\n\n", "line", "NEW\n\xff\x00\r\n\n"},
		"raw":                    {"old\nx\n", "raw", "NEW"},
		"field":                  {"p\na: 1\nuser:\told\nb: 2", "field:user", "p\na: 1\nuser:\tNEW\nb: 2"},
		"field, tight":           {"p\nuser:old\n", "field:user", "p\nuser:NEW\n"},
		"field, empty":           {"p\nuser:\n", "field:user", "p\nuser: NEW\n"},
		"new field":              {"p\n", "field:user", "p\nuser: NEW\n"},
		"new field, no newline":  {"p", "field:user", "p\nuser: NEW\n"},
		"new field, empty entry": {"", "field:user", "\nuser: NEW\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := store.NewEntry("a", storetest.Value(c.content)).With(c.format, storetest.Value("NEW"))
			require.Equal(t, c.want, string(got.Reveal()))
		})
	}
}

func TestFits(t *testing.T) {
	require.NoError(t, store.Fits("line", storetest.Value("hunter2")))
	require.NoError(t, store.Fits("raw", storetest.Value("a\nb\n")))
	for _, bad := range []string{"", "a\nb", "a\r", "a\x00", " a", "a\n"} {
		require.ErrorIs(t, store.Fits("line", storetest.Value(bad)), store.Format)
		require.ErrorIs(t, store.Fits("field:x", storetest.Value(bad)), store.Format)
	}
}

// What fits and is put in comes out, whatever stood there before, and every
// other line stays.
func FuzzEntry(f *testing.F) {
	f.Add("old\nuser: me\n", "new", "user")
	f.Add("", "x", "a")
	f.Add("a\r\n\x00", "new value", "a")
	f.Add("user: 1\nuser: 2\n", "n", "user")
	f.Fuzz(func(t *testing.T, content, value, name string) {
		e := store.NewEntry("a", storetest.Value(content))
		for _, format := range []secrets.Format{"line", "raw", secrets.Format("field:" + name)} {
			_, secretErr := e.Secret(format)
			if secretErr != nil {
				require.NotEmpty(t, store.KindOf(secretErr))
			}
			field := strings.HasPrefix(string(format), "field:")
			if field && (name == "" || strings.ContainsAny(name, "\n\r") || store.KindOf(secretErr) == store.Multiple) {
				continue
			}
			if store.Fits(format, storetest.Value(value)) != nil {
				continue
			}
			changed := store.NewEntry("a", e.With(format, storetest.Value(value)))
			got, err := changed.Secret(format)
			require.NoError(t, err)
			require.Equal(t, value, string(got.Reveal()))
			if format == "line" {
				_, before, _ := strings.Cut(content, "\n")
				_, after, _ := strings.Cut(string(changed.Content().Reveal()), "\n")
				require.Equal(t, before, after)
			}
			if field && secretErr == nil {
				require.Equal(t, strings.Count(content, "\n"), strings.Count(string(changed.Content().Reveal()), "\n"))
			}
		}
	})
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "a/b-c/d_e.f", "mail/me@example.com", "a+b", "a b/c=d", "0", "x.gpg"} {
		require.NoError(t, store.CheckName(good), good)
	}
	for _, bad := range []string{"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", ".git/x", "a/.gpg-id", "-f", "a/-f",
		" a", "a ", "a/ b", "a\tb", "a\nb", "a\x00b", "a;b", "$(x)", "a'b", "a\\b", "é", strings.Repeat("a", 201), strings.Repeat("a/", 300) + "a"} {
		err := store.CheckName(bad)
		require.ErrorIs(t, err, store.Name, bad)
		require.Equal(t, "pass ls", want(t, err, store.Name).Next)
	}
}

// An allowed name can be nothing but a file below the store.
func FuzzName(f *testing.F) {
	for _, seed := range []string{"a/b", "../x", "-n", ".git/config", "a/./b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if store.CheckName(name) != nil {
			return
		}
		require.NotContains(t, "/"+name, "/.")
		require.NotContains(t, "/"+name, "/-")
		require.NotContains(t, "/"+name+"/", "//")
		require.NotContains(t, name, "\x00")
	})
}

func TestGpgIDLines(t *testing.T) {
	require.Equal(t, []string{"AAAA", "Jo Doe <jo@example.invalid>", "BBBB"},
		store.ParseGpgID("AAAA # me\n\n# all of them\n  Jo Doe <jo@example.invalid>\t\nAAAA\r\nBBBB"))
}

func TestTailShowsNoPassword(t *testing.T) {
	require.Equal(t, "fatal: unable to access 'https://host/x': 403 and ssh://h",
		store.Tail("x\nfatal: unable to access 'https://me:hunter2@host/x': 403 and ssh://git:pw@h\nhint: y\n"))
	require.Equal(t, "[31mred", store.Tail("\x1b[31mred\x07"))
	require.LessOrEqual(t, len(store.Tail(strings.Repeat("a", 5000))), 210)
}
