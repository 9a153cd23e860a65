package drift

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/automation/fault"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/automation/rollout"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store"
)

// Checker has all it takes to check. It changes nothing.
type Checker struct {
	Catalog *secrets.Catalog
	Store   *store.Store
	Records rotation.Records
	Fleet   *rollout.Fleet
	Asker   *proof.Asker
	// Service gives the client that tries a service's credentials, Register the one
	// that lists them.
	Service  func(service string) (services.Checker, bool)
	Register func(service string) (Register, bool)
	// Abroad looks at what Cloudflare, Scaleway and GitHub have.
	Abroad Abroad
	// Key is the fingerprint key.
	Key secrets.Value
	// Folders are where config files are; Search are folders that are looked
	// through for copies in .env files.
	Folders Folders
	Search  []string
	// Stacks limits the check to the catalog's stacks of these names and the
	// secrets that have a consumer on them; empty: everything.
	Stacks []string
	// Hide keeps values out of all output.
	Hide  func(...secrets.Value)
	Watch rotation.Watcher
	// Next is the command that an error asks for; empty where it names none.
	Next func(err error) string
	// Trace takes where a fault in this program ended a layer; nil: nobody reads it.
	Trace func(layer string, stack []byte)
	Now   func() time.Time
	// layers are the test's; nil: those that there are.
	layers []layer
}

// Register is a service's list of credentials.
type Register interface {
	services.Lister
	Identify(ctx context.Context, cred services.Credential) (services.Issued, error)
}

// layer is one kind of check. Layers run side by side.
type layer struct {
	name string
	// what says what is being looked at, for progress.
	what string
	// check is a method of scene.
	check func(s *scene, ctx context.Context, out *sheet)
}

func layers() []layer {
	return []layer{
		{"journal", "reading every rotation's record", (*scene).journal},
		{"pass", "comparing the store with its remote and the catalog", (*scene).pass},
		{"config", "decrypting the stacks' config", (*scene).config},
		{"resources", "previewing every stack with a refresh", (*scene).resources},
		{"names", "listing the names that Workers, containers and repositories have", (*scene).names},
		{"values", "asking every consumer which value it runs with", (*scene).values},
		{"issuers", "asking the services about their credentials", (*scene).issuers},
		{"changes", "looking for changes that were not ours", (*scene).changes},
		{"locks", "looking for locks and half-done updates", (*scene).locks},
		{"files", "looking for config files that others do not have", (*scene).files},
		{"copies", "looking for copies that the catalog does not know", (*scene).copies},
	}
}

// LayerNames are the layers' names, in the order in which they are reported.
func LayerNames() []string {
	var out []string
	for _, l := range layers() {
		out = append(out, l.name)
	}
	return out
}

// sheet takes what one layer finds.
type sheet struct {
	next     func(error) string
	mu       sync.Mutex
	findings []Finding
	gaps     []Gap
}

func (s *sheet) find(f Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findings = append(s.findings, f)
}

// gap notes that something could not be checked.
func (s *sheet) gap(subject string, err error, fix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own := s.next(err); own != "" {
		fix = own
	}
	s.gaps = append(s.gaps, Gap{Subject: subject, Detail: err.Error(), Fix: fix, Cause: causeOf(err)})
}

// causeOf names what keeps several things from being looked at in one go: what opens
// all stacks, or nothing of them. Errors say it of each stack by its name.
func causeOf(err error) string {
	var stack *engine.Error
	if errors.As(err, &stack) && slices.Contains([]engine.Kind{engine.Passphrase, engine.Auth, engine.NoLanguage}, stack.Kind) {
		return string(stack.Kind)
	}
	return ""
}

// consequence is what cannot be told since something else could not be looked at.
type consequence struct {
	text string
	of   error
}

func (e *consequence) Error() string { return e.text }

// Unwrap gives the cause.
func (e *consequence) Unwrap() error { return e.of }

