package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/automation/rotation"
	"github.com/sanmarcsoft/secret-rotation/internal/ui"
)

// bucketStep is one thing that setup --bucket does, in words and in deed.
type bucketStep struct {
	text string
	do   func(ctx context.Context) error
}

// setupBucket brings the state's bucket to what the state needs. It deletes
// nothing, and where nothing is missing it does nothing.
func (a *app) setupBucket(ctx context.Context) error {
	s, err := a.openValues(ctx)
	if err != nil {
		return err
	}
	return errors.Join(s.setupBucket(ctx), s.close())
}

func (s *session) setupBucket(ctx context.Context) error {
	if s.sandbox != nil {
		return misused("go run . doctor", "nothing to do: a sandbox makes the bucket of its state itself, when it is made with --backend s3")
	}
	b, err := s.stateBucket(ctx)
	if err != nil {
		return err
	}
	was, err := b.Look(ctx)
	if err != nil {
		return err
	}
	steps := s.bucketSteps(b, was)
	if len(steps) > 0 {
		if err := s.agreeToBucket(b, steps); err != nil {
			return err
		}
	}
	for i, step := range steps {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%w (%s)", err, soFar(steps[:i]))
		}
	}
	return s.bucketDone(ctx, b, steps)
}

// soFar says what was done before a step failed; the same command goes on there.
func soFar(done []bucketStep) string {
	if len(done) == 0 {
		return "nothing was changed"
	}
	var texts []string
	for _, d := range done {
		texts = append(texts, d.text)
	}
	return "done before: " + strings.Join(texts, "; ")
}

// stateBucket is the bucket of the catalog's state, with the key that pass holds.
func (s *session) stateBucket(ctx context.Context) (*backend.Bucket, error) {
	if !strings.HasPrefix(s.catalog.State.URL, "s3:") {
		return nil, misused("go run . doctor", "the state is in a folder (%s), which needs no bucket", s.catalog.State.URL)
	}
	url, err := backend.Normalize(s.catalog.State.URL, s.app.env.Dir)
	if err != nil {
		return nil, err
	}
	env, err := s.stateKeys(ctx)
	if err != nil {
		return nil, err
	}
	return backend.OpenBucket(url, env, nil)
}

// bucketSteps are what is missing.
func (s *session) bucketSteps(b *backend.Bucket, was backend.Settings) (steps []bucketStep) {
	if !was.Exists {
		steps = append(steps, bucketStep{fmt.Sprintf("create bucket %s in region %s, private", b.Name(), b.Region), b.Create})
	}
	if !was.Versioned {
		steps = append(steps, bucketStep{"switch versioning on: what is overwritten or deleted can be had back", b.KeepVersions})
	}
	if !was.NoRules && !(was.Versions && was.Uploads) {
		steps = append(steps, bucketStep{fmt.Sprintf("add a lifecycle rule: old versions go after %d days, unfinished uploads after %d", backend.KeptVersions, backend.KeptUploads),
			func(ctx context.Context) error { return b.LimitVersions(ctx, was) }})
	}
	return steps
}

func (s *session) agreeToBucket(b *backend.Bucket, steps []bucketStep) error {
	a := s.app
	_, _ = fmt.Fprintf(s.err, "bucket %s at %s:\n", b.Name(), b.Host())
	for _, step := range steps {
		_, _ = fmt.Fprintf(s.err, "  %s\n", step.text)
	}
	if a.opts.yes {
		return nil
	}
	again := typed(append(quotedAll(a.args), "--yes")...)
	if !a.interactive() {
		return misused(again, "there is no terminal to ask at, and --yes was not given; nothing was changed")
	}
	ok, err := ui.Terminal{In: a.env.In, Out: s.live}.Confirm("Go ahead?", "Yes, set it up", "No")
	if errors.Is(err, ui.ErrAborted) || err == nil && !ok {
		return &rotation.Error{Reason: rotation.Failed, Detail: "not agreed to; nothing was changed", Next: []string{again}}
	}
	return err
}

// bucketDone looks again and prints what holds now: a server may take a setting
// and not keep it.
func (s *session) bucketDone(ctx context.Context, b *backend.Bucket, steps []bucketStep) error {
	findings, _ := s.bucketFindings(ctx)
	if s.app.opts.json {
		done := []string{}
		for _, step := range steps {
			done = append(done, step.text)
		}
		if err := printJSON(s.out, map[string]any{"bucket": b.Name(), "region": b.Region, "endpoint": b.Endpoint, "done": done, "findings": findings}); err != nil {
			return err
		}
	} else {
		if len(steps) == 0 {
			if err := s.say(s.out, "bucket %s: nothing to do", b.Name()); err != nil {
				return err
			}
		}
		s.app.listFindings(findings)
	}
	if !allGood(findings) {
		return &statusError{exitFailed}
	}
	return nil
}

// afterS3 are the commands to type after what an S3 server refused.
func (a *app) afterS3(e *backend.S3Error) []string {
	access, secret, name := "ENTRY", "ENTRY", "NAME"
	if cat, err := a.loadCatalog(); err == nil && cat.State.SecretKey != "" {
		access, secret = cat.State.AccessKey, cat.State.SecretKey
		for _, s := range cat.Secrets {
			for _, entry := range s.Entries {
				if entry.Path == secret {
					name = s.Name
				}
			}
		}
	}
	const mend = "in state.url of the catalog, then: go run . doctor"
	switch e.Cause {
	case backend.NoBucket:
		return []string{"go run . setup --bucket", "or mend the bucket's name " + mend}
	case backend.NotAllowed:
		return []string{"give the key in " + access + " the right to bucket " + e.Place.Bucket + " (at Scaleway: ObjectStorageFullAccess in its project), then: go run . doctor", "or mend the bucket's name " + mend}
	case backend.WrongKey:
		return []string{"pass edit " + secret, "or, where that key is dead, bring in a new one: go run . rotate --secret " + name + " --value-stdin"}
	case backend.WrongRegion:
		return []string{"mend region and endpoint " + mend}
	case backend.WrongClock:
		return []string{"timedatectl set-ntp true   (or set this machine's clock by hand), then the same command again"}
	case backend.Unreachable:
		return []string{"curl -sSI " + quoted(e.Place.Host()), "or mend the endpoint " + mend}
	case backend.Taken:
		return []string{"choose another name for the bucket in state.url of the catalog, then: go run . setup --bucket"}
	case backend.NotOffered:
		return []string{"name a server that offers it " + mend}
	}
	return []string{"the same command again in a minute"}
}
