package rotation

import (
	"slices"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/automation/proof"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// Report is what a command says about one secret; its JSON form is a contract
// (DESIGN section 9).
type Report struct {
	Rotation  string           `json:"rotation"`
	Secret    string           `json:"secret"`
	State     journal.State    `json:"state"`
	Entries   []EntryReport    `json:"entries"`
	Stacks    []StackReport    `json:"stacks"`
	Consumers []ConsumerReport `json:"consumers"`
	Revoked   RevokedReport    `json:"revoked"`
	Debts     []string         `json:"debts"`
	// Rejected says that the value in pass does not work any more; empty where
	// nothing says so.
	Rejected string `json:"rejected,omitempty"`
	// Hold says who keeps the old value alive, and since when.
	Hold string `json:"hold,omitempty"`
	// Next are the commands to type, where something is left to do.
	Next []string `json:"next"`
	// Error is what stopped it; empty where nothing did.
	Error string `json:"error,omitempty"`
}

// EntryReport names an entry and the fingerprints (8 hex digits) it moves
// between; From is empty where the old value is not known.
type EntryReport struct {
	Name string `json:"name"`
	Path string `json:"path"`
	From string `json:"from"`
	To   string `json:"to"`
}

// StackReport is one Pulumi stack's part. Changes counts by operation.
type StackReport struct {
	Name    string         `json:"name"`
	Result  string         `json:"result"`
	Changes map[string]int `json:"changes"`
	Seconds float64        `json:"seconds"`
}

// ConsumerReport is one consumer's answer.
type ConsumerReport struct {
	Name   string       `json:"name"`
	Kind   string       `json:"kind"`
	Proof  string       `json:"proof"`
	Answer proof.Answer `json:"answer"`
	Detail string       `json:"detail,omitempty"`
	// Answers is how many answers in a row it rests on.
	Answers int `json:"answers,omitempty"`
}

// RevokedReport is what the end of the old value rests on; ConfirmedAt is RFC 3339
// in UTC and empty until then.
type RevokedReport struct {
	ConfirmedAt string `json:"confirmed_at"`
	Evidence    string `json:"evidence"`
	// StatedBy is who said that the old value, or a part of it, is revoked, where
	// no service was asked about that. Empty: the service was seen to refuse all of
	// it.
	StatedBy string `json:"stated_by,omitempty"`
}

// newReport has no nil list: a reader of the JSON finds [] and not null.
func newReport(secret string) Report {
	return Report{Secret: secret, Entries: []EntryReport{}, Stacks: []StackReport{}, Consumers: []ConsumerReport{}, Debts: []string{}, Next: []string{}}
}

// consumers turns answers into their reported form, in the catalog's order.
func consumers(results []proof.Result) []ConsumerReport {
	out := make([]ConsumerReport, 0, len(results))
	for _, r := range results {
		out = append(out, ConsumerReport{Name: r.Consumer, Kind: string(r.Kind), Proof: string(r.Proof), Answer: r.Answer, Detail: r.Detail, Answers: r.Answers})
	}
	return out
}

// Good reports whether every consumer gave the answer that was hoped for.
func (r Report) Good() bool {
	return !slices.ContainsFunc(r.Consumers, func(c ConsumerReport) bool {
		return c.Answer != proof.Match && c.Answer != proof.Present
	})
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Span writes a duration as the catalog does: 7d, 12h, 30m.
func Span(d time.Duration) string { return secrets.Duration(d).String() }
