// Package proof asks a consumer which value of a secret it runs with. It never
// takes silence, a cached page or the absence of an error for an answer: what
// cannot be told is Unknown, and Unknown is never shown as fine.
//
// What each way proves:
//
//   - attest: somebody whom the address leads to runs with all values (see
//     package attest).
//   - hash: a ready container was given them. Scaleway is believed.
//   - environ: a process was started with them. The pid file is believed where
//     only this user and root may write it.
//   - http: something works that does not work with a bad credential. While the
//     old value lives too, it may be that one: only the questions after its
//     death tell. A consumer that works without using the credential, and fails
//     at badUrl for show, is not seen through.
//   - login: the place itself takes the values.
//   - config, pass: a copy holds the values. What runs was not asked: a process
//     that read the copy earlier may have others.
//   - names, person: the name is there. Nothing about the value.
//   - updated: the name is there and was set since our write began. Nothing about
//     the value: somebody else may have set it since.
package proof

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/services/scaleway"
)

// Answer is what a consumer said.
type Answer string

// The answers. Differs is only said when another value was proven or the
// consumer proves that it has not this one; Unknown when nothing was proven.
const (
	Match       Answer = "match"
	Differs     Answer = "differs"
	Present     Answer = "present"
	Unreachable Answer = "unreachable"
	Unknown     Answer = "unknown"
)

// Phrase says an answer and the kind of its proof in a few words.
func Phrase(a Answer, kind secrets.ProofKind) string {
	if a == Match && kind == secrets.ProofConfigured {
		return "match (configured: deployed, not verified at run time)"
	}
	return fmt.Sprintf("%s (%s)", a, kind)
}

// Result is one consumer's answer about one secret.
type Result struct {
	Secret   string
	Consumer string
	Kind     secrets.ConsumerKind
	// Proof is the kind of proof that was had, or was tried where the answer
	// is not a match.
	Proof  secrets.ProofKind
	Answer Answer
	// Detail says in words what was seen; never a value.
	Detail string
	// Has is the name of the Known that it proved to run with; empty where it
	// proved none.
	Has string
	// Lacks: it differs since a name is not there at all. Older: since it was set
	// before the value was written.
	Lacks, Older bool
	// Refused: it answers, and proves neither this value nor a known one.
	Refused bool
	// Beside: it is the stack's config that differs; what runs was fine.
	Beside bool
	// Answers is how many good answers in a row it rests on.
	Answers int
	// Stale: an answer with another value followed a good one, so several instances
	// answer and not all run with the value.
	Stale bool
	At    time.Time
}

// Question asks for Want; Known are other values that the consumer may run with
// instead (the previous ones, the pending ones), with the words to call them.
type Question struct {
	Secret   secrets.Secret
	Consumer secrets.Consumer
	Want     services.Credential
	Known    []Known
	// Row is the least number of good answers in a row that Watch believes, where
	// the window's is not enough; 0: the window's.
	Row int
}

// Known is a credential and what to call it, such as "the previous value".
type Known struct {
	Name   string
	Values services.Credential
}

// Asker knows the ways to a consumer. A nil way makes the answer Unknown.
type Asker struct {
	HTTP *http.Client
	// Config gives the decrypted config secrets of every Pulumi stack that a
	// stack of the catalog stands for, by Pulumi's name of the stack.
	Config func(ctx context.Context, stack string) (map[string]map[string]secrets.Value, error)
	// Pass reads the entry that a reader of pass gets.
	Pass func(ctx context.Context, e secrets.Entry) (secrets.Value, error)
	// Names lists the secret names of a Worker.
	Names func(ctx context.Context, worker string) ([]string, error)
	// Hashes asks Scaleway about the container that a probe names.
	Hashes func(ctx context.Context, p secrets.Probe) (scaleway.Hashed, error)
	// Updated says when each secret of a consumer of kind actions was last set, by
	// its service's clock; one that it does not have is absent.
	Updated func(ctx context.Context, c secrets.Consumer) (map[string]time.Time, error)
	// Since is when the value that a secret's consumers should run with was first
	// written to them; zero where that is not known.
	Since func(ctx context.Context, secret string) (time.Time, error)
	// Proc is where the kernel shows processes; empty means /proc.
	Proc string
	// Login tries the credential at a consumer of kind backend or registry.
	Login func(ctx context.Context, c secrets.Consumer, cred services.Credential) (services.Report, error)
	Now   func() time.Time
}

// Ask asks once.
func (a *Asker) Ask(ctx context.Context, q Question) Result {
	r := Result{Secret: q.Secret.Name, Consumer: q.Consumer.Name, Kind: q.Consumer.Kind, Proof: q.Consumer.Probe.Kind, At: a.Now().UTC()}
	a.ask(ctx, q, &r)
	// A container that runs with the right value while its stack's config holds
	// another one will run with that other one after the next up; and one that
	// cannot say what it runs with surely does not run with what was never set.
	good := r.Answer == Match || r.Answer == Present
	if good && q.Consumer.Kind == secrets.KindConfig && q.Consumer.Probe.By != "config" {
		if answer, detail := a.config(ctx, q); answer != Match {
			r.Answer, r.Detail, r.Beside = answer, r.Detail+", but "+detail, true
		}
	}
	return r
}

