package drift

import (
	"slices"
	"strings"
	"time"
)

// Code says what is wrong. The codes are a contract with other programs (DESIGN
// section 9).
type Code string

// The codes.
const (
	// StaleConsumer runs with a value from before; ValueDiffers with one that
	// nobody here knows, or it does not prove pass's any more.
	StaleConsumer Code = "stale-consumer"
	ValueDiffers  Code = "value-differs"
	// MissingAtConsumer: the catalog declares the name, and the place lacks it.
	MissingAtConsumer Code = "missing-at-consumer"
	// UnmanagedAtConsumer: a place has a name, or a copy of a value, that the
	// catalog does not declare there.
	UnmanagedAtConsumer Code = "unmanaged-at-consumer"
	// ResourceDrift: an up of the stack would change something.
	ResourceDrift Code = "resource-drift"
	Overdue       Code = "overdue"
	// Expiring: a credential, or a key of the pass store, ends soon.
	Expiring Code = "expiring"
	// Unpushed and Behind are pass, or a stack's config file, against the branch of
	// the remote.
	Unpushed Code = "unpushed"
	Behind   Code = "behind"
	// UnknownEntry is in pass and not in the catalog, MissingEntry the reverse.
	UnknownEntry Code = "unknown-entry"
	MissingEntry Code = "missing-entry"
	// OldStillAlive: an old value that should be dead works, or is not proven dead.
	OldStillAlive Code = "old-still-alive"
	// CredentialDead: its service refuses the value in pass.
	CredentialDead     Code = "credential-dead"
	UnfinishedRotation Code = "unfinished-rotation"
	// ForeignChange: somebody else changed a consumer, or the journal.
	ForeignChange Code = "foreign-change"
	// RollbackRisk: a code rollback would bring a dead value back.
	RollbackRisk Code = "rollback-risk"
	// UnlistedCredential: the issuer lists a living credential that no entry holds.
	UnlistedCredential Code = "unlisted-credential"
	ConfigUncommitted  Code = "config-uncommitted"
)

// Codes are all of them, in the order in which findings are reported: what breaks
// something now is first.
func Codes() []Code {
	return []Code{CredentialDead, MissingAtConsumer, ValueDiffers, StaleConsumer, OldStillAlive, UnlistedCredential,
		ForeignChange, UnfinishedRotation, Expiring, Overdue, Unpushed, Behind, MissingEntry, UnknownEntry,
		UnmanagedAtConsumer, ResourceDrift, ConfigUncommitted, RollbackRisk}
}

// Severity says how bad a finding is. Info never changes the answer.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Info    Severity = "info"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Code Code `json:"code"`
	// Subject is what it is about, without blanks, from the whole to the part:
	// clerk/verifieddit-badges, worker/verifieddit-badges/OLD_NAME,
	// verifieddit/clerk/secret-key (a pass path), stack/infra/bucket. The same
	// finding has the same subject every night.
	Subject  string   `json:"subject"`
	Severity Severity `json:"severity"`
	Detail   string   `json:"detail"`
	// Fix is the command that mends it, or the first one to type.
	Fix string `json:"fix"`
	// Secret is the catalog's secret that it is about; empty where it is about none.
	Secret string `json:"secret,omitempty"`
	// Accepted: somebody has taken it out of the answer, until a day.
	Accepted *Acceptance `json:"accepted,omitempty"`
	// Repair is what drift --fix does about it.
	Repair Repair `json:"-"`

	// formerly is the subject under which it may have been accepted before it got the
	// one that it has.
	formerly string
	// stack is the catalog's stack that it is about.
	stack string
	// holder is the place that it is about, as findings call it.
	holder string
	// own: it is about a credential that this program itself uses.
	own bool
	// mistake: pass holds a dead value, and the one before it lives.
	mistake bool
	// consequence: it follows if the service refuses the credential.
	consequence bool
}

// Key names a finding, as `drift accept` takes it: CODE:SUBJECT.
func (f Finding) Key() string { return string(f.Code) + ":" + f.Subject }

// Counts reports whether the finding changes the answer.
func (f Finding) Counts() bool { return f.Severity != Info && f.Accepted == nil }

// Acceptance is somebody's word that a finding may stand until a day.
type Acceptance struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// Answer is the whole check in a word.
type Answer string

// The answers. Unknown is never shown as fine: something could not be checked.
const (
	Clean Answer = "clean"
	Drift Answer = "drift"
	// InProgress: a rotation is under way, or an old value waits for its grace.
	InProgress Answer = "in-progress"
	Unknown    Answer = "unknown"
)

// Status is how a layer's check went.
type Status string

// The statuses of a layer.
const (
	StatusOK      Status = "ok"
	StatusDrift   Status = "drift"
	StatusUnknown Status = "unknown"
)

// Layer is one kind of check.
type Layer struct {
	Name    string  `json:"name"`
	Status  Status  `json:"status"`
	Seconds float64 `json:"seconds"`
	// Gaps are what could not be checked; each makes the status unknown.
	Gaps []Gap `json:"gaps,omitempty"`
	// AcceptedGaps could not be checked either: somebody has taken them out of the
	// answer, until a day.
	AcceptedGaps []Gap `json:"accepted_gaps,omitempty"`
}

// Gap is something that could not be checked.
type Gap struct {
	// Subject has the form of a finding's.
	Subject string `json:"subject"`
	Detail  string `json:"detail"`
	Fix     string `json:"fix"`
	// Cause is the same for gaps that have one cause; empty where each has its own.
	Cause string `json:"cause,omitempty"`
	// Accepted is set for one that somebody has accepted.
	Accepted *Acceptance `json:"accepted,omitempty"`
}

