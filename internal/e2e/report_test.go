package e2e

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/api"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// report is the contract of --json (DESIGN section 9), written down a second
// time: a field more, less or renamed breaks other people's programs.
type report struct {
	Rotation  string           `json:"rotation"`
	Secret    string           `json:"secret"`
	State     string           `json:"state"`
	Entries   []entryReport    `json:"entries"`
	Stacks    []stackReport    `json:"stacks"`
	Consumers []consumerReport `json:"consumers"`
	Revoked   revokedReport    `json:"revoked"`
	Debts     []string         `json:"debts"`
	Rejected  string           `json:"rejected,omitempty"`
	Hold      string           `json:"hold,omitempty"`
	Next      []string         `json:"next"`
	Error     string           `json:"error,omitempty"`
}

type entryReport struct {
	Name string `json:"name"`
	Path string `json:"path"`
	From string `json:"from"`
	To   string `json:"to"`
}

type stackReport struct {
	Name    string         `json:"name"`
	Result  string         `json:"result"`
	Changes map[string]int `json:"changes"`
	Seconds float64        `json:"seconds"`
}

type consumerReport struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"`
	Proof  string `json:"proof"`
	Answer string `json:"answer"`
	Detail string `json:"detail,omitempty"`
	// Answers is how many in a row it rests on.
	Answers int `json:"answers,omitempty"`
}

type revokedReport struct {
	ConfirmedAt string `json:"confirmed_at"`
	Evidence    string `json:"evidence"`
	StatedBy    string `json:"stated_by,omitempty"`
}

// decode takes one document that is exactly of the contract, nothing after it.
func decode(t *testing.T, stdout string) report {
	t.Helper()
	all := decodeAll(t, "["+stdout+"]")
	require.Len(t, all, 1)
	return all[0]
}

// decodeAll takes the list that several secrets give.
func decodeAll(t *testing.T, stdout string) []report {
	t.Helper()
	var out []report
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&out), stdout)
	require.False(t, d.More(), "something follows the document:\n%s", stdout)
	var raw []map[string]any
	require.NoError(t, json.Unmarshal([]byte(stdout), &raw))
	for _, one := range raw {
		complete(t, reflect.TypeFor[report](), one)
	}
	return out
}

// complete requires every field of the contract, and no null.
func complete(t *testing.T, want reflect.Type, have map[string]any) {
	t.Helper()
	for i := range want.NumField() {
		name, optional, _ := strings.Cut(want.Field(i).Tag.Get("json"), ",")
		value, ok := have[name]
		if !ok && optional == "omitempty" {
			continue
		}
		require.NotNil(t, value, "field %s of %s", name, want.Name())
		list, ok := value.([]any)
		if !ok || want.Field(i).Type.Elem().Kind() != reflect.Struct {
			continue
		}
		for _, element := range list {
			complete(t, want.Field(i).Type.Elem(), element.(map[string]any))
		}
	}
}

// answers are the consumers' answers by name.
func (r report) answers() map[string]string {
	out := map[string]string{}
	for _, c := range r.Consumers {
		out[c.Name] = c.Proof + " " + c.Answer
	}
	return out
}

// results are the stacks' results by name.
func (r report) results() map[string]string {
	out := map[string]string{}
	for _, s := range r.Stacks {
		out[s.Name] = s.Result
	}
	return out
}

// trueCredential is an issuer's record of one.
type trueCredential = world.TrueCredential

// credential is the issuer's record of a value.
func credential(t *testing.T, truth world.Truth, value string) world.TrueCredential {
	t.Helper()
	at := slices.IndexFunc(truth.Credentials, func(c world.TrueCredential) bool { return c.Value == value })
	require.GreaterOrEqual(t, at, 0, "no issuer knows the value")
	return truth.Credentials[at]
}

// alive are the living credentials of an entry.
func alive(truth world.Truth, service, entry string) []string {
	var out []string
	for _, c := range truth.Credentials {
		if c.Service == service && c.Entry == entry && c.Alive {
			out = append(out, c.Value)
		}
	}
	return out
}

// swapped requires that the old value is dead, the new one alive and what pass
// holds, and that no other of that entry lives.
func (w *sandboxed) swapped(service, path, old string) string {
	w.t.Helper()
	entry := path[strings.LastIndexByte(path, '/')+1:]
	truth, now := w.truth(), w.pass(path)
	require.NotEqual(w.t, old, now, "pass holds the old %s", path)
	require.Equal(w.t, []string{now}, alive(truth, service, entry), "living credentials of %s", path)
	require.False(w.t, credential(w.t, truth, old).Alive)
	return now
}

// settledFrom requires the recorded date to be true: the service was seen to
// refuse the old credential, after it was revoked and before DONE was written,
// and only after every consumer had proven the new value.
func (w *sandboxed) settledFrom(secret string, old world.TrueCredential, refused func(api.Request) bool) journal.Event {
	w.t.Helper()
	events := w.events(secret)
	done := events[len(events)-1]
	require.Equal(w.t, journal.Done, done.State)
	require.Empty(w.t, done.Debts)
	at := slices.IndexFunc(w.requests(), func(r api.Request) bool {
		return r.CredentialID == old.ID && refused(r) && r.Time.After(*old.RevokedAt)
	})
	require.GreaterOrEqual(w.t, at, 0, "the old credential was not tried and refused after it was revoked")
	seen := w.requests()[at]
	require.NotEmpty(w.t, seen.RunID)
	require.True(w.t, seen.Time.Before(done.Time), "DONE was written before the old credential was seen to be refused")
	require.WithinRange(w.t, done.RevokedAt, seen.Time.Truncate(time.Second), done.Time, "the date is when the refusal was seen")
	verified := slices.IndexFunc(events, func(e journal.Event) bool { return e.Rotation == done.Rotation && e.State == journal.Verified })
	require.GreaterOrEqual(w.t, verified, 0, "nobody was asked")
	require.True(w.t, old.RevokedAt.After(events[verified].Time), "revoked before every consumer had proven the new value")
	return done
}

// changing are the requests that may change something.
func changing(requests []api.Request, service string) []api.Request {
	return slices.DeleteFunc(slices.Clone(requests), func(r api.Request) bool {
		return r.Method == "GET" || r.Service != service
	})
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