// ask fills in what the consumer said.
func (a *Asker) ask(ctx context.Context, q Question, r *Result) {
	switch q.Consumer.Probe.By {
	case "attest":
		a.attest(ctx, q, r)
	case "config":
		r.Answer, r.Detail = a.config(ctx, q)
		r.unasked(q.Consumer)
	case "pass":
		r.Answer, r.Detail = a.pass(ctx, q)
		r.unasked(q.Consumer)
	case "http":
		r.Answer, r.Detail = a.http(ctx, q)
	case "login":
		r.Answer, r.Detail = a.login(ctx, q)
	case "names":
		a.names(ctx, q, r)
	case "updated":
		a.updated(ctx, q, r)
	case "hash":
		a.hash(ctx, q, r)
	case "environ":
		a.environ(q, r)
	case "person":
		r.Answer, r.Detail = Present, "the catalog names it; a person has to test which value it runs with"
	default:
		r.Answer, r.Detail = Unknown, "there is no way to ask it"
	}
}

// unasked says of a copy that holds the value what that tells of what runs.
func (r *Result) unasked(c secrets.Consumer) {
	switch {
	case r.Answer != Match:
	case c.Reads == secrets.ReadsEachRun:
		r.Detail += ", which it reads at each run"
	default:
		r.Detail += "; what runs was not asked"
	}
}

// say sets an answer.
func (r *Result) say(answer Answer, detail string) { r.Answer, r.Detail = answer, detail }

// attest asks under the wanted values, then under the others that are known: a
// refusal alone does not tell another value from a consumer without the snippet.
func (a *Asker) attest(ctx context.Context, q Question, r *Result) {
	var err error
	for range burst {
		if err = a.attestOne(ctx, q, q.Want); err != nil {
			break
		}
	}
	if err == nil {
		r.say(Match, "it proved that it runs with this value")
		return
	}
	if !errors.Is(err, attest.ErrRefused) && !errors.Is(err, attest.ErrForged) {
		r.say(Unreachable, err.Error())
		return
	}
	for _, k := range q.Known {
		if a.attestOne(ctx, q, k.Values) != nil {
			continue
		}
		if same(k.Values, q.Want) {
			r.say(Unknown, "it refused this value and then proved it: several instances answer, and not all run with it")
			return
		}
		r.say(Differs, "it proved that it runs with "+k.Name)
		r.Has = k.Name
		return
	}
	r.say(Unknown, "it does not run with this value, or does not answer the attest protocol")
	r.Refused = errors.Is(err, attest.ErrRefused)
}

func same(a, b services.Credential) bool {
	return maps.EqualFunc(a, b, secrets.Value.Equal)
}

func (a *Asker) attestOne(ctx context.Context, q Question, cred services.Credential) error {
	values := make([]secrets.Value, 0, len(q.Secret.Entries))
	for _, e := range q.Secret.Entries {
		values = append(values, cred[e.Name()])
	}
	req, pending, err := attest.NewRequest(ctx, q.Consumer.Probe.URL, q.Secret.Name, attest.Key(values...), a.Now())
	if err != nil {
		return err
	}
	resp, err := a.do(req)
	if err != nil {
		return fmt.Errorf("asking %s: %w", q.Consumer.Name, withoutURL(err))
	}
	return pending.Verify(resp)
}

// config compares the decrypted config secrets of every Pulumi stack. Names
// that the consumer takes only where they are set already may be absent.
func (a *Asker) config(ctx context.Context, q Question) (Answer, string) {
	stacks, err := a.Config(ctx, q.Consumer.Stack)
	if err != nil {
		return Unreachable, err.Error()
	}
	for stack, values := range stacks {
		for key, entry := range q.Consumer.Values {
			have, ok := values[key]
			if !ok && slices.Contains(q.Consumer.Optional, key) {
				continue
			}
			if !ok {
				return Differs, fmt.Sprintf("config of stack %s has no %s", stack, key)
			}
			if !have.Equal(q.Want[entry]) {
				return Differs, fmt.Sprintf("config of stack %s holds another %s", stack, key)
			}
		}
	}
	if len(stacks) == 0 {
		return Differs, "stack " + q.Consumer.Stack + " does not exist yet"
	}
	return Match, "the decrypted config holds this value"
}

func (a *Asker) pass(ctx context.Context, q Question) (Answer, string) {
	for _, e := range q.Secret.Entries {
		have, err := a.Pass(ctx, e)
		if err != nil {
			return Unreachable, err.Error()
		}
		if !have.Equal(q.Want[e.Name()]) {
			return Differs, "entry " + e.Path + " holds another value"
		}
	}
	return Match, "pass holds this value"
}

func (a *Asker) login(ctx context.Context, q Question) (Answer, string) {
	report, err := a.Login(ctx, q.Consumer, q.Want)
	switch {
	case err != nil:
		return Unreachable, err.Error()
	case report.State == services.Alive:
		return Match, "it accepts the credential"
	case report.State == services.Dead:
		return Differs, "it refuses the credential"
	}
	return Unknown, report.Detail
}

func (a *Asker) names(ctx context.Context, q Question, r *Result) {
	listed, err := a.Names(ctx, q.Consumer.Worker)
	if err != nil {
		r.say(Unreachable, err.Error())
		return
	}
	var missing []string
	for name := range q.Consumer.Values {
		if !slices.Contains(listed, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		r.say(Differs, "it does not list "+strings.Join(missing, ", "))
		r.Lacks = true
		return
	}
	r.say(Present, "it lists the name; the value is not proven")
}
