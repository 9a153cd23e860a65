package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// acceptances is where they are kept beside the logs, as leases are: no secret's
// name begins with a dot.
const acceptances = Root + "/.accepted"

// theAcceptances is what they are called in errors.
const theAcceptances = "the accepted findings"

// acceptTries is how often Accept looks for a free number: each try that fails is
// somebody else's that did not.
const acceptTries = 20

// Acceptance takes findings out of the drift check's answer until a day comes.
type Acceptance struct {
	Format int `json:"format"`
	Number int `json:"number"`
	// Code is the finding's. Subject is its subject or a pattern: path.Match's,
	// and one that ends in "/**" is for everything below.
	Code    string `json:"code"`
	Subject string `json:"subject"`
	// Until is when it ends.
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	// Off withdraws what was accepted for the same code and subject.
	Off bool `json:"off,omitempty"`
}

// Covers reports whether it is for a finding, and not over.
func (a Acceptance) Covers(code, subject string, now time.Time) bool {
	return !a.Off && a.Code == code && now.Before(a.Until) && matches(a.Subject, subject)
}

func matches(pattern, subject string) bool {
	if pattern == subject {
		return true
	}
	if above, all := strings.CutSuffix(pattern, "/**"); all {
		// As many elements of the subject as the pattern has, and something below.
		n := strings.Count(above, "/") + 1
		elements := strings.Split(subject, "/")
		if len(elements) <= n {
			return false
		}
		pattern, subject = above, strings.Join(elements[:n], "/")
	}
	hit, err := path.Match(pattern, subject)
	return err == nil && hit
}

// check refuses what could never take effect, or hides why it does.
func (a Acceptance) check(now time.Time) error {
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	_, err := path.Match(strings.TrimSuffix(a.Subject, "/**"), "")
	switch {
	case blank(a.Code) || blank(a.Subject):
		return errors.New("an acceptance names a code and a subject")
	case err != nil:
		return fmt.Errorf("subject %q is no pattern: %w", a.Subject, err)
	case a.Off:
		return nil
	case blank(a.Reason):
		return errors.New("an acceptance names a reason")
	case !a.Until.After(now):
		return fmt.Errorf("an acceptance until %s is over already", a.Until.Format(time.DateOnly))
	}
	return nil
}

// Accept writes the acceptance, or with Off its withdrawal, which makes it
// durable before it returns. Format, number and time are filled in, and By where
// it is empty.
func (j *Journal) Accept(ctx context.Context, a Acceptance) error {
	now := j.now().UTC()
	if err := a.check(now); err != nil {
		return err
	}
	a.Format, a.At, a.Until = Format, now.Truncate(time.Millisecond), a.Until.UTC()
	if a.By == "" {
		a.By = Self().String()
	}
	for range acceptTries {
		numbers, err := j.numbers(ctx, theAcceptances, acceptances)
		if err != nil {
			return err
		}
		a.Number = 1
		if n := len(numbers); n > 0 {
			a.Number = numbers[n-1] + 1
		}
		data, err := json.MarshalIndent(a, "", "  ")
		if err != nil {
			return fmt.Errorf("encoding an acceptance: %w", err)
		}
		data = append(data, '\n')
		err = j.store.create(ctx, acceptanceKey(a.Number), data)
		if errors.Is(err, errExists) {
			// What is there may be our own, written by a try whose answer was lost.
			if there, readErr := j.store.read(ctx, acceptanceKey(a.Number)); readErr == nil && bytes.Equal(there, data) {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", theAcceptances, err)
		}
		return nil
	}
	return fmt.Errorf("writing %s: somebody else was first %d times", theAcceptances, acceptTries)
}

// Accepted are the acceptances that nobody has withdrawn, the newest for each
// code and subject, oldest first. Those that are over are among them.
func (j *Journal) Accepted(ctx context.Context) ([]Acceptance, error) {
	numbers, err := j.numbers(ctx, theAcceptances, acceptances)
	if err != nil {
		return nil, err
	}
	var out []Acceptance
	for i, n := range numbers {
		if n != i+1 {
			return nil, &DamagedError{theAcceptances, acceptanceKey(i + 1), "missing"}
		}
		a, err := j.readAcceptance(ctx, n)
		if err != nil {
			return nil, err
		}
		out = slices.DeleteFunc(out, func(o Acceptance) bool { return o.Code == a.Code && o.Subject == a.Subject })
		if !a.Off {
			out = append(out, a)
		}
	}
	return out, nil
}

func (j *Journal) readAcceptance(ctx context.Context, n int) (Acceptance, error) {
	key := acceptanceKey(n)
	data, err := j.store.read(ctx, key)
	if err != nil {
		return Acceptance{}, fmt.Errorf("reading %s: %w", theAcceptances, err)
	}
	var a Acceptance
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	damaged := func(detail string) (Acceptance, error) {
		return Acceptance{}, &DamagedError{theAcceptances, key, detail}
	}
	// A newer program's is told from a damaged one, though neither is used.
	var version struct {
		Format int `json:"format"`
	}
	if json.Unmarshal(data, &version) == nil && version.Format != Format {
		return damaged(fmt.Sprintf("format %d, this program knows %d", version.Format, Format))
	}
	switch err := d.Decode(&a); {
	case err != nil:
		return damaged("decoding: " + err.Error())
	case d.More():
		return damaged("decoding: something follows it")
	case a.Number != n:
		return damaged(fmt.Sprintf("it says %d", a.Number))
	}
	return a, nil
}

func acceptanceKey(n int) string { return path.Join(acceptances, fmt.Sprintf("%06d.json", n)) }
