// Package journal keeps the record of every rotation in the state backend: an
// append-only log per secret, one object per event, each created only if it is
// absent. The number of an event is the epoch of the secret: of two writers of
// the same number one loses and learns who won, so the journal is lock and
// record in one. It holds fingerprints, never values.
package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Format is the version of the event's layout. A log with another one is
// refused: half-understood history must not lead to a revocation.
const Format = 1

// State is where a rotation stands (DESIGN: one rotation).
type State string

// The states, in the order a rotation passes through them.
const (
	Planned   State = "PLANNED"
	Staging   State = "STAGING"
	Pretest   State = "PRETEST"
	Deploying State = "DEPLOYING"
	Verified  State = "VERIFIED"
	Promoted  State = "PROMOTED"
	Grace     State = "GRACE"
	// Blocked is Grace that only a person can end: a consumer stopped when the
	// old value was taken out of force, so it was put back.
	Blocked  State = "BLOCKED"
	Revoking State = "REVOKING" // the point of no return
	Done     State = "DONE"
	// RollingBack takes every consumer back to the old value, until RolledBack.
	RollingBack State = "ROLLING_BACK"
	RolledBack  State = "ROLLED_BACK"
	// Abandoned ends a rotation that changed nothing outside pass: the new
	// value was refused before any consumer had it.
	Abandoned State = "ABANDONED"
	// Adopting takes over a secret that was rolled out by hand, until Adopted: its
	// value is known from then on, and nothing was issued or retired.
	Adopting State = "ADOPTING"
	Adopted  State = "ADOPTED"
)

// Finished reports whether a rotation in this state needs nothing more.
func (s State) Finished() bool {
	return s == Done || s == Abandoned || s == RolledBack || s == Adopted || s == ""
}

// order is used by AtLeast; a state that is not in it is before all others.
var order = [...]State{Planned, Staging, Pretest, Deploying, Verified, Promoted, Grace, Blocked, Revoking, Done}

// AtLeast reports whether s is t or comes after it.
func (s State) AtLeast(t State) bool { return rank(s) >= rank(t) }

func rank(s State) int {
	for i, o := range order {
		if o == s {
			return i
		}
	}
	return -1
}

// Move is one entry's change, by fingerprints. From is empty where the old
// value is not known.
type Move struct {
	From secrets.Fingerprint `json:"from,omitempty"`
	To   secrets.Fingerprint `json:"to"`
	// Pass is what the entry held when the rotation began; another value there
	// was put in by somebody since.
	Pass secrets.Fingerprint `json:"pass,omitempty"`
}

// Answer is what one consumer proved.
type Answer struct {
	Consumer string            `json:"consumer"`
	Proof    secrets.ProofKind `json:"proof"`
	Answer   string            `json:"answer"`
	At       time.Time         `json:"at"`
	// Word is who tested the consumer and said so, where it cannot prove a
	// value itself.
	Word string `json:"word,omitempty"`
}

// Hold keeps an old credential alive until it is taken off.
type Hold struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// The steps of an event that only sets or clears the hold, and so may come from
// somebody else than the process that carries the rotation.
const (
	StepHold    = "put on hold"
	StepHoldOff = "hold taken off"
)

// String says who, since when and why.
func (h Hold) String() string {
	text := fmt.Sprintf("held by %s since %s", h.By, h.At.Format(time.RFC3339))
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return text
}

