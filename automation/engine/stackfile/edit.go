package stackfile

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// plainKey needs no quotes in YAML, also inside braces.
var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./:-]*[A-Za-z0-9_]$`)

// rewrite returns raw with `secure: CIPHER` under each key and, if salt is not
// empty, with that salt line added. What it cannot do without touching other
// parts of the file it refuses.
func (f File) rewrite(raw []byte, salt string, cipher map[string]string) ([]byte, error) {
	out := raw
	for _, key := range slices.Sorted(maps.Keys(cipher)) {
		d, err := parseDoc(f.name(), out)
		if err != nil {
			return nil, err
		}
		names := d.matching(f.forms(key))
		if len(names) == 0 {
			names = f.forms(key)[:1]
		}
		for _, name := range names {
			if d, err = parseDoc(f.name(), out); err != nil {
				return nil, err
			}
			if out, err = d.set(name, cipher[key]); err != nil {
				return nil, err
			}
		}
	}
	if salt != "" {
		d, err := parseDoc(f.name(), out)
		if err != nil {
			return nil, err
		}
		out = d.addSalt(salt)
	}
	return out, f.verify(raw, out, salt, cipher)
}

// forms lists the ways a key may stand in the file; the first is how the CLI
// writes it.
func (f File) forms(key string) []string {
	project := f.Project.Name.String()
	namespace, name, ok := strings.Cut(key, ":")
	if !ok {
		namespace, name = project, key
	}
	// NAMESPACE:config:NAME is the CLI's form of before 2018, which it still reads.
	forms := []string{namespace + ":" + name, namespace + ":config:" + name}
	if namespace == project {
		forms = append(forms, name)
	}
	return forms
}

// verify reads both files as data: they must be the same but for the keys
// that were to change. It stands between every mistake of the editing and the
// operator's file.
func (f File) verify(before, after []byte, salt string, cipher map[string]string) error {
	was, err := f.asData(before, cipher, nil)
	if err != nil {
		return err
	}
	found := map[string]string{}
	is, err := f.asData(after, cipher, found)
	if err != nil {
		return fmt.Errorf("editing %s: the result would not be readable: %w", f.name(), ErrFormat)
	}
	if salt != "" {
		was["encryptionsalt"] = salt
	}
	if !maps.Equal(found, cipher) || !reflect.DeepEqual(was, is) {
		return fmt.Errorf("editing %s: its form does not let one key be changed alone: %w", f.name(), ErrFormat)
	}
	return nil
}

// asData decodes the file without the given keys, whose ciphertexts go to found.
func (f File) asData(raw []byte, keys map[string]string, found map[string]string) (map[string]any, error) {
	data := map[string]any{}
	if err := yaml.Unmarshal(bytes.TrimPrefix(raw, bom), &data); err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.name(), formatError(err))
	}
	if data == nil {
		data = map[string]any{}
	}
	conf, _ := data["config"].(map[string]any)
	for key := range keys {
		for _, form := range f.forms(key) {
			m, _ := conf[form].(map[string]any)
			if text, ok := m["secure"].(string); ok && len(m) == 1 && found != nil {
				found[key] = text
			}
			delete(conf, form)
		}
	}
	if len(conf) == 0 {
		delete(data, "config")
	}
	return data, nil
}

// set puts the ciphertext under one literal key of config.
func (d *doc) set(key, cipher string) ([]byte, error) {
	if d.root == nil {
		return d.appendEnd("config:" + d.nl + "  " + quoteKey(key) + ":" + d.nl + "    secure: " + cipher), nil
	}
	confKey, conf := find(d.root, "config")
	switch {
	case conf == nil && flow(d.root):
		return d.insertFlow(d.root, "config: {"+flowEntry(key, cipher)+"}")
	case conf == nil:
		pad := strings.Repeat(" ", d.root.Column-1)
		return d.insertAfter(d.lastLine(d.root), pad+"config:"+d.nl+d.block(pad+"  ", "  ", key, cipher)), nil
	case conf.Kind == yaml.ScalarNode && conf.Tag == "!!null" && !flow(d.root):
		pad := strings.Repeat(" ", confKey.Column-1)
		return d.replaceValue(confKey, conf, d.block(pad+"  ", "  ", key, cipher))
	case conf.Kind != yaml.MappingNode:
		return nil, fmt.Errorf("editing %s: config is not a plain mapping: %w", d.name, ErrFormat)
	}
	keyNode, value := find(conf, key)
	switch {
	case value != nil:
		return d.change(conf, keyNode, value, cipher)
	case flow(conf):
		return d.insertFlow(conf, flowEntry(key, cipher))
	}
	pad := strings.Repeat(" ", conf.Content[0].Column-1)
	return d.insertAfter(d.lastLine(conf), d.block(pad, d.step(confKey, conf), key, cipher)), nil
}

// change replaces the value of a key that is there.
func (d *doc) change(conf, key, value *yaml.Node, cipher string) ([]byte, error) {
	if value.Kind == yaml.MappingNode && len(value.Content) == 2 && value.Content[0].Value == "secure" {
		if start, end, ok := d.scalar(value.Content[1]); ok {
			if c := d.text[start]; c == '"' || c == '\'' {
				start, end = start+1, end-1
			}
			return d.splice(start, end, cipher), nil
		}
	}
	if flow(conf) {
		start, end, ok := d.scalar(value)
		if !ok {
			return nil, fmt.Errorf("editing %s: a value in braces cannot be replaced: %w", d.name, ErrFormat)
		}
		return d.splice(start, end, "{secure: "+cipher+"}"), nil
	}
	pad := strings.Repeat(" ", key.Column-1) + "  "
	return d.replaceValue(key, value, pad+"secure: "+cipher)
}

func (d *doc) addSalt(salt string) []byte {
	line := "encryptionsalt: " + salt
	switch {
	case d.root == nil:
		return d.appendEnd(line)
	case flow(d.root):
		out, err := d.insertFlow(d.root, line)
		if err != nil {
			return d.text
		}
		return out
	}
	first := d.root.Content[0]
	at := d.offset(first.Line, 1)
	if first.Line == 1 && bytes.HasPrefix(d.text, bom) {
		at = len(bom)
	}
	return d.splice(at, at, strings.Repeat(" ", first.Column-1)+line+d.nl)
}

func (d *doc) block(pad, step, key, cipher string) string {
	return pad + quoteKey(key) + ":" + d.nl + pad + step + "secure: " + cipher
}

// step is how much deeper the file writes a nested mapping.
func (d *doc) step(confKey, conf *yaml.Node) string {
	for i := 0; i+1 < len(conf.Content); i += 2 {
		if v := conf.Content[i+1]; v.Kind == yaml.MappingNode && !flow(v) && len(v.Content) > 0 && v.Column > conf.Content[i].Column {
			return strings.Repeat(" ", v.Column-conf.Content[i].Column)
		}
	}
	return strings.Repeat(" ", max(conf.Content[0].Column-confKey.Column, 2))
}

func flowEntry(key, cipher string) string { return quoteKey(key) + ": {secure: " + cipher + "}" }

func quoteKey(key string) string {
	if plainKey.MatchString(key) {
		return key
	}
	return fmt.Sprintf("%q", key)
}
