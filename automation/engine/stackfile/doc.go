package stackfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

var bom = []byte("\uFEFF")

// doc is a YAML text with the positions of its nodes. The parser is the one
// Pulumi uses.
type doc struct {
	name  string // the file's
	text  []byte
	root  *yaml.Node // nil: nothing but comments
	nl    string
	lines []int // where each line starts
}

func parseDoc(name string, text []byte) (*doc, error) {
	d := &doc{name: name, text: text, nl: "\n", lines: []int{0}}
	for i, c := range text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		d.nl = "\r\n"
	}
	dec := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, bom)))
	var node, more yaml.Node
	if err := dec.Decode(&node); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", name, formatError(err))
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: it is more than one document: %w", name, ErrFormat)
	}
	if len(node.Content) == 0 || (node.Content[0].Kind == yaml.ScalarNode && node.Content[0].Tag == "!!null") {
		return d, nil
	}
	if d.root = node.Content[0]; d.root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("reading %s: it is not a mapping: %w", name, ErrFormat)
	}
	if len(d.root.Content) == 0 && !flow(d.root) {
		d.root = nil
	}
	return d, nil
}

func flow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }

// find returns the key's node and its value's.
func find(m *yaml.Node, key string) (*yaml.Node, *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key && m.Content[i].Kind == yaml.ScalarNode {
			return m.Content[i], m.Content[i+1]
		}
	}
	return nil, nil
}

// matching returns those of names that stand in config.
func (d *doc) matching(names []string) []string {
	if d.root == nil {
		return nil
	}
	_, conf := find(d.root, "config")
	if conf == nil || conf.Kind != yaml.MappingNode {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		k, _ := find(conf, name)
		return k == nil
	})
}

// offset turns a node's position (lines and runes from 1) into bytes.
func (d *doc) offset(line, column int) int {
	at := d.lines[line-1]
	if line == 1 && bytes.HasPrefix(d.text, bom) {
		at += len(bom)
	}
	for ; column > 1 && at < len(d.text); column-- {
		_, n := utf8.DecodeRune(d.text[at:])
		at += n
	}
	return at
}

// lineEnd is where the line's text ends, before its line break.
func (d *doc) lineEnd(line int) int {
	end := len(d.text)
	if line < len(d.lines) {
		end = d.lines[line] - 1
	}
	if end > d.lines[line-1] && d.text[end-1] == '\r' {
		end--
	}
	return end
}

func (d *doc) line(n int) string { return string(d.text[d.lines[n-1]:d.lineEnd(n)]) }

func (d *doc) splice(from, to int, text string) []byte {
	return slices.Concat(d.text[:from], []byte(text), d.text[to:])
}

// insertAfter adds text as lines of its own after a line.
func (d *doc) insertAfter(line int, text string) []byte {
	end := d.lineEnd(line)
	return d.splice(end, end, d.nl+text)
}

// appendEnd adds text at the end, which ends as it did before.
func (d *doc) appendEnd(text string) []byte {
	switch {
	case len(d.text) == 0:
		return []byte(text + d.nl)
	case d.text[len(d.text)-1] == '\n':
		return append(slices.Clone(d.text), text+d.nl...)
	}
	return append(slices.Clone(d.text), d.nl+text...)
}

// insertFlow adds an entry right behind an opening brace.
func (d *doc) insertFlow(m *yaml.Node, entry string) ([]byte, error) {
	at := d.offset(m.Line, m.Column)
	if at >= len(d.text) || d.text[at] != '{' {
		return nil, fmt.Errorf("editing %s: line %d: %w", d.name, m.Line, ErrFormat)
	}
	if len(m.Content) > 0 {
		entry += ", "
	}
	return d.splice(at+1, at+1, entry), nil
}

// scalar finds the bytes of a scalar that stands on one line.
func (d *doc) scalar(n *yaml.Node) (start, end int, ok bool) {
	if n.Kind != yaml.ScalarNode || n.Anchor != "" {
		return 0, 0, false
	}
	start = d.offset(n.Line, n.Column)
	rest := string(d.text[start:d.lineEnd(n.Line)])
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return 0, 0, false
	case n.Style&yaml.SingleQuotedStyle != 0:
		quoted := "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
		return start, start + len(quoted), strings.HasPrefix(rest, quoted)
	case n.Style&yaml.DoubleQuotedStyle != 0:
		quoted := `"` + n.Value + `"`
		return start, start + len(quoted), strings.HasPrefix(rest, quoted) && !strings.ContainsAny(n.Value, `\"`)
	}
	return start, start + len(n.Value), n.Value != "" && strings.HasPrefix(rest, n.Value)
}

