package secrets

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

//go:embed catalog.yaml
var embedded []byte

// Problem is one thing that is wrong in a catalog.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1; a missing key is reported at what lacks it.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Where names the place: secrets[stripe].consumers[stripe-backend].probe.
	Where    string `json:"where"`
	Found    string `json:"found"`
	Expected string `json:"expected"`
}

// String is one line: FILE:LINE:COLUMN: WHERE: found X, expected Y.
func (p Problem) String() string {
	where := p.Where
	if where == "" {
		where = "catalog"
	}
	return fmt.Sprintf("%s:%d:%d: %s: found %s, expected %s", p.File, p.Line, p.Column, where, p.Found, p.Expected)
}

// CatalogError holds every problem of a catalog, in the order of the file.
type CatalogError struct {
	Problems []Problem
}

// Error is one line per problem.
func (e *CatalogError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Embedded returns the catalog that this program carries, catalog.yaml.
func Embedded() (*Catalog, error) {
	return Parse("catalog.yaml", embedded)
}

// Load reads and checks the catalog in file. A catalog that is wrong gives a
// *CatalogError with every problem; a file that cannot be read, the error of
// reading it.
func Load(file string) (*Catalog, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the catalog: %w", err)
	}
	return Parse(file, data)
}

// Parse checks the catalog in data and fills in what it leaves out: a
// consumer's name (its stack, else its kind), read: line, a secret's title
// (its name), providers: hosted, a container's region and probe. A probe by:
// config or by: pass that asks for exact is read as configured, with a notice. The name goes into errors, which are always a
// *CatalogError. Unknown keys are errors.
func Parse(name string, data []byte) (*Catalog, error) {
	d := newDecoder(name)
	cat := &Catalog{}
	if body := d.parse(data); body != nil {
		d.decode(body, cat)
		cat.fillIn()
		cat.readConfigured(d)
		newChecker(d, cat).catalog()
	}
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b Problem) int {
			if a.Line != b.Line {
				return a.Line - b.Line
			}
			return a.Column - b.Column
		})
		return nil, &CatalogError{Problems: d.problems}
	}
	return cat, nil
}

// parse returns the document's content, or nil after reporting why there is
// none.
func (d *decoder) parse(data []byte) ast.Node {
	// Repeated keys are reported by decode, with everything else.
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, message := place{}, err.Error()
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			d.mark(at, tokenPosition(syntax.GetToken()))
			message = syntax.GetMessage()
		}
		d.report(at, "broken YAML ("+message+")", "well-formed YAML")
		return nil
	}
	bodies := contents(file)
	if len(bodies) == 0 {
		d.report(place{}, "an empty file", "a catalog")
		return nil
	}
	if len(bodies) > 1 {
		d.mark(place{}, position(bodies[1]))
		d.report(place{}, "a second document", "one document")
		return nil
	}
	return bodies[0]
}

func contents(file *ast.File) []ast.Node {
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.DirectiveType {
			continue
		}
		bodies = append(bodies, doc.Body)
	}
	return bodies
}

func (c *Catalog) fillIn() {
	for i := range c.Secrets {
		c.Secrets[i].fillIn(c.Services.Scaleway.Region)
	}
	for i := range c.Stacks {
		if c.Stacks[i].Declared && c.Stacks[i].Providers == "" {
			c.Stacks[i].Providers = ProvidersHosted
		}
	}
}

func (s *Secret) fillIn(region string) {
	if s.Title == "" {
		s.Title = s.Name
	}
	for i := range s.Entries {
		if s.Entries[i].Read == "" {
			s.Entries[i].Read = FormatLine
		}
	}
	for i := range s.Consumers {
		c := &s.Consumers[i]
		if c.Name == "" {
			c.Name = c.Stack
		}
		if c.Name == "" {
			c.Name = string(c.Kind)
		}
		c.fillHolder(region)
	}
}

func tokenPosition(t *token.Token) *token.Position {
	if t == nil {
		return nil
	}
	return t.Position
}
