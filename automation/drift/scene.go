package drift

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/sanmarcsoft/secret-rotation/automation/fault"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// scene is one check: what several layers need is read once, by the first that
// asks.
type scene struct {
	*Checker
	// chosen are the secrets that are looked at, stacks the catalog's stacks.
	chosen []secrets.Secret
	stacks []string

	mu sync.Mutex
	// leased are stacks on which somebody held a lease when they were looked at.
	leased map[string]bool
	// seen are the consumers' answers and the issuers' words, for the view.
	answers map[string][]Consumer
	issued  map[string]services.State
	// readable are the keys that pass encrypts to, by secret.
	readable map[string][]string

	standings once[[]rotation.Standing]
	credits   once[map[string]*credit]
	opens     once[map[string]*opened]
	boxes     once[listed]
	past      map[past]*once[[]old]
}

func newScene(c *Checker) *scene {
	own := *c
	s := &scene{Checker: &own, leased: map[string]bool{}, answers: map[string][]Consumer{}, issued: map[string]services.State{}, past: map[past]*once[[]old]{}}
	for _, stack := range c.Catalog.Stacks {
		if len(c.Stacks) == 0 || slices.Contains(c.Stacks, stack.Name) {
			s.stacks = append(s.stacks, stack.Name)
		}
	}
	for _, sec := range c.Catalog.Secrets {
		on := slices.ContainsFunc(sec.Consumers, func(k secrets.Consumer) bool { return slices.Contains(c.Stacks, k.Stack) })
		if len(c.Stacks) == 0 || on {
			s.chosen = append(s.chosen, sec)
		}
	}
	asker := *c.Asker
	asker.Config = s.configs
	own.Asker = &asker
	return s
}

// configs gives consumers' questions the config that was opened already.
func (s *scene) configs(ctx context.Context, stack string) (map[string]map[string]secrets.Value, error) {
	o := s.open(ctx, stack)
	if o == nil {
		return nil, fmt.Errorf("stack %s is not looked at", stack)
	}
	if o.err != nil {
		return nil, o.err
	}
	out := map[string]map[string]secrets.Value{}
	for _, t := range o.targets {
		out[t.Name] = t.Values
	}
	return out, nil
}

// whole reports whether everything is looked at, and not some stacks alone.
func (s *scene) whole() bool { return len(s.Stacks) == 0 }

// own reports whether this program itself works with the secret.
func (s *scene) own(secret string) bool {
	sec, _ := s.Catalog.Secret(secret)
	return len(s.Catalog.UsesOf(sec)) > 0
}

// consumers are the secret's consumers that are looked at.
func (s *scene) consumers(sec secrets.Secret) []secrets.Consumer {
	return slices.DeleteFunc(slices.Clone(sec.Consumers), func(c secrets.Consumer) bool {
		return !s.whole() && !slices.Contains(s.Stacks, c.Stack)
	})
}

// standing is what journal and pass's history say of the chosen secrets.
func (s *scene) standing(ctx context.Context) []rotation.Standing {
	return s.standings.get(func() []rotation.Standing {
		return slices.DeleteFunc(s.Records.Status(ctx), func(st rotation.Standing) bool {
			return !slices.ContainsFunc(s.chosen, func(sec secrets.Secret) bool { return sec.Name == st.Secret.Name })
		})
	})
}

func (s *scene) standingOf(ctx context.Context, name string) rotation.Standing {
	for _, st := range s.standing(ctx) {
		if st.Secret.Name == name {
			return st
		}
	}
	return rotation.Standing{}
}

// credit is what pass holds of one secret.
type credit struct {
	// current lacks what is wrong.
	current services.Credential
	wrong   []wrong
	// pending and previous are whole credentials: current with the entries that
	// stand in rotation/pending or rotation/previous; nil where none does.
	pending, previous services.Credential
}

// wrong is an entry that holds nothing which could be compared.
type wrong struct {
	entry secrets.Entry
	err   error
}

// whole reports whether every entry could be read and has its form.
func (c *credit) whole() bool { return len(c.wrong) == 0 }