// replaceValue puts lines under a key of a block mapping in place of its
// value. What stands behind the value on the key's own line stays there.
func (d *doc) replaceValue(key, value *yaml.Node, lines string) ([]byte, error) {
	_, end, ok := d.scalar(key)
	colon := end
	for ok && colon < d.lineEnd(key.Line) && d.text[colon] == ' ' {
		colon++
	}
	if !ok || colon >= len(d.text) || d.text[colon] != ':' {
		return nil, fmt.Errorf("editing %s: line %d: the key is not followed by a colon: %w", d.name, key.Line, ErrFormat)
	}
	behind, ok := d.behind(colon+1, key, value)
	if !ok {
		return nil, fmt.Errorf("editing %s: line %d: the comment of a value over several lines would be lost: %w", d.name, key.Line, ErrFormat)
	}
	last := d.lastLineOf(key, value)
	return slices.Concat(d.text[:colon+1], []byte(behind+d.nl+lines), d.text[d.lineEnd(last):]), nil
}

// behind is what follows the value on the key's line: blanks and a comment. It
// is not ok if the value has a comment on another line.
func (d *doc) behind(from int, key, value *yaml.Node) (text string, ok bool) {
	eol := d.lineEnd(key.Line)
	rest := string(d.text[from:eol])
	switch _, end, plain := d.scalar(value); {
	case value.Line == key.Line && plain:
		rest = string(d.text[end:eol])
	case value.Line == key.Line && value.Kind == yaml.AliasNode:
		rest = string(d.text[d.offset(value.Line, value.Column)+len("*"+value.Value) : eol])
	case value.LineComment != "" && strings.HasSuffix(strings.TrimRight(rest, " \t"), value.LineComment):
		before := rest[:strings.LastIndex(rest, value.LineComment)]
		rest = rest[len(strings.TrimRight(before, " \t")):]
	case value.LineComment != "":
		return "", false
	}
	if text = strings.TrimLeft(rest, " \t"); text != "" && text[0] != '#' {
		return "", true
	}
	return rest, true
}

// lastLine is the last line of a block mapping's content.
func (d *doc) lastLine(m *yaml.Node) int {
	n := len(m.Content)
	return d.lastLineOf(m.Content[n-2], m.Content[n-1])
}

// lastLineOf is the last line of an entry: what follows the key and is
// indented deeper, without blank lines and comments after it.
func (d *doc) lastLineOf(key, value *yaml.Node) int {
	indent := key.Column - 1
	literal := value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
	last := key.Line
	if flow(value) {
		last = d.closing(value)
	}
	for n := key.Line + 1; n <= len(d.lines); n++ {
		text := strings.TrimLeft(d.line(n), " ")
		depth := len(d.line(n)) - len(text)
		switch {
		case n <= last, strings.TrimSpace(text) == "":
			continue
		case depth > indent, depth == indent && strings.HasPrefix(text, "- ") && value.Kind == yaml.SequenceNode:
			if literal || !strings.HasPrefix(text, "#") {
				last = max(last, n)
			}
		case strings.HasPrefix(text, "#"):
			continue
		default:
			return last
		}
	}
	return last
}

// closing is the line on which a value in brackets ends.
func (d *doc) closing(n *yaml.Node) int {
	depth, quote := 0, byte(0)
	line := n.Line
	for at := d.offset(n.Line, n.Column); at < len(d.text); at++ {
		c := d.text[at]
		switch {
		case c == '\n':
			line++
		case quote != 0:
			if c == '\\' && quote == '"' {
				at++
			} else if c == quote {
				quote = 0
			}
		case c == '"', c == '\'':
			quote = c
		case c == '#' && at > 0 && strings.IndexByte(" \t\n", d.text[at-1]) >= 0:
			at = d.lineEnd(line) - 1
		case c == '[', c == '{':
			depth++
		case c == ']', c == '}':
			if depth--; depth == 0 {
				return line
			}
		}
	}
	return line
}
