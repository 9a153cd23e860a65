package world

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rollBackCode deploys what was deployed before, as wrangler does: the newest
// version that served alone and is not the one that serves now. It asks nobody
// whether secrets have changed since.
func rollBackCode(s *State, a []string) error {
	w, ok := s.Workers[a[0]]
	if !ok {
		return ErrNoWorker
	}
	now := w.Deployed()
	for _, d := range slices.Backward(w.Deployments) {
		if len(d.Shares) != 1 || now == nil || d.Shares[0].VersionID == now.ID {
			continue
		}
		back, err := s.Deploy(a[0], "Rollback", []Share{{VersionID: d.Shares[0].VersionID, Percentage: 100}}, true)
		if err == nil {
			back.Source, back.TriggeredBy = "wrangler", "rollback"
		}
		return err
	}
	return fmt.Errorf("no other version of %s was ever deployed: change it first, as with worker-secret", a[0])
}

// reviveByID undoes what ended a credential: it works as if it had never been
// touched. A webhook's endpoint comes back with its signing secret.
func reviveByID(s *State, a []string) error {
	cs, err := byAnyID(s, a[0])
	if err != nil {
		return err
	}
	for _, c := range cs {
		c.Revoked, c.RefusedFrom, c.Disabled = nil, nil, false
		if c.Expires != nil && !s.Now().Before(*c.Expires) {
			c.Expires = nil
		}
		there := slices.ContainsFunc(s.Webhooks, func(e *WebhookEndpoint) bool { return e.ID == c.ID })
		if c.Service == Stripe && c.Entry == "webhook-secret" && !there {
			s.newWebhook(nil, c.IssuedAt).ID = c.ID
		}
	}
	return nil
}

func expireLater(s *State, a []string) error {
	after, err := Span(a[1])
	if err != nil {
		return err
	}
	cs, err := byAnyID(s, a[0])
	for _, c := range cs {
		at := s.Now().Add(after)
		c.Expires = &at
	}
	return err
}

// Span reads a positive duration as Go writes it, or whole days as 5d.
func Span(text string) (time.Duration, error) {
	after, err := time.ParseDuration(text)
	if days, is := strings.CutSuffix(text, "d"); is {
		var n int
		n, err = strconv.Atoi(days)
		after = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || after <= 0 {
		return 0, fmt.Errorf("DURATION %q is no positive duration such as 36h or 5d", text)
	}
	return after, nil
}

// stopContainer takes every revision out of service; the next one comes up.
func stopContainer(s *State, a []string) error {
	c, ok := s.Container(a[0])
	if !ok {
		return fmt.Errorf("no container %q", a[0])
	}
	c.Error, c.ErrorSince, c.Mends = "stopped at the console", &time.Time{}, true
	return nil
}

func deleteContainerSecret(s *State, a []string) error {
	c, ok := s.Container(a[0])
	if !ok {
		return fmt.Errorf("no container %q", a[0])
	}
	if _, has := c.Secrets[a[1]]; !has {
		return fmt.Errorf("container %s has no secret %s", a[0], a[1])
	}
	delete(c.Secrets, a[1])
	delete(c.Hashes, a[1])
	s.RollOut(c)
	return nil
}

// holder is what keeps the Actions secrets of a place, in the words of
// Truth.Repositories.
func (s *State) holder(place string) (*Repository, error) {
	repository, environment, inner := strings.Cut(place, ":")
	r, ok := s.GitHub[repository]
	if !ok {
		r, ok = s.Organizations[place]
	}
	if ok && inner {
		r, ok = r.Environments[environment]
	}
	if !ok {
		known := slices.Sorted(maps.Keys(s.Truth(s.Now()).Repositories))
		return nil, fmt.Errorf("no place %q for Actions secrets; there are %s", place, strings.Join(known, ", "))
	}
	return r, nil
}

func setActionsSecret(s *State, a []string) error {
	r, err := s.holder(a[0])
	if err != nil {
		return err
	}
	now := s.Now()
	secret, had := r.Secrets[a[1]]
	if !had {
		secret.CreatedAt = now
		if _, organization := s.Organizations[a[0]]; organization {
			secret.Visibility = "private"
		}
	}
	secret.Value, secret.UpdatedAt = a[2], now
	r.Secrets[a[1]] = secret
	return nil
}

func deleteActionsSecret(s *State, a []string) error {
	r, err := s.holder(a[0])
	if err != nil {
		return err
	}
	if _, has := r.Secrets[a[1]]; !has {
		return fmt.Errorf("%s has no Actions secret %s", a[0], a[1])
	}
	delete(r.Secrets, a[1])
	return nil
}