// credit reads every chosen secret's entries, in one go.
func (s *scene) credit(ctx context.Context, name string) *credit {
	return s.credits.get(func() map[string]*credit {
		read := s.entries(ctx)
		out := map[string]*credit{}
		for _, sec := range s.chosen {
			c := &credit{current: services.Credential{}}
			for _, e := range sec.Entries {
				v, err := read(ctx, e, e.Path)
				if err == nil {
					err = e.Check(v)
				}
				if err != nil {
					c.wrong = append(c.wrong, wrong{e, err})
					continue
				}
				c.current[e.Name()] = v
			}
			c.pending = kept(ctx, sec, c.current, rotation.PendingPath, read)
			c.previous = kept(ctx, sec, c.current, rotation.PreviousPath, read)
			out[sec.Name] = c
		}
		return out
	})[name]
}

// reader gives the value that an entry's format finds at a path.
type reader func(ctx context.Context, e secrets.Entry, path string) (secrets.Value, error)

// entries decrypts all that the chosen secrets have in pass, side by side.
func (s *scene) entries(ctx context.Context) reader {
	var paths []string
	for _, sec := range s.chosen {
		for _, e := range sec.Entries {
			for _, p := range []string{e.Path, rotation.PendingPath(e.Path), rotation.PreviousPath(e.Path)} {
				if s.Store.Exists(p) {
					paths = append(paths, p)
				}
			}
		}
	}
	// What could not be read is not in the map, and tells its error when it is
	// read alone.
	read, _ := s.Store.ReadAll(ctx, paths)
	return func(ctx context.Context, e secrets.Entry, path string) (secrets.Value, error) {
		entry, ok := read[path]
		if !ok {
			var err error
			if entry, err = s.Store.Read(ctx, path); err != nil {
				return secrets.Value{}, err
			}
		}
		v, err := entry.Secret(e.Read)
		s.Hide(v)
		return v, err
	}
}

// kept is the credential with what stands in another folder for its entries; nil
// where nothing does.
func kept(ctx context.Context, sec secrets.Secret, current services.Credential, at func(string) string, read reader) services.Credential {
	out, any := maps.Clone(current), false
	for _, e := range sec.Entries {
		if v, err := read(ctx, e, at(e.Path)); err == nil && !v.IsZero() {
			out[e.Name()], any = v, true
		}
	}
	if !any {
		return nil
	}
	return out
}

// opened is a stack of the catalog with the Pulumi stacks behind it.
type opened struct {
	targets []*rollout.Target
	err     error
}

// open opens the chosen stacks, each by itself: one that cannot be opened hides
// no other.
func (s *scene) open(ctx context.Context, stack string) *opened {
	return s.opens.get(func() map[string]*opened {
		out := map[string]*opened{}
		for _, name := range s.stacks {
			out[name] = &opened{}
		}
		var wg fault.Group
		for name, o := range out {
			wg.Go(func() {
				o.err = fault.Catch(func() (err error) { o.targets, err = s.Fleet.Open(ctx, name); return err })
			})
		}
		wg.Wait()
		return out
	})[stack]
}

// repair brings pass's value to the consumers of a secret. stale says that one of
// them runs with a value that pass held before.
func (s *scene) repair(ctx context.Context, secret string, stale bool) Repair {
	st := s.standingOf(ctx, secret)
	switch {
	case st.Err == nil && st.Unfinished() && st.Last.Number > 0:
		return Repair{goOn(st), secret}
	case s.edited(ctx, secret), stale && len(st.Last.Promoted) == 0:
		return Repair{Pending, secret}
	}
	return Repair{Roll, secret}
}

// known makes what stands at a secret's consumers the known state, with pass's
// value everywhere. A rotation that waits or stopped ends first.
func (s *scene) known(ctx context.Context, secret string) Repair {
	switch r := s.repair(ctx, secret, false); {
	case s.standingOf(ctx, secret).InGrace():
		return Repair{GoOn, secret}
	case r.Verb != Roll:
		return r
	}
	return Repair{Anew, secret}
}

// goOn is what continues an unfinished rotation or adoption.
func goOn(st rotation.Standing) Verb {
	if st.Last.State == journal.Adopting {
		return Readopt
	}
	return GoOn
}

// edited reports whether pass holds another value than the journal last saw at
// every consumer: somebody put it there, and it was never rolled out.
func (s *scene) edited(ctx context.Context, secret string) bool {
	if !s.Store.Exists(secrets.FingerprintKeyPath) {
		return false // nothing can be compared with the journal
	}
	promoted, c := s.standingOf(ctx, secret).Last.Promoted, s.credit(ctx, secret)
	if c == nil {
		return false // it is not looked at
	}
	for name, v := range c.current {
		if was, ok := promoted[name]; ok && was != v.Fingerprint(s.Key) {
			return true
		}
	}
	return false
}
