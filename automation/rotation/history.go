package rotation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// Past is one rotation as its journal tells it.
type Past struct {
	Secret   string
	Rotation string
	// State is where it stands, or how it ended.
	State journal.State
	Began time.Time
	// Last is the time of its last event: its end, where it is finished.
	Last   time.Time
	Source string
	// By are those who carried it out, as USER on HOST, in order.
	By      []string
	Entries []EntryReport
	// Answers are the last ones of every consumer.
	Answers   []journal.Answer
	RevokedAt time.Time
	Evidence  string
	// StatedBy is who said that the old value is revoked, where no service was
	// asked about all of it.
	StatedBy string
	Debts    []string
	Events   []journal.Event
}

// History reads every rotation of the named secrets, newest first. A log that
// is damaged is in the error, and the rotations of the others are returned.
func (r Records) History(ctx context.Context, names []string) ([]Past, error) {
	var logs [][]Past
	var errs []error
	for _, name := range names {
		past, err := r.past(ctx, name)
		logs, errs = append(logs, past), append(errs, err)
	}
	return merged(logs), errors.Join(errs...)
}

// merged are the rotations of several logs, each newest first, by the time at which
// they began. Within a log the order of the events stands, whatever clocks said.
func merged(logs [][]Past) []Past {
	out := []Past{}
	for {
		newest := -1
		for i, log := range logs {
			if len(log) > 0 && (newest < 0 || log[0].Began.After(logs[newest][0].Began)) {
				newest = i
			}
		}
		if newest < 0 {
			return out
		}
		out, logs[newest] = append(out, logs[newest][0]), logs[newest][1:]
	}
}

func (r Records) past(ctx context.Context, name string) ([]Past, error) {
	log, err := r.Journal.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	events, err := log.Events(ctx)
	if err != nil {
		return nil, err
	}
	secret, _ := r.Catalog.Secret(name)
	var out []Past
	for _, e := range events {
		if len(out) == 0 || out[len(out)-1].Rotation != e.Rotation {
			out = append(out, Past{Secret: name, Rotation: e.Rotation, Began: e.Time})
		}
		out[len(out)-1].add(e)
	}
	for i := range out {
		last := out[i].Events[len(out[i].Events)-1]
		for _, moved := range slices.Sorted(maps.Keys(last.Entries)) {
			// One that has left the catalog has no path any more.
			entry, _ := secret.Entry(moved)
			m := last.Entries[moved]
			out[i].Entries = append(out[i].Entries, EntryReport{Name: moved, Path: entry.Path, From: m.From.Short(), To: m.To.Short()})
		}
	}
	// Newest first, by the events' numbers: two may have begun at one moment.
	slices.Reverse(out)
	return out, nil
}

// add takes the next event in. Each carries the whole standing of its rotation.
func (p *Past) add(e journal.Event) {
	p.State, p.Last, p.Source = e.State, e.Time, e.Source
	p.RevokedAt, p.Evidence, p.StatedBy, p.Debts = e.RevokedAt, e.Evidence, RevocationOf(e).StatedBy, e.Debts
	if who := fmt.Sprintf("%s on %s", e.Holder.User, e.Holder.Host); !slices.Contains(p.By, who) {
		p.By = append(p.By, who)
	}
	for _, a := range e.Answers {
		at := slices.IndexFunc(p.Answers, func(b journal.Answer) bool { return b.Consumer == a.Consumer })
		if at < 0 {
			p.Answers = append(p.Answers, a)
			continue
		}
		p.Answers[at] = a
	}
	p.Events = append(p.Events, e)
}

// Took is how long it took, waiting included.
func (p Past) Took() time.Duration { return p.Last.Sub(p.Began) }
