// Package structure holds the tree to its own rules: which way imports flow,
// who may name what, where secrets leave their type, and how long things are.
package structure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/sanmarcsoft/secret-rotation/"

// root is the module's folder, seen from this package.
const root = "../.."

type file struct {
	path   string // slash-separated, below root
	test   bool
	lines  int
	syntax *ast.File
	set    *token.FileSet
}

func (f file) dir() string { return filepath.ToSlash(filepath.Dir(f.path)) }

func (f file) imports() []string {
	var out []string
	for _, i := range f.syntax.Imports {
		out = append(out, strings.Trim(i.Path.Value, `"`))
	}
	return out
}

// nested is a module of its own: another program, with other rules.
func nested(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil && filepath.Clean(dir) != filepath.Clean(root)
}

// tree parses every Go file of the module.
func tree(t *testing.T) []file {
	t.Helper()
	var files []file
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if d.IsDir() && (rel == "tools" || nested(path) || d.Name() == "testdata" || (strings.HasPrefix(d.Name(), ".") && rel != "." && d.Name() != "..")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		syntax, err := parser.ParseFile(set, path, data, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, file{path: filepath.ToSlash(rel), test: strings.HasSuffix(path, "_test.go"), lines: strings.Count(string(data), "\n"), syntax: syntax, set: set})
		return nil
	}))
	require.Greater(t, len(files), 50, "the tree was not found")
	return files
}

// layers, lowest first: a package may import its own layer and lower ones.
var layers = []struct {
	name  string
	match func(dir string) bool
}{
	{"hint", under("internal/hint")},
	{"secrets", under("secrets")},
	{"stacks", under("stacks")},
	{"automation", under("automation")},
	{"report", under("internal/report")},
	{"sandbox", under("internal/sandbox")},
	{"cli", under("internal/cli")},
	{"main", func(dir string) bool { return dir == "." }},
}

func under(prefix string) func(string) bool {
	return func(dir string) bool { return dir == prefix || strings.HasPrefix(dir, prefix+"/") }
}

func layerOf(dir string) int {
	return slices.IndexFunc(layers, func(l struct {
		name  string
		match func(dir string) bool
	}) bool {
		return l.match(dir)
	})
}

func TestImportsFlowOneWay(t *testing.T) {
	seen := map[int]bool{}
	for _, f := range tree(t) {
		from := layerOf(f.dir())
		seen[from] = true
		if from < 0 || f.test {
			continue
		}
		for _, i := range f.imports() {
			rel, ours := strings.CutPrefix(i, module)
			if !ours {
				continue
			}
			to := layerOf(rel)
			require.LessOrEqual(t, to, from, "%s (%s) imports %s, which is above it", f.path, layers[from].name, rel)
		}
	}
	for i, l := range layers {
		require.True(t, seen[i], "layer %s has no file: the test is out of date", l.name)
	}
}

// TestForeignNames: each big dependency is named in one place only.
func TestForeignNames(t *testing.T) {
	rules := []struct {
		why, imported string
		allowed       func(dir string) bool
	}{
		{"only the engine drives the Automation API", "github.com/pulumi/pulumi/sdk/v3/go/auto", under("automation/engine")},
		{"only stacks declares resources", "github.com/pulumi/pulumi/sdk/v3/go/pulumi", under("stacks")},
		{"only stacks names provider SDKs", "github.com/pulumi/pulumi-cloudflare/sdk", under("stacks")},
		{"only its client talks to Cloudflare", "github.com/cloudflare/cloudflare-go", under("secrets/services/cloudflare")},
		{"only its client talks to Stripe", "github.com/stripe/stripe-go", under("secrets/services/stripe")},
		{"only its client talks to Clerk", "github.com/clerk/clerk-sdk-go", under("secrets/services/clerk")},
		{"only its client talks to Scaleway", "github.com/scaleway/scaleway-sdk-go", under("secrets/services/scaleway")},
		{"only the command line knows cobra", "github.com/spf13/cobra", under("internal/cli")},
	}
	for _, rule := range rules {
		used := false
		for _, f := range tree(t) {
			for _, i := range f.imports() {
				if i != rule.imported && !strings.HasPrefix(i, rule.imported+"/") {
					continue
				}
				used = true
				require.True(t, f.test || rule.allowed(f.dir()), "%s imports %s: %s", f.path, i, rule.why)
			}
		}
		require.True(t, used, "nothing imports %s: the rule is out of date", rule.imported)
	}
}

func TestSecretsKnowsNoPulumi(t *testing.T) {
	for _, f := range tree(t) {
		if !under("secrets")(f.dir()) {
			continue
		}
		for _, i := range f.imports() {
			require.NotContains(t, i, "pulumi", "%s imports %s", f.path, i)
		}
	}
}

// TestForbiddenCalls: these put plaintext on a command line, in a temporary
// file or into a result (DESIGN section 8); or end the process behind main.
func TestForbiddenCalls(t *testing.T) {
	forbidden := []string{"SetConfig", "SetAllConfig", "SetAllConfigJson", "SetConfigWithOptions", "SetAllConfigWithOptions", "ExportStack", "ImportStack", "Export", "Import"}
	for _, f := range tree(t) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			require.NotContains(t, forbidden, sel.Sel.Name, "%s calls %s", f.set.Position(call.Pos()), sel.Sel.Name)
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "os" && sel.Sel.Name == "Exit" {
				require.True(t, f.test || f.syntax.Name.Name == "main", "%s exits", f.set.Position(call.Pos()))
			}
			return true
		})
	}
}

// TestSecretsLeaveTheirTypeOnlyAtTheEdges: reveals.txt lists the files that may
// call Reveal, each with the edge that it is. A new one is a decision.
func TestSecretsLeaveTheirTypeOnlyAtTheEdges(t *testing.T) {
	reveals := map[string]string{}
	known, err := os.ReadFile("reveals.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(known)) {
		if path, why, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && !strings.HasPrefix(path, "#") {
			reveals[path] = why
		}
	}
	used := map[string]bool{}
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Reveal" {
				used[f.path] = true
				require.Contains(t, reveals, f.path, "%s reveals a secret and is not listed in reveals.txt", f.set.Position(sel.Pos()))
			}
			return true
		})
	}
	for path := range reveals {
		require.True(t, used[path], "reveals.txt lists %s, which reveals nothing", path)
	}
}

const maxFile, maxFunction = 450, 70

func TestNothingGrowsTooLong(t *testing.T) {
	for _, f := range tree(t) {
		require.LessOrEqual(t, f.lines, maxFile, "%s has %d lines", f.path, f.lines)
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			length := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1
			// A test's table is long because it has many rows, not many thoughts.
			require.True(t, f.test || length <= maxFunction, "%s: %s has %d lines", f.path, fn.Name.Name, length)
			require.False(t, !f.test && fn.Recv == nil && fn.Name.Name == "init", "%s has an init function", f.path)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Name.IsExported() && (fn.Recv == nil || exportedReceiver(fn)) {
				assert.NotNil(t, fn.Doc, "%s: %s has no doc comment", f.path, fn.Name.Name)
			}
		}
	}
}

func exportedReceiver(fn *ast.FuncDecl) bool {
	expr := fn.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	name, ok := expr.(*ast.Ident)
	return ok && name.IsExported()
}
