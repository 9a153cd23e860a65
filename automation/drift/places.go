package drift

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/fault"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/stacks"
	"github.com/sanmarcsoft/secret-rotation/stacks/hosted"
)

// declared are the names that the catalog gives to one holder, with whose they are.
type declared struct {
	holder hosted.Holder
	names  map[string]owned
}

// owned says which consumer of which secret a name belongs to.
type owned struct{ secret, consumer, stack string }

// holders are all that the catalog declares, whatever is chosen: a name that some
// other secret declares is no stranger.
func (s *scene) holders() []declared {
	var out []declared
	for _, sec := range s.Catalog.Secrets {
		for _, c := range sec.Consumers {
			h, ok := stacks.HolderOf(c, s.Fleet.Account)
			if !ok || !s.whole() && !slices.Contains(s.Stacks, c.Stack) {
				continue
			}
			at := slices.IndexFunc(out, func(d declared) bool { return d.holder == h })
			if at < 0 {
				out, at = append(out, declared{h, map[string]owned{}}), len(out)
			}
			for name := range c.Values {
				out[at].names[name] = owned{sec.Name, c.Name, c.Stack}
			}
		}
	}
	return out
}

// names lists what every holder has: all that the catalog declares, and nothing
// that it does not.
func (s *scene) names(ctx context.Context, out *sheet) {
	var wg fault.Group
	for _, d := range s.holders() {
		wg.Go(func() { s.namesOf(ctx, d, out) })
	}
	wg.Wait()
}

func (s *scene) namesOf(ctx context.Context, d declared, out *sheet) {
	listed, err := s.list(ctx, d.holder)
	if services.KindOf(err) == services.NotFound {
		s.gone(d, err, out)
		return
	}
	if err != nil {
		out.gap(subject(d.holder), err, "go run . doctor")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if o := d.names[name]; !slices.Contains(listed, name) {
			f := Finding{Code: MissingAtConsumer, Subject: join(o.secret, o.consumer, name), Secret: o.secret, Severity: Error, stack: o.stack, holder: subject(d.holder),
				Detail: d.holder.String() + " does not have " + name}
			out.find(f.mendedBy(s.repair(ctx, o.secret, false)))
		}
	}
	for _, name := range listed {
		if _, ok := d.names[name]; !ok {
			out.find(Finding{Code: UnmanagedAtConsumer, Subject: subject(d.holder) + "/" + name, Severity: Warning,
				Detail: d.holder.String() + " has a secret " + name + " that the catalog does not declare, so nobody rotates it: " + undeclared,
				Fix:    s.declare(subject(d.holder) + "/" + name)})
		}
	}
}

// gone: the holder itself is not there, and so nothing of it. It is not this
// program's to make.
func (s *scene) gone(d declared, err error, out *sheet) {
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		o := d.names[name]
		out.find(Finding{Code: MissingAtConsumer, Subject: join(o.secret, o.consumer, name), Secret: o.secret, Severity: Error, stack: o.stack, holder: subject(d.holder),
			Detail: "there is no " + d.holder.String() + " that could have " + name, Fix: s.Next(err)})
	}
}

// undeclared is what can be done about a copy or name that the catalog does not
// know, beside the command of acceptance.
const undeclared = "declare it in the catalog, delete it there, or accept it"

func (s *scene) declare(subject string) string { return s.acceptance(UnmanagedAtConsumer, subject) }

// accepting is the command that accepts that something cannot be checked.
func (s *scene) accepting(subject string) string { return s.acceptance(GapCode, subject) }

// acceptance is the command that takes a finding out of the answer for a quarter.
func (s *scene) acceptance(code Code, subject string) string {
	// What others have named is no pattern.
	literal := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(subject)
	command := fmt.Sprintf("go run . drift accept %s --until %s --reason TEXT", quoted(string(code)+":"+literal), s.Now().AddDate(0, 3, 0).Format(time.DateOnly))
	for _, dir := range s.Search {
		// The same has to be looked through to find it again.
		if strings.HasPrefix(subject, "file/") && dir != s.Folders.Root {
			command += " --search " + quoted(dir)
		}
	}
	return command
}

func (s *scene) list(ctx context.Context, h hosted.Holder) ([]string, error) {
	switch {
	case h.Kind == hosted.Worker:
		return s.Fleet.Workers.Names(ctx, h.Scope, h.Name)
	case s.Fleet.Places == nil:
		return nil, fmt.Errorf("listing the secrets of %s: there is no way to ask", h)
	}
	return s.Fleet.Places.Names(ctx, h)
}

// subject is a holder as findings call it: without what is the same everywhere,
// the account and the region.
func subject(h hosted.Holder) string {
	kind := strings.ToLower(string(h.Kind))
	switch h.Kind {
	case hosted.Container:
		_, namespace, _ := strings.Cut(h.Scope, "/")
		return join(kind, namespace, h.Name)
	case hosted.Environment:
		return join(kind, h.Scope, h.Name)
	}
	return join(kind, h.Name)
}

// holderOf is a consumer's holder as findings call it; empty if it is none.
func (s *scene) holderOf(c secrets.Consumer) string {
	h, ok := stacks.HolderOf(c, s.Fleet.Account)
	if !ok {
		return ""
	}
	return subject(h)
}
