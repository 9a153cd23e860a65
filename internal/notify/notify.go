// Package notify tells people of a drift check what is new since they were last
// told, by the services of shoutrrr, and pings a heartbeat when all is well.
package notify

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
)

// Known is something that was told: a finding that changes the answer, or a gap
// in what could be checked.
type Known struct {
	Code    string `json:"code"`
	Subject string `json:"subject"`
	// Since is when it was first seen.
	Since time.Time `json:"since"`
}

// CannotTell is the Code of a gap. Its subject begins with the layer.
const CannotTell = "cannot-tell"

func (k Known) key() string { return k.Code + ":" + k.Subject }

// Changes compares what was known before with what is now: what is new, and
// what is gone. The order of each is kept.
func Changes(before, after []Known) (added, gone []Known) {
	less := func(all, without []Known) (out []Known) {
		in := map[string]bool{}
		for _, k := range without {
			in[k.key()] = true
		}
		for _, k := range all {
			if !in[k.key()] {
				out = append(out, k)
			}
		}
		return out
	}
	return less(after, before), less(before, after)
}

// Options say what is told and where it is remembered.
type Options struct {
	// Dir is the folder that remembers what was told: StateDir.
	Dir string
	// World tells catalogs apart: the catalog's absolute path, empty for the
	// built-in one.
	World string
	// Redact hides secrets in a text; nil: it holds none.
	Redact func(string) string
	// Again is the command that prints the whole report.
	Again string
}

// Notifier tells what is new to every address.
type Notifier struct {
	targets []target
	dir     string
	world   string
	redact  func(string) string
	again   string
}

// Parse makes a Notifier of the values of --notify: addresses as shoutrrr has
// them, env:NAME or pass:PATH. It fails with an *Error that is Misused for one
// that cannot be right, before anything is sent, or with pass's own error.
func Parse(ctx context.Context, from Source, refs []string, o Options) (*Notifier, error) {
	n := &Notifier{dir: o.Dir, world: o.World, redact: o.Redact, again: o.Again}
	if n.redact == nil {
		n.redact = func(s string) string { return s }
	}
	if n.again == "" {
		n.again = "go run . drift"
	}
	for _, ref := range refs {
		t, err := from.target(ctx, ref)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(n.targets, func(other target) bool { return other.url.Equal(t.url) }) {
			n.targets = append(n.targets, t)
		}
	}
	return n, nil
}

// Run tells each address what is new since it was last told, in one message,
// and nothing where nothing is. What could not be told is told by the next run.
// The error joins one *Error per address that was not told.
func (n *Notifier) Run(ctx context.Context, r drift.Report) error {
	var errs []error
	for _, t := range n.targets {
		errs = append(errs, n.tell(ctx, t, r))
	}
	return errors.Join(errs...)
}

func (n *Notifier) tell(ctx context.Context, t target, r drift.Report) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	own := func(err error) error {
		return &Error{Where: t.where, Detail: "remembering what was told: " + err.Error(), Next: "ls -ld " + n.dir}
	}
	file, err := n.place(t)
	if err != nil {
		return own(err)
	}
	unlock, err := lock(ctx, file)
	if err != nil {
		return own(err)
	}
	defer unlock()
	before, err := recall(file)
	if err != nil {
		return own(err)
	}
	if before.CheckedAt.After(r.CheckedAt) {
		return nil // a later check was told already
	}
	now := known(before.Known, r)
	added, gone := Changes(before.Known, now)
	if len(added)+len(gone) > 0 {
		m := message{report: r, was: before.Answer, added: added, gone: gone, again: n.again}
		if err := send(ctx, t, n.redact(m.text(limit(t.scheme)))); err != nil {
			return err
		}
	}
	if err := keep(file, memory{CheckedAt: r.CheckedAt, Answer: r.Answer, Known: now}); err != nil {
		return own(err)
	}
	return nil
}

// known is what r says, with what was known before and could not be looked at
// now: a finding that a gap hides is not resolved.
func known(before []Known, r drift.Report) []Known {
	out, in := []Known{}, map[string]int{}
	add := func(k Known) {
		if _, twice := in[k.key()]; !twice {
			in[k.key()] = len(out)
			out = append(out, k)
		}
	}
	for _, f := range r.Findings {
		if f.Counts() {
			add(Known{string(f.Code), f.Subject, r.CheckedAt})
		}
	}
	// What is not looked at, or is being worked on, is not resolved.
	gaps := len(r.Busy) > 0
	for _, l := range r.Layers {
		for _, g := range l.Gaps {
			gaps = true
			add(Known{CannotTell, l.Name + "/" + g.Subject, r.CheckedAt})
		}
		gaps = gaps || len(l.AcceptedGaps) > 0
	}
	for _, b := range before {
		if at, still := in[b.key()]; still {
			out[at].Since = b.Since
		} else if gaps && b.Code != CannotTell && !seen(b, r) {
			add(b)
		}
	}
	return out
}

// seen: the finding is there, and somebody has accepted it.
func seen(k Known, r drift.Report) bool {
	return slices.ContainsFunc(r.Findings, func(f drift.Finding) bool { return f.Key() == k.key() })
}

// send is one message to one address. shoutrrr's errors hold the address, so
// only what they are about is told.
func send(ctx context.Context, t target, text string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		// A service that takes longer than it may is left alone: it holds no lock.
		done <- deliver(string(t.url.Reveal()), text)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = context.DeadlineExceeded
	}
	if err == nil {
		return nil
	}
	return &Error{Where: t.where, Detail: "the notification was not sent: " + reason(err) + "; the next check tells it again",
		Next: "look at the address and at the service (" + t.scheme + "), then the same command again"}
}

var status = regexp.MustCompile(`(?i)status(?: code)?[^0-9]{0,20}([1-5][0-9]{2})\b`)

// reason is what an error of the network or of shoutrrr is about.
func reason(err error) string {
	text := err.Error()
	if strings.Contains(text, errRedirect.Error()) {
		return "it leads to another place, and no redirect is followed"
	}
	if m := status.FindStringSubmatch(text); m != nil {
		return "the service answered HTTP " + m[1]
	}
	for _, known := range [][2]string{
		{"no such host", "its host is not known"}, {"connection refused", "nobody listens there"},
		{"certificate", "its certificate is not valid"}, {"tls:", "there is no TLS"},
		{"deadline exceeded", "no answer in time"}, {"timeout", "no answer in time"}, {"Timeout", "no answer in time"},
		{"network is unreachable", "there is no network"}, {"connection reset", "the connection was cut"}, {"EOF", "the connection was cut"},
		{"initializing", "the service does not take the address"},
	} {
		if strings.Contains(text, known[0]) {
			return known[1]
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return "the service refused it"
}

// limits are the longest messages of services that take fewer than 1900 bytes,
// or take more in one piece: shoutrrr/pkg/services, and their own documents.
func limit(scheme string) int {
	const usual = 1900 // Discord cuts at 2000, and a person reads no more
	limits := map[string]int{"pushover": 1000, "pagerduty": 1000, "twilio": 1500, "ifttt": 1000, "join": 1000, "smtp": 20000, "zulip": 9000}
	if n, ok := limits[scheme]; ok {
		return n
	}
	return usual
}
