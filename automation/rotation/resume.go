package rotation

import (
	"context"
	"errors"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/internal/hint"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// resumeCommand is the command that takes this job further in its direction,
// with the flags of this call. What the operator agreed to (--yes) is not
// carried on, and values from standard input are nobody's to repeat.
func resumeCommand(r *run, j *job) hint.Command {
	switch {
	case r.verb == toRevoke && !j.back && j.log.Last().RevokedAt.IsZero():
		return revokeCommand(r, j.secret.Name)
	case r.verb == toAdopt:
		return adoptCommand(r, j.secret.Name)
	case j.back:
		return rollbackCommand(r, j.secret.Name)
	}
	c := rotateCommand(r, j.secret.Name)
	if valuesKnown(r, j) {
		return c // the journal has them: asking again would make yet another one
	}
	return c.With(sourceFlags(r.options)...)
}

// resumeByName is resumeCommand where the secret may have no job yet: nothing of
// it has begun, and the same call is made again.
func resumeByName(r *run, secret string) hint.Command {
	if at := slices.IndexFunc(r.jobs, func(j *job) bool { return j.secret.Name == secret }); at >= 0 {
		return resumeCommand(r, r.jobs[at])
	}
	switch r.verb {
	case toRollBack:
		return rollbackCommand(r, secret)
	case toRevoke:
		return revokeCommand(r, secret)
	case toAdopt:
		return adoptCommand(r, secret)
	}
	return rotateCommand(r, secret).With(sourceFlags(r.options)...)
}

// resumeTogether is one command that takes these jobs further: going forward,
// rotate takes along what is on its way back.
func resumeTogether(r *run, jobs []*job) hint.Command {
	lead := jobs[0]
	for _, j := range jobs {
		if !j.back && (lead.back || !valuesKnown(r, j)) {
			lead = j
		}
	}
	c := resumeCommand(r, lead)
	c.Secrets = nil
	for _, j := range jobs {
		c.Secrets = append(c.Secrets, j.secret.Name)
	}
	return c
}

// valuesKnown: the journal knows every new value of this rotation, so where
// they come from is settled.
func valuesKnown(r *run, j *job) bool {
	last := j.log.Last()
	return last.Rotation == j.id && len(j.moved) > 0 && !slices.ContainsFunc(j.moved, func(e secrets.Entry) bool {
		v, to := j.next[e.Name()], last.Entries[e.Name()].To
		return v.IsZero() || to == "" || to != v.Fingerprint(r.Key)
	})
}

// sourceFlags say where the new values of a rotation come from.
func sourceFlags(o Options) []string {
	var out []string
	if o.New {
		out = append(out, "--new")
	}
	if o.Pending {
		out = append(out, "--pending")
	}
	if o.Entry != "" {
		out = append(out, hint.Flag("--entry", o.Entry))
	}
	if len(o.Typed) > 0 {
		out = append(out, "--value-stdin")
	}
	return out
}

// rotateCommand rotates a secret as this call would, from whatever source.
func rotateCommand(r *run, secret string) hint.Command {
	c, o := rotateSecret(secret), r.options
	if o.Grace != nil {
		c = c.With(hint.Flag("--grace", secrets.Duration(*o.Grace).String()))
	}
	if o.Hold {
		c = c.With("--hold")
	}
	c = c.With(stackFlags(o)...)
	if o.CreateKeys {
		c = c.With("--create-keys")
	}
	if o.PreviewOnly {
		c = c.With("--preview")
	}
	return c
}

// rotateSecret rotates a secret; where there is a call, rotateCommand keeps its
// flags.
func rotateSecret(secret string) hint.Command {
	return hint.Command{Verb: "rotate", Secrets: []string{secret}}
}

func rollbackCommand(r *run, secret string) hint.Command {
	return hint.Command{Verb: "rollback", Secrets: []string{secret}}.With(stackFlags(r.options)...)
}

func revokeCommand(r *run, secret string) hint.Command {
	switch o := r.options; {
	case o.Due:
		return hint.Command{Verb: "revoke", Flags: []string{"--due"}}.With(stackFlags(o)...)
	case o.Unproven:
		return forcedRevoke(secret).With(stackFlags(o)...)
	default:
		return revokeSecret(secret).With(stackFlags(o)...)
	}
}

func revokeSecret(secret string) hint.Command {
	return hint.Command{Verb: "revoke", Secrets: []string{secret}}
}

// forcedRevoke revokes a leaked value without proof.
func forcedRevoke(secret string) hint.Command { return revokeSecret(secret).With("--unproven") }

func adoptCommand(r *run, secrets ...string) hint.Command {
	c := hint.Command{Verb: "adopt", Secrets: secrets}
	if r.options.Roll || r.options.Anew {
		c = c.With("--roll")
	}
	if r.options.Anew {
		c = c.With("--anew")
	}
	if r.options.CreateKeys {
		c = c.With("--create-keys")
	}
	if r.options.PreviewOnly {
		c = c.With("--preview")
	}
	return c
}

// stackFlags say what an up may do and what becomes of the config files.
func stackFlags(o Options) []string {
	var out []string
	if o.AllowOther {
		out = append(out, "--allow-other-changes")
	}
	if o.Commit {
		out = append(out, "--commit")
	}
	return out
}

func verifySecret(secrets ...string) hint.Command {
	return hint.Command{Verb: "verify", Secrets: secrets}
}

func holdOff(secret string) hint.Command {
	return hint.Command{Verb: "hold", Secrets: []string{secret}, Flags: []string{"--off"}}
}

// askedPerson adds to the error of a person, who knows the steps and nothing of
// the call, the command that goes on with it.
func askedPerson(r *run, j *job, err error) error {
	return withNext(err, resumeCommand(r, j))
}

// askAgreement shows the plan of these jobs and returns nil for a yes.
func askAgreement(ctx context.Context, r *run, jobs []*job) error {
	return withNext(r.Person.Agree(ctx, r.plan), resumeTogether(r, jobs))
}

func withNext(err error, command hint.Command) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		own.Next = append(slices.Clone(own.Next), command.With(own.Flags...).String())
	}
	return err
}
