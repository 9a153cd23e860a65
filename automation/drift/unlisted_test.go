package drift

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/journal"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// register is a service that lists credentials, and calls the one in pass by id.
type register struct {
	id  string
	all []services.Issued
}

func (r register) List(context.Context, services.Credential) ([]services.Issued, error) {
	return r.all, nil
}

func (r register) Identify(context.Context, services.Credential) (services.Issued, error) {
	return services.Issued{ID: r.id}, nil
}

// Where a service calls its credentials by what an entry of pass holds, every
// output hides the name: a finding has one that identifies all the same, in subject,
// detail and fix, and what was accepted under the hidden one stays accepted.
func TestAnUnlistedCredentialHasANameThatIsShown(t *testing.T) {
	f := storetest.New(t)
	f.Insert(map[string]string{"shop/key": "SCWOURKEY0000000000A"})
	s, _ := vault(t, f)
	s.Register = func(string) (Register, bool) {
		return register{"SCWOURKEY0000000000A", []services.Issued{{ID: "SCWOURKEY0000000000A"}, {ID: "SCWROLLEDKEY00001234", Label: "old"}, {ID: "SCWANOTHERKEY0001234"}}}, true
	}
	out := sheet{next: s.Next}
	s.unlisted(t.Context(), "acme", &out)
	require.Len(t, out.findings, 2)
	require.NotEqual(t, out.findings[0].Subject, out.findings[1].Subject, "they end alike")
	hidden := secrets.NewRedactor()
	for _, o := range out.findings {
		hidden.Add(value("SCWROLLEDKEY00001234"), value("SCWANOTHERKEY0001234"))
		require.Regexp(t, `^acme/ends-in-1234-[0-9a-f]{8}$`, o.Subject)
		require.Contains(t, o.Detail, "drift accept unlisted-credential:"+o.Subject+" ")
		require.Contains(t, o.Fix, o.Subject[len("acme/"):])
		for _, text := range []string{o.Subject, o.Detail, o.Fix} {
			require.Equal(t, text, hidden.String(text))
		}
	}
	until := time.Now().Add(time.Hour)
	for _, subject := range []string{out.findings[0].Subject, "acme/SCWROLLEDKEY00001234"} {
		all := accept(append([]Finding{}, out.findings...), []journal.Acceptance{{Code: "unlisted-credential", Subject: subject, Until: until}}, time.Now())
		require.False(t, all[0].Counts(), subject)
		require.True(t, all[1].Counts())
	}
}
