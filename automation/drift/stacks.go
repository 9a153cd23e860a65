package drift

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/fault"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// config compares every catalogued config secret of every stack with pass,
// decrypted in this process.
func (s *scene) config(ctx context.Context, out *sheet) {
	for _, name := range s.stacks {
		o := s.open(ctx, name)
		if o.err != nil {
			out.gap("stack/"+name, o.err, "go run . doctor")
			continue
		}
		for _, t := range o.targets {
			// A declared stack that was never rolled out has nothing yet.
			if t.Entry.Declared && !t.State.Exists {
				continue
			}
			for _, key := range slices.Sorted(maps.Keys(t.Refs)) {
				// Plain text under the name of an optional key is a copy, too.
				if t.Holds(key) || t.Refs[key].Optional && t.Config.Form(key) != engine.Absent {
					s.configKey(ctx, t, key, out)
				}
			}
		}
	}
}

func (s *scene) configKey(ctx context.Context, t *rollout.Target, key string, out *sheet) {
	ref := t.Refs[key]
	c := s.credit(ctx, ref.Secret)
	if c == nil || c.current[ref.Entry].IsZero() {
		return // the pass layer has said so
	}
	// As one catalog stack may stand for several of Pulumi's.
	_, several, _ := strings.Cut(t.Name, "/")
	f := Finding{Subject: join(ref.Secret, ref.Consumer, several, key), Secret: ref.Secret, Severity: Error, stack: t.Entry.Name}
	have, ok := t.Values[key]
	switch {
	case !ok:
		s.absent(ctx, t, key, f, out)
		return
	case have.Equal(c.current[ref.Entry]):
		return
	case have.Equal(c.previous[ref.Entry]), s.before(ctx, ref.Secret, ref.Entry, have):
		f.Code, f.Detail = StaleConsumer, "the config of stack "+t.Name+" holds a value from before: its next up would roll that out"
	case have.Equal(c.pending[ref.Entry]):
		f.Code, f.Detail = StaleConsumer, "the config of stack "+t.Name+" holds the value that waits in pass to be promoted"
	default:
		f.Code, f.Detail = ValueDiffers, "the config of stack "+t.Name+" holds another value than pass: its next up would roll that out"
	}
	out.find(f.mendedBy(s.repair(ctx, ref.Secret, f.Code == StaleConsumer)))
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "/")
}

// resources previews every stack as it stands, its resources looked at anew.
func (s *scene) resources(ctx context.Context, out *sheet) {
	var wg fault.Group
	for _, name := range s.stacks {
		o := s.open(ctx, name)
		for _, t := range o.targets {
			// What holds the stack, or was left half done, the layer locks tells.
			wg.Go(func() { s.resourcesOf(ctx, t, out) })
		}
		if o.err != nil {
			out.gap("stack/"+name, o.err, "go run . doctor")
		}
	}
	wg.Wait()
}

func (s *scene) resourcesOf(ctx context.Context, t *rollout.Target, out *sheet) {
	p, err := t.Look(ctx, nil)
	if err != nil {
		out.gap("stack/"+t.Name, err, "go run . preview --stack "+t.Entry.Name)
		return
	}
	for _, c := range p.Changes {
		f := Finding{Code: ResourceDrift, Subject: "stack/" + t.Name + "/" + named(t, c), Severity: Info, stack: t.Entry.Name,
			Detail: would(c), Fix: "go run . preview --stack " + t.Entry.Name}
		if c.Secret || slices.Contains(hosted.Types(), c.Type) {
			f.Severity = Warning
			if secret := s.onStack(t.Entry.Name); secret != "" {
				f = f.mendedBy(s.known(ctx, secret))
			}
		}
		out.find(f)
	}
}

// named is a resource's name in its stack, with its type where another resource has
// the same name.
func named(t *rollout.Target, c engine.Change) string {
	same := 0
	for _, r := range t.State.Resources {
		if strings.HasSuffix(r.URN, "::"+c.Name) {
			same++
		}
	}
	if same > 1 {
		return plain(c.Type[strings.LastIndexByte(c.Type, ':')+1:] + "/" + c.Name)
	}
	return plain(c.Name)
}

// would says in words what differs.
func would(c engine.Change) string {
	what := c.Type + differing(c)
	switch {
	case c.Gone:
		what += " is gone"
	case c.Refreshed:
		what += " was changed outside of Pulumi"
	default:
		what += " differs from what the state says"
	}
	if c.Op != "refresh" {
		what += "; an up would " + c.Op + " it"
	}
	return what
}

func differing(c engine.Change) string {
	if len(c.Diffs) == 0 {
		return ""
	}
	return " (" + strings.Join(c.Diffs, ", ") + ")"
}

// plain is a name without what a subject may not have.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' {
			return '_'
		}
		return r
	}, name)
}

// onStack is a chosen secret that the stack holds a copy of: its roll-out is an up
// of the stack. Of several it is the one that reaches the fewest other places.
func (s *scene) onStack(stack string) string {
	best, fewest := "", 0
	for _, sec := range s.chosen {
		on := slices.ContainsFunc(sec.Consumers, func(c secrets.Consumer) bool { return c.Stack == stack })
		if on && (best == "" || len(sec.Consumers) < fewest) {
			best, fewest = sec.Name, len(sec.Consumers)
		}
	}
	return best
}

// locks looks at who holds the stacks, and at what was left half done.
func (s *scene) locks(ctx context.Context, out *sheet) {
	for _, name := range s.stacks {
		o := s.open(ctx, name)
		if o.err != nil {
			out.gap("stack/"+name, o.err, "go run . doctor")
			continue
		}
		var held *journal.HeldError
		if err := s.Records.Journal.Holding(ctx, journal.StackLease(name)); s.underWay(err) {
			s.lease(name)
		} else if err != nil && !errors.As(err, &held) {
			out.gap("stack/"+name, err, "go run . doctor")
		}
		for _, t := range o.targets {
			for _, l := range t.State.Locks {
				f := Finding{Code: UnfinishedRotation, Subject: "stack/" + t.Name, Severity: Warning, stack: name,
					Detail: fmt.Sprintf("%s on %s (process %d) holds its lock since %s: an update is under way or was cut off", l.User, l.Host, l.Pid, Moment(l.Time))}
				out.find(f.mendedBy(Repair{Unlock, name}))
			}
			if n := len(t.State.Pending); n > 0 {
				f := Finding{Code: UnfinishedRotation, Subject: "stack/" + t.Name, Severity: Warning, stack: name, Fix: t.Command("refresh --clear-pending-creates"),
					Detail: "an update was cut off: " + strings.Join(t.State.Pending, ", ")}
				// Whether something was created only a person can find out.
				creating := slices.ContainsFunc(t.State.Pending, func(p string) bool { return strings.HasPrefix(p, "creating ") })
				if secret := s.onStack(name); secret != "" && !creating {
					f = f.mendedBy(s.known(ctx, secret))
				}
				out.find(f)
			}
		}
	}
}

func (s *scene) lease(stack string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leased[stack] = true
}