// Report is the result of a check. The first four fields of its JSON form are a
// contract (DESIGN section 9); the others are what pages show beside it. It holds
// names and moments, never a value.
type Report struct {
	CheckedAt time.Time `json:"checked_at"`
	Answer    Answer    `json:"answer"`
	// Findings are in the order of Codes, then of subjects.
	Findings []Finding `json:"findings"`
	Layers   []Layer   `json:"layers"`

	// Busy are the secrets, and stacks as stack/NAME, on which somebody works: what
	// was seen of them is no standing and is left out.
	Busy []string `json:"busy,omitempty"`
	// Stacks are the only ones that were looked at; none: everything was.
	Stacks []string `json:"stacks,omitempty"`
	// World is empty for the company's, else the sandbox's folder.
	World string `json:"world,omitempty"`
	// About says what was checked, from where, by what.
	About   About    `json:"about,omitzero"`
	Secrets []Secret `json:"secrets"`
	// Rotations are what the journal knows, newest first.
	Rotations []Rotation `json:"rotations"`
	Copies    Copies     `json:"copies"`
	// Mendings are what drift --fix proposed and did before this check; null
	// without it.
	Mendings []Mending `json:"mendings,omitempty"`
}

// About tells one report from another company's and another machine's.
type About struct {
	// Catalog is its file, or "built-in".
	Catalog string `json:"catalog"`
	// Host ran the check, with this Version of the program, over the pass store in
	// this folder.
	Host    string `json:"host"`
	Store   string `json:"store"`
	Version string `json:"version"`
}

// Moment is a time as all reports write it, Day one of which only the day matters:
// in UTC, as a report is read elsewhere than where it was made.
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Day is a day in UTC.
func Day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Secret is one secret of the catalog, as it stands.
type Secret struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// AgeDays are whole days, null where the age is not known; MaxAgeDays is 0
	// where there is no maximum.
	AgeDays    *int    `json:"age_days"`
	MaxAgeDays float64 `json:"max_age_days"`
	// Due is zero where there is no maximum age or no known date.
	Due time.Time `json:"due,omitzero"`
	// State is the journal's, empty where it knows no rotation.
	State string `json:"state"`
	// Running: somebody works on it at this moment. GraceUntil is when the old
	// value may be retired; zero where none waits.
	Running    bool       `json:"running"`
	GraceUntil time.Time  `json:"grace_until,omitzero"`
	Debts      []string   `json:"debts"`
	Consumers  []Consumer `json:"consumers"`
	// Issuer is what the service says of the value in pass: alive, dead, unknown.
	Issuer string `json:"issuer"`
	// Readers are the keys that pass encrypts its entries to.
	Readers []string `json:"readers,omitempty"`
}

// Consumer is one place that holds copies of a secret, and what it answered.
type Consumer struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// Declared is the kind of proof that the catalog asks for, Proof the one that
	// was had or tried: exact, works, configured, present.
	Declared string `json:"declared"`
	Proof    string `json:"proof"`
	// Answer is match, differs, present, unreachable or unknown; empty where it
	// was not asked.
	Answer string `json:"answer"`
	Detail string `json:"detail"`
}

// Rotation is one of the journal's.
type Rotation struct {
	Secret   string    `json:"secret"`
	Rotation string    `json:"rotation"`
	State    string    `json:"state"`
	Began    time.Time `json:"began"`
	// Ended is the time of its last event.
	Ended time.Time `json:"ended"`
	// RevokedAt is when the old value was seen to be refused, or, where no service
	// was asked, when StatedBy had said that it is revoked; zero until then.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	StatedBy  string    `json:"stated_by,omitempty"`
	By        []string  `json:"by"`
}

// Copies counts the declared copies by how sure their answer is.
type Copies struct {
	Total int `json:"total"`
	Exact int `json:"exact"`
	Works int `json:"works"`
	// NameOnly are known by name alone: which value they run with nobody knows.
	NameOnly int `json:"name_only"`
	// Configured are deployed and not verified at run time: the copy holds pass's
	// value, and what runs was not asked.
	Configured int `json:"configured"`
	// Differs run with another value. Unproven gave another answer, or none.
	Differs  int `json:"differs"`
	Unproven int `json:"unproven"`
}

var severities = []Severity{Error, Warning, Info}

// sortFindings puts findings in the order of Codes, then of subjects, and of those
// about the same keeps the worst: two layers may have seen it.
func sortFindings(all []Finding) []Finding {
	order := map[Code]int{}
	for i, c := range Codes() {
		order[c] = i
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		if a.Code != b.Code {
			return order[a.Code] - order[b.Code]
		}
		if a.Subject != b.Subject {
			return strings.Compare(a.Subject, b.Subject)
		}
		return slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity)
	})
	return slices.CompactFunc(all, func(a, b Finding) bool { return a.Key() == b.Key() })
}

// answer is the check in a word: drift that was found stands over what could not
// be checked, and that over a rotation under way.
func answer(findings []Finding, layers []Layer, inProgress bool) Answer {
	switch {
	case slices.ContainsFunc(findings, Finding.Counts):
		return Drift
	case slices.ContainsFunc(layers, func(l Layer) bool { return len(l.Gaps) > 0 }):
		return Unknown
	case inProgress:
		return InProgress
	}
	return Clean
}

// Unchecked is the report of a check that could not even begin.
func Unchecked(now time.Time, err error, fix string) Report {
	r := Report{CheckedAt: now.UTC().Truncate(time.Second), Answer: Unknown, Findings: []Finding{}, Secrets: []Secret{}, Rotations: []Rotation{}}
	for _, name := range LayerNames() {
		r.Layers = append(r.Layers, Layer{Name: name, Status: StatusUnknown, Gaps: []Gap{{Subject: name, Detail: err.Error(), Fix: fix}}})
	}
	return r
}
