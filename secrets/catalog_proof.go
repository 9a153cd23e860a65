package secrets

import (
	"fmt"
	"slices"
)

// ProofKind says how sure a consumer's answer is.
type ProofKind string

// The kinds of proof, strongest first. Exact and works are about what runs.
// Configured is about a copy that is read from time to time: it holds the value,
// and what runs was not asked. Present is a name without a value.
const (
	ProofExact      ProofKind = "exact"
	ProofWorks      ProofKind = "works"
	ProofConfigured ProofKind = "configured"
	ProofPresent    ProofKind = "present"
)

// ProofKinds are all of them, strongest first.
func ProofKinds() []ProofKind {
	return []ProofKind{ProofExact, ProofWorks, ProofConfigured, ProofPresent}
}

// Rank orders the kinds: a stronger one has a higher rank, an unknown one 0.
func (k ProofKind) Rank() int {
	kinds := ProofKinds()
	if at := slices.Index(kinds, k); at >= 0 {
		return len(kinds) - at
	}
	return 0
}

// Reads says when a consumer takes the value that it uses.
type Reads string

// ReadsEachRun takes the value anew at every use, so that nothing goes on running
// with an earlier one: scripts that call pass, a stack's own program that reads
// its provider's credential from the config.
const ReadsEachRun Reads = "each-run"

// ReadsPass reports whether the consumer takes the value from pass by itself, so
// that it can have a new one only after the promotion. A process that is asked
// for its environment got it at its start.
func (c Consumer) ReadsPass() bool { return c.Kind == KindPass || c.Probe.By == "environ" }

// Verifiable reports whether the probe's answer is enough to revoke the value
// that the consumer had before. Otherwise a person has to confirm it.
func (c Consumer) Verifiable() bool {
	switch c.Probe.Kind {
	case ProofExact, ProofWorks:
		return true
	case ProofConfigured:
		return c.Reads == ReadsEachRun
	}
	return false
}

// Notice is something in a catalog that is read in another way than it is
// written.
type Notice struct {
	File string `json:"file"`
	// Line and Column count from 1.
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Where  string `json:"where"`
	Text   string `json:"text"`
}

// String is one line: FILE:LINE:COLUMN: WHERE: TEXT.
func (n Notice) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", n.File, n.Line, n.Column, n.Where, n.Text)
}

// Notices are what Parse has read in another way than it is written, in the order
// of the file.
func (c *Catalog) Notices() []Notice { return slices.Clone(c.notices) }

// readConfigured reads exact as configured where the probe looks at a copy and
// not at what runs.
func (c *Catalog) readConfigured(d *decoder) {
	for i := range c.Secrets {
		s := &c.Secrets[i]
		for j := range s.Consumers {
			p := &s.Consumers[j].Probe
			if p.Kind != ProofExact || !slices.Contains(proofBy(ProofConfigured), p.By) {
				continue
			}
			p.Kind = ProofConfigured
			at := place{}.key("secrets").item(i, s.Name).key("consumers").item(j, s.Consumers[j].Name).key("probe").key("kind")
			c.notices = append(c.notices, d.notice(at, "exact is read as configured: by: "+p.By+
				" shows that the copy holds the value, and not what runs; write kind: configured, and reads: each-run on a consumer that takes the value anew at every use"))
		}
	}
}

// reads refuses the key where it would promise what the probe cannot tell.
func (c *checker) reads(at place, consumer Consumer) {
	if consumer.Reads == "" {
		return
	}
	if c.text(consumer.Reads == ReadsEachRun, at, string(consumer.Reads), string(ReadsEachRun)) {
		c.want(consumer.Probe.Kind == ProofConfigured, at, "reads with a probe by: "+consumer.Probe.By,
			"reads only beside a probe of kind configured (by: "+oneOf(proofBy(ProofConfigured))+")")
	}
}