// broken notes that a fault in this program ended the layer, or a part of it.
func (s *sheet) broken(layer string, err error, trace func(string, []byte)) {
	if err == nil {
		return
	}
	f := fault.Recovered(err)
	if trace != nil {
		trace(layer, f.Stack)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gaps = append(s.gaps, Gap{Subject: layer, Detail: f.Error(), Fix: "go run . drift -v"})
}

// Check looks at everything once. The report is whole even where much of it could
// not be looked at, or a layer is at fault itself; the error is only that of a
// context that has ended.
func (c *Checker) Check(ctx context.Context) (Report, error) {
	s := newScene(c)
	all := c.layers
	if all == nil {
		all = layers()
	}
	sheets := make([]sheet, len(all))
	// What is asked beside the layers is the journal's.
	beside := func(f func()) {
		sheets[0].broken(all[0].name, fault.Catch(func() error { f(); return nil }), c.Trace)
	}
	var began []rotation.Standing
	beside(func() { began = s.standing(ctx) })
	report := Report{CheckedAt: c.Now().UTC().Truncate(time.Second), Findings: []Finding{}, Layers: make([]Layer, len(all)),
		Stacks: c.Stacks, Secrets: []Secret{}, Rotations: []Rotation{}}
	var wg fault.Group
	for i, l := range all {
		wg.Go(func() {
			line, start := c.Watch.Begin(l.name, l.what), time.Now()
			sheets[i].next = c.Next
			sheets[i].broken(l.name, fault.Catch(func() error { l.check(s, ctx, &sheets[i]); return nil }), c.Trace)
			report.Layers[i] = Layer{Name: l.name, Seconds: time.Since(start).Seconds()}
			told(line, &sheets[i])
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return Report{}, err
	}
	var busy activity
	beside(func() { busy = s.busy(ctx, began) })
	sheets[0].findings = append(sheets[0].findings, busy.stuck...)
	var accepted []journal.Acceptance
	beside(func() {
		var err error
		if accepted, err = s.Records.Journal.Accepted(ctx); err != nil {
			sheets[0].gap("journal/accepted", fmt.Errorf("what was accepted is not known: %w", err), "go run . doctor")
		}
	})
	beside(func() { s.show(ctx, &report) })
	for i := range all {
		calm := slices.DeleteFunc(sheets[i].findings, busy.finding)
		report.Layers[i].Gaps, report.Layers[i].AcceptedGaps = acceptGaps(slices.DeleteFunc(sheets[i].gaps, busy.gap), accepted, c.Now())
		report.Layers[i].Status = status(calm, report.Layers[i].Gaps)
		report.Findings = append(report.Findings, calm...)
	}
	report.Findings = accept(settle(sortFindings(report.Findings)), accepted, c.Now())
	for i, f := range report.Findings {
		report.Findings[i].own = s.own(f.Repair.Name)
	}
	report.Answer, report.Busy = answer(report.Findings, report.Layers, busy.any()), busy.names()
	return report, nil
}

func status(findings []Finding, gaps []Gap) Status {
	switch {
	case len(gaps) > 0:
		return StatusUnknown
	case slices.ContainsFunc(findings, Finding.Counts):
		return StatusDrift
	}
	return StatusOK
}

// told ends a layer's line of progress.
func told(line rotation.Line, out *sheet) {
	n := 0
	for _, f := range out.findings {
		if f.Counts() {
			n++
		}
	}
	switch {
	case len(out.gaps) > 0:
		line.Fail(fmt.Sprintf("could not be checked whole: %s", out.gaps[0].Detail))
	case n == 1:
		line.Warn("1 finding")
	case n > 1:
		line.Warn(fmt.Sprintf("%d findings", n))
	default:
		line.Done("nothing found")
	}
}

// below: a subject is this one or a part of it.
func below(part, whole string) bool {
	return part == whole || len(part) > len(whole) && part[:len(whole)] == whole && part[len(whole)] == '/'
}

// activity is what other runs of this program are doing.
type activity struct {
	secrets, stacks map[string]bool
	grace           bool
	// stuck are rotations that have been at work for too long.
	stuck []Finding
}

// longest is how long a rotation may be under way, with a person at a dashboard,
// until what it works on is looked at like everything else.
const longest = 6 * time.Hour

// names are those of the secrets and stacks, sorted.
func (a activity) names() (out []string) {
	for name := range a.secrets {
		out = append(out, name)
	}
	for name := range a.stacks {
		out = append(out, "stack/"+name)
	}
	slices.Sort(out)
	return out
}

func (a activity) any() bool { return a.grace || len(a.secrets)+len(a.stacks) > 0 }

// finding reports whether a rotation under way explains it.
func (a activity) finding(f Finding) bool {
	return a.secrets[f.Secret] || a.stacks[f.stack]
}

func (a activity) gap(g Gap) bool {
	for name := range a.secrets {
		if below(g.Subject, name) {
			return true
		}
	}
	for name := range a.stacks {
		if below(g.Subject, "stack/"+name) {
			return true
		}
	}
	return false
}

// underWay reports whether the error is that of a lease which somebody holds, and
// not for too long. One that cannot be read says of nobody that he works.
func (s *scene) underWay(err error) bool {
	var held *journal.HeldError
	return errors.As(err, &held) && held.Unreadable == "" && s.Now().Sub(held.Since) <= longest && held.Free.Sub(s.Now()) <= farthest
}

// farthest is more than any lease lasts until it has to be renewed.
const farthest = time.Hour

// stuck tells of a lease on a secret, or on its stack, that is nobody's at work.
func stuck(held *journal.HeldError, secret string) Finding {
	f := Finding{Code: UnfinishedRotation, Subject: secret, Secret: secret, Severity: Error,
		// Somebody left it at a question: nothing of it is in progress.
		Detail: fmt.Sprintf("%s works on it since %s, and says so until %s: too long for a rotation", held.Holder, Moment(held.Since), Moment(held.Free)),
		Fix:    "go run . history --secret " + secret}
	if held.Unreadable != "" {
		f.Code, f.Subject, f.Detail, f.Fix = ForeignChange, "lease/"+strings.ReplaceAll(held.Name, " ", "/"), held.Error(), "go run . journal release --secret "+secret
	}
	return f
}

// busy are the secrets and stacks on which somebody works, or worked while they
// were looked at: what was seen of them is no standing but a step.
func (s *scene) busy(ctx context.Context, began []rotation.Standing) activity {
	a := activity{secrets: map[string]bool{}, stacks: map[string]bool{}}
	before := map[string]int{}
	for _, st := range began {
		before[st.Secret.Name] = st.Last.Number
		a.grace = a.grace || st.InGrace()
		if st.Held != nil && s.underWay(st.Held) {
			a.secrets[st.Secret.Name] = true
		}
	}
	for _, sec := range s.chosen {
		log, err := s.Records.Journal.Open(ctx, sec.Name)
		if err != nil {
			continue // the layer has said so
		}
		var held *journal.HeldError
		holding := s.Records.Journal.Holding(ctx, sec.Name)
		if log.Last().Number > before[sec.Name] || s.underWay(holding) {
			a.secrets[sec.Name] = true
		}
		if errors.As(holding, &held) && !s.underWay(held) {
			a.stuck = append(a.stuck, stuck(held, sec.Name))
		}
	}
	for _, stack := range s.stacks {
		var held *journal.HeldError
		holding := s.Records.Journal.Holding(ctx, journal.StackLease(stack))
		if s.underWay(holding) || s.leased[stack] {
			a.stacks[stack] = true
		}
		if errors.As(holding, &held) && held.Unreadable != "" {
			a.stuck = append(a.stuck, stuck(held, s.onStack(stack)))
		}
	}
	for name := range a.secrets {
		if sec, ok := s.Catalog.Secret(name); ok {
			for _, c := range sec.Consumers {
				if c.Stack != "" {
					a.stacks[c.Stack] = true
				}
			}
		}
	}
	return a
}
