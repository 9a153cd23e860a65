// Package proof asks a consumer which value of a secret it runs with. It never
// takes silence, a cached page or the absence of an error for an answer: what
// cannot be told is Unknown, and Unknown is never shown as fine.
package proof

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
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
	At     time.Time
}

// Question asks for Want; Known are other values that the consumer may run with
// instead (the previous ones, the pending ones), with the words to call them.
type Question struct {
	Secret   secrets.Secret
	Consumer secrets.Consumer
	Want     services.Credential
	Known    []Known
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
	// Login tries the credential at a consumer of kind backend or registry.
	Login func(ctx context.Context, c secrets.Consumer, cred services.Credential) (services.Report, error)
	Now   func() time.Time
}

// Ask asks once.
func (a *Asker) Ask(ctx context.Context, q Question) Result {
	r := Result{Secret: q.Secret.Name, Consumer: q.Consumer.Name, Kind: q.Consumer.Kind, Proof: q.Consumer.Probe.Kind, At: a.Now().UTC()}
	r.Answer, r.Detail = a.ask(ctx, q)
	// A container that runs with the right value while its stack's config holds
	// another one will run with that other one after the next up.
	if r.Answer == Match && q.Consumer.Kind == secrets.KindConfig && q.Consumer.Probe.By != "config" {
		if answer, detail := a.config(ctx, q); answer != Match {
			r.Answer, r.Detail = answer, "it runs with the value, but "+detail
		}
	}
	return r
}

func (a *Asker) ask(ctx context.Context, q Question) (Answer, string) {
	switch q.Consumer.Probe.By {
	case "attest":
		return a.attest(ctx, q)
	case "config":
		return a.config(ctx, q)
	case "pass":
		return a.pass(ctx, q)
	case "http":
		return a.http(ctx, q)
	case "login":
		return a.login(ctx, q)
	case "names":
		return a.names(ctx, q)
	}
	return Unknown, "a person has to test it"
}

// attest asks under the wanted values, then under the others that are known: a
// refusal alone does not tell another value from a consumer without the snippet.
func (a *Asker) attest(ctx context.Context, q Question) (Answer, string) {
	err := a.attestOne(ctx, q, q.Want)
	if err == nil {
		return Match, "it proved that it runs with this value"
	}
	if !errors.Is(err, attest.ErrRefused) && !errors.Is(err, attest.ErrForged) {
		return Unreachable, err.Error()
	}
	for _, k := range q.Known {
		if a.attestOne(ctx, q, k.Values) == nil {
			return Differs, "it proved that it runs with " + k.Name
		}
	}
	return Unknown, "it does not run with this value, or does not answer the attest protocol"
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
	resp, err := a.HTTP.Do(req)
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
	return Match, "it reads pass at each run, and pass holds this value"
}

// http asks an address that uses the credential. The address that must fail is
// asked first: a door that opens for everybody proves nothing.
func (a *Asker) http(ctx context.Context, q Question) (Answer, string) {
	bad, err := a.status(ctx, q.Consumer.Probe.BadURL)
	if err != nil {
		return Unreachable, err.Error()
	}
	if bad < 300 {
		return Unknown, fmt.Sprintf("its negative control succeeds too (HTTP %d), so it proves nothing", bad)
	}
	good, err := a.status(ctx, q.Consumer.Probe.URL)
	switch {
	case err != nil:
		return Unreachable, err.Error()
	case good >= 500 || good == http.StatusNotFound:
		return Unknown, fmt.Sprintf("it answered HTTP %d", good)
	case good >= 300:
		return Differs, fmt.Sprintf("using the credential failed with HTTP %d", good)
	}
	return Match, "it used its credential successfully"
}

func (a *Asker) status(ctx context.Context, address string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Cache-Control", "no-store")
	resp, err := a.HTTP.Do(req)
	if err != nil {
		return 0, withoutURL(err)
	}
	return resp.StatusCode, resp.Body.Close()
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

func (a *Asker) names(ctx context.Context, q Question) (Answer, string) {
	listed, err := a.Names(ctx, q.Consumer.Worker)
	if err != nil {
		return Unreachable, err.Error()
	}
	var missing []string
	for name := range q.Consumer.Values {
		if !slices.Contains(listed, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return Differs, "it does not list " + strings.Join(missing, ", ")
	}
	return Present, "it lists the name; the value is not proven"
}

// withoutURL drops the address from a client's error: query strings have no
// business in an error text.
func withoutURL(err error) error {
	var wrapped interface {
		error
		Unwrap() error
		Timeout() bool
	}
	if errors.As(err, &wrapped) && wrapped.Unwrap() != nil {
		return wrapped.Unwrap()
	}
	return err
}
