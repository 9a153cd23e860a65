package secrets

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// position is where a node begins. A mapping's own token is the colon after
// its first key, so the key is taken.
func position(n ast.Node) *token.Position {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return position(m.Values[0].Key)
	}
	return tokenPosition(n.GetToken())
}

func textOf(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

// nameOf is what a list's element is called: its name, else its path.
func nameOf(n ast.Node) string {
	mapping, ok := n.(*ast.MappingNode)
	if !ok {
		return ""
	}
	for _, want := range []string{"name", "path"} {
		for _, pair := range mapping.Values {
			if key, ok := textOf(pair.Key); ok && key == want {
				text, _ := textOf(pair.Value)
				return text
			}
		}
	}
	return ""
}

// describe says in words what a node is.
func describe(n ast.Node) string {
	if text, ok := textOf(n); ok {
		return quote(text)
	}
	switch n.Type() {
	case ast.NullType:
		return "nothing"
	case ast.MappingType:
		return "a mapping"
	case ast.SequenceType:
		return "a list"
	case ast.IntegerType, ast.FloatType, ast.InfinityType, ast.NanType:
		return "the number " + clip(n.GetToken().Value)
	case ast.BoolType:
		return "the word " + n.GetToken().Value
	case ast.MergeKeyType:
		return "a merge (<<)"
	case ast.TagType:
		return "the tag " + clip(n.GetToken().Value)
	case ast.AliasType:
		return "the alias *" + clip(n.(*ast.AliasNode).Value.GetToken().Value)
	}
	return "something else"
}

// quote shows text from a catalog in an error.
func quote(text string) string { return fmt.Sprintf("%q", clip(text)) }

// bare is quote without the quotes.
func bare(text string) string { return strings.Trim(quote(text), `"`) }

// veil takes out of a message what looks like a credential: somebody may have
// pasted one into the wrong file.
func veil(message string) string {
	for _, p := range publicPrefixes() {
		message = regexp.MustCompile(regexp.QuoteMeta(p[0])+`[A-Za-z0-9+/=_-]+`).ReplaceAllString(message, p[0]+"…")
	}
	return message
}

// clip shortens text to what fits in a line.
func clip(text string) string {
	const most = 60
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "…"
}

func oneOf[T ~string](names []T) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = string(n)
	}
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}
