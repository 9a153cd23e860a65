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
	"sync"
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
	// KeyID and MAC are as an Event's: who can write to the state backend alone
	// must not be able to take a finding out of the answer.
	KeyID string `json:"key_id,omitempty"`
	MAC   string `json:"mac,omitempty"`

	// stored is when the store took it, by its own clock.
	stored time.Time
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
		found, err := j.objectsOf(ctx, theAcceptances, acceptances)
		if err != nil {
			return err
		}
		a.Number = found.newest() + 1
		data, err := j.signAcceptance(ctx, a)
		if err != nil {
			return err
		}
		err = j.store.create(ctx, acceptanceKey(a.Number), data)
		if errors.Is(err, errExists) {
			// What is there may be our own, written by a try whose answer was lost.
			if there, readErr := j.store.read(ctx, acceptanceKey(a.Number)); readErr == nil && bytes.Equal(there.data, data) {
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
	kept, err := j.keptAcceptances(ctx)
	return kept.counting, err
}

// ForeignAcceptances are the objects of acceptances that are signed with another
// fingerprint key than pass's: nobody can tell whose they are, and none counts.
func (j *Journal) ForeignAcceptances(ctx context.Context) ([]string, error) {
	kept, err := j.keptAcceptances(ctx)
	return kept.foreign, err
}

// keptAcceptances is what the folder of acceptances holds.
type keptAcceptances struct {
	counting []Acceptance
	foreign  []string
}

func (j *Journal) keptAcceptances(ctx context.Context) (keptAcceptances, error) {
	found, err := j.objectsOf(ctx, theAcceptances, acceptances)
	if err != nil {
		return keptAcceptances{}, err
	}
	if len(found.strays) > 0 {
		return keptAcceptances{}, &DamagedError{theAcceptances, found.strays[0], "it is no acceptance, and does not belong there"}
	}
	var out keptAcceptances
	since := j.signedSince(ctx)
	signed := false
	for i, n := range found.numbers {
		if n != i+1 {
			return keptAcceptances{}, &DamagedError{theAcceptances, acceptanceKey(i + 1), "missing"}
		}
		a, trust, err := j.readAcceptance(ctx, n)
		if key := (*KeyError)(nil); errors.As(err, &key) {
			out.foreign = append(out.foreign, acceptanceKey(n))
			continue
		}
		if err != nil {
			return keptAcceptances{}, err
		}
		if trust == Unsigned {
			first, err := since()
			if err != nil {
				return keptAcceptances{}, err
			}
			if signed || !first.IsZero() && a.stored.After(first.Add(clockSkew)) {
				return keptAcceptances{}, &DamagedError{theAcceptances, acceptanceKey(n), "it is not signed, and what was written before it is"}
			}
		}
		signed = signed || trust == Signed
		out.counting = slices.DeleteFunc(out.counting, func(o Acceptance) bool { return o.Code == a.Code && o.Subject == a.Subject })
		if !a.Off {
			out.counting = append(out.counting, a)
		}
	}
	for i := range out.counting {
		out.counting[i].stored = time.Time{}
	}
	return out, nil
}

// signedSince gives, asked for the first time, when the store took the first signed
// event of any log: whoever has the key has signed everything since. It is zero
// where there is none.
func (j *Journal) signedSince(ctx context.Context) func() (time.Time, error) {
	return sync.OnceValues(func() (first time.Time, err error) {
		dirs, err := j.store.list(ctx, Root)
		if err != nil {
			return first, fmt.Errorf("listing the journal: %w", err)
		}
		for _, dir := range dirs {
			if strings.HasPrefix(path.Base(dir), ".") {
				continue
			}
			a, err := j.Audit(ctx, path.Base(dir))
			if err != nil {
				return first, err
			}
			at := slices.IndexFunc(a.Events, func(e Event) bool { return e.Trust == Signed })
			if at >= 0 && (first.IsZero() || a.Events[at].Stored.Before(first)) {
				first = a.Events[at].Stored
			}
		}
		return first, nil
	})
}

// signAcceptance encodes it. Before the first rotation there is no key, and
// nothing yet that a forged one could hide.
func (j *Journal) signAcceptance(ctx context.Context, a Acceptance) ([]byte, error) {
	encode := func(keyID string) ([]byte, error) {
		a.KeyID = keyID
		data, err := json.MarshalIndent(a, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("encoding an acceptance: %w", err)
		}
		return append(data, '\n'), nil
	}
	data, err := j.sign(ctx, theAcceptances, encode)
	if none := (*KeyError)(nil); errors.As(err, &none) {
		return encode("")
	}
	return data, err
}

func (j *Journal) readAcceptance(ctx context.Context, n int) (Acceptance, Trust, error) {
	key := acceptanceKey(n)
	damaged := func(detail string) (Acceptance, Trust, error) {
		return Acceptance{}, "", &DamagedError{theAcceptances, key, detail}
	}
	o, err := j.store.read(ctx, key)
	if unusable := (*unusableError)(nil); errors.As(err, &unusable) {
		return damaged(unusable.why)
	}
	if err != nil {
		return Acceptance{}, "", fmt.Errorf("reading %s: %w", theAcceptances, err)
	}
	var a Acceptance
	d := json.NewDecoder(bytes.NewReader(o.data))
	d.DisallowUnknownFields()
	// A newer program's is told from a damaged one, though neither is used.
	var version struct {
		Format int `json:"format"`
	}
	if json.Unmarshal(o.data, &version) == nil && version.Format != Format {
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
	a.stored = o.stored
	trust, err := j.verify(ctx, theAcceptances, key, o.data, a.KeyID, a.MAC)
	return a, trust, err
}

func acceptanceKey(n int) string { return path.Join(acceptances, numbered(n)) }
