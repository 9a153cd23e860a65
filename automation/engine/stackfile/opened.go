package stackfile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Form is how a key stands in a file.
type Form int

// The forms. Only a Secret is ever replaced, and only what is Absent is added.
const (
	Absent Form = iota
	Secret
	Plain  // a value that is not encrypted
	Object // an object or a list, with whatever is inside it
	// Unreadable was encrypted with another passphrase or salt than the file's.
	Unreadable
)

// Opened is a file's config, decrypted. Keys are in the form of File.Key.
type Opened struct {
	// Secrets are the values of Secret keys, Plain those of Plain keys.
	Secrets map[string]secrets.Value
	Plain   map[string]string
	// Nested are the values inside objects and lists, by their paths.
	Nested []Nested
	// Unreadable lists the keys that could not be decrypted, sorted. An object
	// is one of them if anything inside it is.
	Unreadable []string

	project string
	objects []string
}

// Nested is one value inside an object or a list.
type Nested struct {
	// Key is the object's; Path leads to the value as `pulumi config --path`
	// takes it: app.keys[0].
	Key, Path string
	// Secret: it is encrypted.
	Secret bool
	Value  secrets.Value
}

// Key is a key in the form of File.Key.
func (o Opened) Key(key string) string { return strings.TrimPrefix(key, o.project+":") }

// Form says how a key stands in the file. The key may begin with the project's
// name.
func (o Opened) Form(key string) Form {
	key = o.Key(key)
	_, secret := o.Secrets[key]
	_, plain := o.Plain[key]
	switch {
	case slices.Contains(o.objects, key):
		return Object
	case slices.Contains(o.Unreadable, key):
		return Unreadable
	case secret:
		return Secret
	case plain:
		return Plain
	}
	return Absent
}

// Secret is the value of a Secret key, which may begin with the project's name.
func (o Opened) Secret(key string) (secrets.Value, bool) {
	v, ok := o.Secrets[o.Key(key)]
	return v, ok
}

// Inside are the values of the object or list under a key.
func (o Opened) Inside(key string) []Nested {
	key = o.Key(key)
	return slices.DeleteFunc(slices.Clone(o.Nested), func(n Nested) bool { return n.Key != key })
}

// decrypter gives the secret at a path, from its ciphertext.
type decrypter func(path, cipher string) (secrets.Value, bool)

// Decrypt opens the config with the file's crypter. A value that it does not
// open bars no other one.
func (f File) Decrypt(ctx context.Context, c Content, crypt Crypter) (Opened, error) {
	return f.opened(c, func(_, cipher string) (secrets.Value, bool) {
		// The cause may quote what it failed on.
		text, err := crypt.crypter.DecryptValue(ctx, cipher)
		return secrets.NewValue([]byte(text)), err == nil
	})
}

// Unsealed opens what is not encrypted: every secret is Unreadable.
func (f File) Unsealed(c Content) (Opened, error) {
	return f.opened(c, func(string, string) (secrets.Value, bool) { return secrets.Value{}, false })
}

func (f File) opened(c Content, decrypt decrypter) (Opened, error) {
	o := Opened{Secrets: map[string]secrets.Value{}, Plain: map[string]string{}, project: f.Project.Name.String()}
	for k, v := range c.Config {
		key := f.Key(k)
		data, err := v.ToObject()
		if err != nil {
			return Opened{}, fmt.Errorf("reading %s of %s: %w", key, f.name(), ErrFormat)
		}
		switch text, single := data.(string); {
		case v.Object():
			o.objects = append(o.objects, key)
			if !o.inside(f, k, data, decrypt) {
				o.Unreadable = append(o.Unreadable, key)
			}
		case v.Secure() && single:
			f.Walk(k, text, func(path string, _ any) {
				if value, ok := decrypt(path, text); ok {
					o.Secrets[key] = value
				} else {
					o.Unreadable = append(o.Unreadable, key)
				}
			})
		default:
			if o.Plain[key], err = v.Value(config.NopDecrypter); err != nil {
				return Opened{}, fmt.Errorf("reading %s of %s: %w", key, f.name(), ErrFormat)
			}
		}
	}
	slices.Sort(o.objects)
	slices.Sort(o.Unreadable)
	slices.SortFunc(o.Nested, func(a, b Nested) int { return strings.Compare(a.Path, b.Path) })
	return o, nil
}

// inside adds the values of one object; it is false if one could not be opened.
func (o *Opened) inside(f File, k config.Key, data any, decrypt decrypter) bool {
	whole := true
	f.Walk(k, data, func(path string, leaf any) {
		n := Nested{Key: f.Key(k), Path: path, Secret: true}
		cipher, secret := ciphertext(leaf)
		ok := true
		if secret {
			n.Value, ok = decrypt(path, cipher)
		} else {
			n.Secret, n.Value = false, secrets.NewValue(fmt.Append(nil, leaf))
		}
		if whole = whole && ok; ok {
			o.Nested = append(o.Nested, n)
		}
	})
	return whole
}

// Walk calls each for every value inside a key's object or list, with the path
// that leads to it, or for the key's own value. A ciphertext, {secure: …}, is
// one value.
func (f File) Walk(k config.Key, data any, each func(path string, leaf any)) {
	prefix := ""
	if k.Namespace() != f.Project.Name.String() {
		prefix = k.Namespace() + ":"
	}
	walk(resource.PropertyPath{k.Name()}, data, func(p resource.PropertyPath, leaf any) { each(prefix+p.String(), leaf) })
}

func walk(at resource.PropertyPath, data any, each func(resource.PropertyPath, any)) {
	below := func(step any) resource.PropertyPath { return append(slices.Clone(at), step) }
	_, sealed := ciphertext(data)
	switch data := data.(type) {
	case map[string]any:
		if sealed {
			each(at, data)
			return
		}
		for name, v := range data {
			walk(below(name), v, each)
		}
	case []any:
		for i, v := range data {
			walk(below(i), v, each)
		}
	case nil:
	default:
		each(at, data)
	}
}

func ciphertext(data any) (string, bool) {
	m, _ := data.(map[string]any)
	text, ok := m["secure"].(string)
	return text, ok && len(m) == 1
}
