package secrets

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// place is where something stands in a catalog: path finds it in the source,
// label names it to a person. They differ in lists: secrets[4] is
// secrets[stripe].
type place struct{ path, label string }

func (p place) key(name string) place {
	if p.path == "" {
		return place{name, bare(name)}
	}
	return place{p.path + "." + name, p.label + "." + bare(name)}
}

func (p place) item(i int, name string) place {
	number := strconv.Itoa(i)
	if name == "" {
		name = number
	}
	return place{p.path + "[" + number + "]", p.label + "[" + bare(name) + "]"}
}

// decoder turns the syntax tree into a catalog by hand and not by yaml's own
// decoder, because that one stops at the first error and keeps no positions
// for the checks that come after it.
type decoder struct {
	file     string
	problems []Problem
	// spots has the position of every value, and of every key as path+keyMark.
	spots map[string]*token.Position
	// broken are the places whose value was of the wrong type: nothing below
	// them is worth a second report.
	broken  []string
	anchors map[string]ast.Node
}

// keyMark cannot be in a path: it ends the name of a key's own position.
const keyMark = "\x00key"

func newDecoder(file string) *decoder {
	return &decoder{file: file, spots: map[string]*token.Position{}, anchors: map[string]ast.Node{}}
}

func (d *decoder) mark(at place, p *token.Position) { d.spots[at.path] = p }

// report adds a problem at the place's own position, else at that of the
// nearest thing around it.
func (d *decoder) report(at place, found, expected string) {
	line, column := d.spot(at)
	d.problems = append(d.problems, Problem{File: d.file, Line: line, Column: column, Where: veil(at.label), Found: veil(found), Expected: veil(expected)})
}

// notice is a notice about the place.
func (d *decoder) notice(at place, text string) Notice {
	line, column := d.spot(at)
	return Notice{File: d.file, Line: line, Column: column, Where: veil(at.label), Text: text}
}

// spot is the position of a place, else that of the nearest thing around it.
func (d *decoder) spot(at place) (line, column int) {
	for path := at.path; ; path = parent(path) {
		if p := d.spots[path]; p != nil {
			return p.Line, p.Column
		}
		if path == "" {
			return 1, 1
		}
	}
}

// reportKey is report at the key and not at its value.
func (d *decoder) reportKey(at place, found, expected string) {
	d.report(place{at.path + keyMark, at.label}, found, expected)
}

func parent(path string) string {
	if own, ok := strings.CutSuffix(path, keyMark); ok {
		return own
	}
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

func (d *decoder) isBroken(path string) bool {
	for _, b := range d.broken {
		if b == "" || path == b || strings.HasPrefix(path, b+".") || strings.HasPrefix(path, b+"[") {
			return true
		}
	}
	return false
}

func (d *decoder) mismatch(n ast.Node, at place, expected string) {
	d.broken = append(d.broken, at.path)
	d.report(at, describe(n), expected)
}

func (d *decoder) decode(n ast.Node, cat *Catalog) {
	d.value(n, reflect.ValueOf(cat).Elem(), place{})
}

// value decodes n into to.
func (d *decoder) value(n ast.Node, to reflect.Value, at place) {
	d.mark(at, position(n))
	if anchor, ok := n.(*ast.AnchorNode); ok {
		d.value(anchor.Value, to, at)
		// Known only from here on, so that an alias cannot hold itself.
		d.anchors[anchor.Name.GetToken().Value] = anchor.Value
		return
	}
	if alias, ok := n.(*ast.AliasNode); ok {
		name := alias.Value.GetToken().Value
		target, known := d.anchors[name]
		if !known {
			d.mismatch(n, at, "an anchor &"+name+" before it")
			return
		}
		d.value(target, to, at)
		return
	}
	switch out := to.Addr().Interface().(type) {
	case *Duration:
		d.duration(n, out, at)
	case *map[string]string:
		d.texts(n, out, at)
	default:
		d.kind(n, to, at)
	}
}

func (d *decoder) kind(n ast.Node, to reflect.Value, at place) {
	switch to.Kind() {
	case reflect.Struct:
		d.object(n, to, at)
	case reflect.Slice:
		d.list(n, to, at)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.mismatch(n, at, "true or false")
			return
		}
		to.SetBool(b.Value)
	case reflect.Int:
		number, err := strconv.Atoi(n.GetToken().Value)
		if _, ok := n.(*ast.IntegerNode); !ok || err != nil {
			d.mismatch(n, at, "a whole number")
			return
		}
		to.SetInt(int64(number))
	default:
		d.text(n, to, at)
	}
}

func (d *decoder) text(n ast.Node, to reflect.Value, at place) {
	text, ok := textOf(n)
	if !ok {
		expected := "text"
		switch n.Type() {
		case ast.IntegerType, ast.FloatType, ast.BoolType, ast.InfinityType, ast.NanType:
			expected = "text (in quotes)"
		}
		d.mismatch(n, at, expected)
		return
	}
	to.SetString(text)
}

func (d *decoder) duration(n ast.Node, to *Duration, at place) {
	text, ok := textOf(n)
	if n.Type() == ast.IntegerType {
		text, ok = n.GetToken().Value, true
	}
	parsed, err := ParseDuration(text)
	if !ok || err != nil {
		d.mismatch(n, at, durationForm)
		return
	}
	*to = parsed
}

func (d *decoder) list(n ast.Node, to reflect.Value, at place) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		d.mismatch(n, at, "a list")
		return
	}
	items := reflect.MakeSlice(to.Type(), len(sequence.Values), len(sequence.Values))
	for i, item := range sequence.Values {
		d.value(item, items.Index(i), at.item(i, nameOf(item)))
	}
	to.Set(items)
}

func (d *decoder) texts(n ast.Node, to *map[string]string, at place) {
	out := map[string]string{}
	d.pairs(n, at, func(key string, value ast.Node) {
		var text string
		d.value(value, reflect.ValueOf(&text).Elem(), at.key(key))
		out[key] = text
	})
	*to = out
}

func (d *decoder) object(n ast.Node, to reflect.Value, at place) {
	d.pairs(n, at, func(key string, value ast.Node) {
		var keys []string
		for i := range to.NumField() {
			if !to.Type().Field(i).IsExported() {
				continue
			}
			name := to.Type().Field(i).Tag.Get("yaml")
			if keys = append(keys, name); name == key {
				d.value(value, to.Field(i), at.key(key))
				return
			}
		}
		d.reportKey(at.key(key), "the unknown key "+quote(key), oneOf(keys))
	})
}

// pairs calls each for every key of a mapping, a repeated one left out.
func (d *decoder) pairs(n ast.Node, at place, each func(key string, value ast.Node)) {
	mapping, ok := n.(*ast.MappingNode)
	if !ok {
		d.mismatch(n, at, "a mapping")
		return
	}
	first := map[string]int{}
	for _, pair := range mapping.Values {
		key, ok := textOf(pair.Key)
		if !ok {
			key = pair.Key.GetToken().Value
			d.spots[at.key(key).path+keyMark] = position(pair.Key)
			d.reportKey(at.key(key), describe(pair.Key)+" as a key", "text")
			continue
		}
		own := at.key(key)
		d.spots[own.path+keyMark] = position(pair.Key)
		if line, seen := first[key]; seen {
			d.reportKey(own, fmt.Sprintf("the key %s again (first in line %d)", quote(key), line), "each key once")
			continue
		}
		first[key] = position(pair.Key).Line
		each(key, pair.Value)
	}
}