// Event is one record. Each carries the whole standing of its rotation and of
// its secret, so that the newest one is enough to go on from.
type Event struct {
	Format   int       `json:"format"`
	Number   int       `json:"number"`
	Secret   string    `json:"secret"`
	Rotation string    `json:"rotation"`
	State    State     `json:"state"`
	Step     string    `json:"step"`
	Time     time.Time `json:"time"`
	Holder   Holder    `json:"holder"`
	// Source is where the new values come from: pass, typed, issued.
	Source string `json:"source,omitempty"`
	// Entries are the values in motion, by entry name.
	Entries map[string]Move `json:"entries,omitempty"`
	// NewID and OldID are what the service calls the two credentials, where they
	// are made and deleted by its API; never secret.
	NewID string `json:"new_id,omitempty"`
	OldID string `json:"old_id,omitempty"`
	// OldDead: the service refused the old value before every consumer had the
	// new one.
	OldDead bool     `json:"old_dead,omitempty"`
	Answers []Answer `json:"answers,omitempty"`
	// Keys are the config keys that this secret's rotations have set or found set,
	// each as "STACK KEY"; events of before have none.
	Keys []string `json:"keys,omitempty"`
	// GraceUntil is when the old credential may be retired.
	GraceUntil time.Time `json:"grace_until,omitzero"`
	// Promoted are the fingerprints that every consumer was last proven to run
	// with, by entry name; PromotedAt is when. After an adoption, Answers names
	// the consumers that did not prove them.
	Promoted   map[string]secrets.Fingerprint `json:"promoted,omitempty"`
	PromotedAt time.Time                      `json:"promoted_at,omitzero"`
	// RevokedAt is when the service was seen to refuse the old value, or, where no
	// service was asked, when StatedBy had said that it is revoked; it is the
	// recorded date of the rotation. Evidence says what was seen and what stated.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	Evidence  string    `json:"evidence,omitempty"`
	// Debts are what is still owed, each with its date: a credential that is not
	// proven dead, a consumer that could not be asked, a store not pushed.
	Debts []string `json:"debts,omitempty"`
	// Recipients are the fingerprints of the keys that pass encrypted the secret's
	// entries to, by entry name; absent in events of older programs.
	Recipients map[string][]string `json:"recipients,omitempty"`
	// Hold is set while the old credential must not be retired.
	Hold *Hold `json:"hold,omitempty"`
	// Stale names the consumers of which an instance answered with another value
	// after the consumer had proven the right one: they give the longest row of
	// answers from then on.
	Stale []string `json:"stale,omitempty"`
	// Stated: a person said that the old value is retired; StatedBy is who. From
	// RevokedAt on StatedBy is set only where the revocation rests on that word,
	// and StatedEntries are the entries of which no service was asked.
	Stated        bool     `json:"stated,omitempty"`
	StatedBy      string   `json:"stated_by,omitempty"`
	StatedEntries []string `json:"stated_entries,omitempty"`
	// Repair is set in an event that accepts a damaged log.
	Repair *Repair `json:"repair,omitempty"`
	// Prev is the SHA-256 of the object before this one, in hex.
	Prev string `json:"prev,omitempty"`
	// KeyID names the fingerprint key under which the values of this event are
	// known and with which it is signed; empty before events were signed.
	KeyID string `json:"key_id,omitempty"`
	// MAC is the signature over all the bytes of the object without it; it is the
	// last field (sign.go).
	MAC string `json:"mac,omitempty"`

	// Trust is who can have written it, and Stored when the store took it, by its
	// own clock. Both are known of events that were read.
	Trust  Trust     `json:"-"`
	Stored time.Time `json:"-"`
}

// clockSkew is how far the clock of a computer may be from the store's before
// its dates count as wrong.
const clockSkew = 10 * time.Minute

// Misdated reports whether the event claims to be younger than its object: the
// clock of the computer that wrote it was wrong.
func (e Event) Misdated() bool {
	return !e.Stored.IsZero() && e.Time.After(e.Stored.Add(clockSkew))
}

// bound takes dates back to what the store's clock allows: nothing has happened
// after it was written, and a grace period is as long as it was meant to be.
func (e *Event) bound() {
	if e.Stored.IsZero() {
		return
	}
	latest, grace := e.Stored.Add(clockSkew), e.GraceUntil.Sub(e.PromotedAt)
	if e.PromotedAt.After(latest) {
		e.PromotedAt = e.Stored
		if !e.GraceUntil.IsZero() {
			e.GraceUntil = e.Stored.Add(grace)
		}
	}
	if e.RevokedAt.After(latest) {
		e.RevokedAt = e.Stored
	}
}

// encode gives the object's bytes; the same event always gives the same ones.
func (e Event) encode() ([]byte, error) {
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding journal event %s/%d: %w", e.Secret, e.Number, err)
	}
	return append(data, '\n'), nil
}

// decode refuses unknown fields and other formats: a newer program may mean
// something by them that this one would trample on.
func decode(data []byte) (Event, error) {
	var e Event
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Event{}, fmt.Errorf("decoding: %w", err)
	}
	if d.More() {
		return Event{}, fmt.Errorf("decoding: something follows the event")
	}
	if e.Format != Format {
		return Event{}, fmt.Errorf("format %d, this program knows %d", e.Format, Format)
	}
	return e, nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
