package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/internal/near"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// KeyError says why a stack's config key is not set: something else stands
// there, or nothing does and nobody said that the key is new.
type KeyError struct {
	Stack, Key string
	Form       engine.Form
	// Inside are the paths of what an object or a list holds.
	Inside []string
	// Meant is the config secret that was probably meant, or the path of a value
	// inside an object; Holds says that it has the value in question.
	Meant string
	Holds bool
	// Next is what to do.
	Next []string
}

// Error says what stands under the key and what was probably meant.
func (e *KeyError) Error() string {
	text := "config " + e.Key + " of stack " + e.Stack + " "
	switch e.Form {
	case engine.Object:
		text += "is an object or a list (" + strings.Join(e.Inside, ", ") + "), and to set the key would replace all of it"
	case engine.Plain:
		text += "is not encrypted, and is not replaced"
	case engine.Unreadable:
		text += "was not encrypted with this stack's passphrase and salt"
	case engine.Absent:
		text = "stack " + e.Stack + " has no config secret " + e.Key
	}
	switch {
	case e.Holds:
		text += "; " + e.Meant + " holds the value"
	case e.Meant != "":
		text += "; did you mean " + e.Meant + "?"
	}
	return text
}

// Absent: nothing stands under the key.
func (e *KeyError) Absent() bool { return e.Form == engine.Absent }

// Settable returns a *KeyError unless the target may be given a value under the
// key. It may where a secret stands, and where nothing does if the stack is
// declared or create says that the key is new. The values are those that the
// key is known to have had.
func (t *Target) Settable(key string, create bool, had ...secrets.Value) error {
	e := &KeyError{Stack: t.Name, Key: key, Form: t.Config.Form(key)}
	// What a first roll-out or an earlier step of this process has set.
	if _, set := t.Values[key]; e.Form == engine.Secret || e.Form == engine.Absent && (set || create || t.Entry.Declared || t.Refs[key].Optional) {
		return nil
	}
	for _, n := range t.Config.Inside(key) {
		e.Inside = append(e.Inside, n.Path)
	}
	set := t.Command("config set --secret " + key)
	switch e.Form {
	case engine.Plain:
		e.Next = []string{set + "   (asks for the value, and encrypts it)"}
	case engine.Unreadable:
		e.Next = []string{set + "   (asks for the value, and encrypts it for this stack)"}
	case engine.Object:
		e.Meant, e.Holds = t.holds(had)
		e.Next = []string{t.Command("config set --secret NEW-KEY") + "   (give the value a key of its own, read it in the program, and name it in the catalog)"}
	default:
		if e.Meant, e.Holds = t.holds(had); e.Meant == "" {
			e.Meant = near.Nearest(key, t.spare())
		}
		switch {
		case e.Meant == "":
			e.Next = []string{t.Command("config") + "   (lists the keys that it has)"}
		case slices.Contains(t.spare(), e.Meant):
			e.Next = []string{"write " + e.Meant + " in place of " + key + " in the catalog"}
		default:
			e.Next = []string{t.Command("config set --secret "+key) + "   (a rotation does not reach into an object: give the value a key of its own, and read that in the program)"}
		}
	}
	return e
}

// holds is what has one of these values and no entry in the catalog: a config
// secret, or something inside an object or a list.
func (t *Target) holds(had []secrets.Value) (place string, found bool) {
	is := func(v secrets.Value) bool {
		return slices.ContainsFunc(had, func(h secrets.Value) bool { return !h.IsZero() && h.Equal(v) })
	}
	for _, key := range t.spare() {
		if is(t.Values[key]) {
			return key, true
		}
	}
	for _, n := range t.Config.Nested {
		if is(n.Value) {
			return n.Path, true
		}
	}
	return "", false
}

// spare are the config secrets that the catalog does not name, sorted.
func (t *Target) spare() []string {
	named := map[string]bool{}
	for key := range t.Refs {
		named[t.Config.Key(key)] = true
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(t.Config.Secrets)), func(key string) bool { return named[key] })
}

// Record is the key of this target as the journal has it.
func (t *Target) Record(key string) string { return fmt.Sprintf("%s %s", t.Name, key) }
