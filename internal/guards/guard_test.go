package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// module is the folder of the module, seen from this package.
const module = "../.."

// Every patch fits the sources as they stand, gives Go, and names tests that are
// there: whoever changes a guard or its test learns at once that the patch has to
// change, too.
func TestEveryPatchFits(t *testing.T) {
	guards, err := load("patches")
	require.NoError(t, err)
	require.NotEmpty(t, guards)
	for _, g := range guards {
		t.Run(g.name, func(t *testing.T) {
			files, err := g.apply(module)
			require.NoError(t, err)
			for file, text := range files {
				require.False(t, strings.HasSuffix(file, "_test.go"), "%s is a test, and no guard", file)
				_, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
				require.NoError(t, err)
			}
			there := testsIn(t, filepath.Join(module, g.dir))
			for _, test := range g.tests {
				require.True(t, there[test], "%s has no %s", g.dir, test)
			}
		})
	}
}

// testsIn are the names of a folder's tests.
func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	out := map[string]bool{}
	for _, file := range files {
		syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		for _, d := range syntax.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				out[f.Name.Name] = true
			}
		}
	}
	return out
}

func TestParse(t *testing.T) {
	const head = "why: w\ntest: a/b TestX TestY\nsays: s: t\n\n"
	g, err := parse("g", head+"@@ a/b/c.go\n one\n-two\n+2\n\n@@ d.go\n-x\n")
	require.NoError(t, err)
	require.Equal(t, guard{name: "g", why: "w", dir: "a/b", tests: []string{"TestX", "TestY"}, says: "s: t",
		edits: []edit{{"a/b/c.go", "one\ntwo\n\n", "one\n2\n\n"}, {"d.go", "x\n", ""}}}, g)
	for name, text := range map[string]string{
		"empty":               "",
		"no test":             "why: w\n\n@@ a.go\n-x\n",
		"no test's name":      "why: w\ntest: a\n\n@@ a.go\n-x\n",
		"an unknown header":   "why: w\ntest: a TestX\nwho: me\n\n@@ a.go\n-x\n",
		"no edit":             head,
		"an edit of nothing":  head + "@@ a.go\n x\n",
		"a line of no file":   head + "-x\n",
		"neither one of them": head + "@@ a.go\n-x\nx\n",
	} {
		_, err := parse("g", text)
		require.Error(t, err, name)
	}
}

// What does not fit exactly one place is an error, and is never left out.
func TestApply(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.go"), []byte("one\ntwo\n\ttwo\nthree\nsame\nsame\n"), 0o600))
	apply := func(edits ...edit) (map[string]string, error) { return guard{edits: edits}.apply(dir) }
	files, err := apply(edit{"a.go", "two\n", ""}, edit{"a.go", "three\n", "3\n"}, edit{"a.go", "one\n", "1\n"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a.go": "1\n\ttwo\n3\nsame\nsame\n"}, files)
	for _, e := range []edit{{"a.go", "four\n", ""}, {"a.go", "same\n", ""}, {"a.go", "wo\n", ""}, {"b.go", "one\n", ""}} {
		_, err := apply(e)
		require.Error(t, err, e)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600))
	_, err := load(dir)
	require.ErrorContains(t, err, "notes.txt")
	_, err = load(filepath.Join(dir, "none"))
	require.Error(t, err)
}

// world is a module of one package with four guards, one of which no test misses.
func world(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{
		"go.mod":        "module example.com/guarded\n\ngo 1.26\n",
		"a/a.go":        "package a\n\nfunc Door(known bool) bool {\n\tif !known {\n\t\treturn false\n\t}\n\treturn true\n}\n\nfunc Alarm() bool {\n\treturn true\n}\n",
		"a/a_test.go":   "package a\n\nimport \"testing\"\n\nfunc TestDoor(t *testing.T) {\n\tif Door(false) {\n\t\tt.Fatal(\"open\")\n\t}\n}\n\nfunc TestNothing(*testing.T) {}\n",
		"caught.guard":  "why: w\ntest: a TestDoor\nsays: open\n\n@@ a/a.go\n-\tif !known {\n+\tif false {\n",
		"missed.guard":  "why: it rings\ntest: a TestNothing\n\n@@ a/a.go\n-\treturn true\n-}\n-\n-func Alarm() bool {\n-\treturn true\n+\treturn true\n+}\n+\n+func Alarm() bool {\n+\treturn false\n",
		"broken.guard":  "why: w\ntest: a TestDoor\n\n@@ a/a.go\n-func Alarm() bool {\n+func Alarm() int {\n",
		"panics.guard":  "why: w\ntest: a TestDoor\n\n@@ a/a.go\n-\tif !known {\n+\tif !known {\n+\t\tpanic(\"no\")\n",
		"says.guard":    "why: w\ntest: a TestDoor\nsays: closed\n\n@@ a/a.go\n-\tif !known {\n+\tif false {\n",
		"misfits.guard": "why: w\ntest: a TestDoor\n\n@@ a/a.go\n-nothing\n",
	}
	maps.Copy(all, files)
	for name, text := range all {
		if strings.HasSuffix(name, extension) {
			name = patches + "/" + name
		}
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

// A guard that can be taken away, and one that could not be tried, are failures.
func TestRun(t *testing.T) {
	root := world(t, nil)
	var out strings.Builder
	err := run(t.Context(), &out, root, 2, nil)
	require.ErrorContains(t, err, "5 of 6")
	words := map[string]string{}
	for line := range strings.Lines(out.String()) {
		if fields := strings.Fields(line); !strings.HasPrefix(line, " ") {
			words[fields[3]] = fields[0]
		}
	}
	require.Equal(t, map[string]string{"caught": caught, "missed": survived, "broken": untried, "panics": untried, "says": untried, "misfits": untried}, words)
	for _, said := range []string{"it rings: TestNothing passes without it", "it does not compile", "the tests panic", `does not say "closed"`, "0 times instead of once"} {
		require.Contains(t, out.String(), said)
	}

	out.Reset()
	require.NoError(t, run(t.Context(), &out, root, 2, []string{"caug"}))
	require.Equal(t, 2, strings.Count(out.String(), "\n"))
	require.ErrorContains(t, run(t.Context(), &out, root, 2, []string{"none"}), "no such guard")
}

// A test that is missing, is skipped or fails anyway shows nothing when it fails.
func TestWhatIsNotGreenShowsNothing(t *testing.T) {
	for test, says := range map[string]string{"TestGone": "there is no such test", "TestRed": "fail", "TestLeft": "skip"} {
		root := world(t, map[string]string{
			"a/b_test.go":  "package a\n\nimport \"testing\"\n\nfunc TestRed(t *testing.T) { t.Fatal(\"red\") }\n\nfunc TestLeft(t *testing.T) { t.Skip() }\n",
			"caught.guard": "why: w\ntest: a TestDoor " + test + "\n\n@@ a/a.go\n-\tif !known {\n+\tif false {\n",
		})
		var out strings.Builder
		err := run(t.Context(), &out, root, 1, []string{"caught"})
		require.ErrorContains(t, err, test+" in a does not pass as everything stands ("+says+")")
		require.Empty(t, out.String(), "nothing was tried")
	}
	root := world(t, map[string]string{"a/b_test.go": "package a\n\nvar x int = \"\"\n"})
	require.ErrorContains(t, run(t.Context(), &strings.Builder{}, root, 1, []string{"caught"}), "it does not compile")
}

func TestSideBySide(t *testing.T) {
	done := make([]bool, 7)
	sideBySide(2, len(done), func(i int) { done[i] = true })
	require.False(t, slices.Contains(done, false))
}
