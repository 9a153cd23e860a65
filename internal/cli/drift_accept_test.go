package cli

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/automation/journal"
)

// Only what the check finds can be accepted: the rest would hide what comes later.
func TestOnlyWhatIsFoundCanBeAccepted(t *testing.T) {
	now := time.Now()
	found := drift.Report{Findings: []drift.Finding{{Code: drift.UnmanagedAtConsumer, Subject: "worker/badges/SENTRY_DSN"}, {Code: drift.ConfigUncommitted, Subject: "/repo/Pulumi.prod.yaml", Severity: drift.Info}},
		Layers: []drift.Layer{{Name: "issuers", Gaps: []drift.Gap{{Subject: "cloudflare/list"}}, AcceptedGaps: []drift.Gap{{Subject: "stripe/old"}}}}}
	accepting := func(code, subject string) error {
		return notFoundNow(found, journal.Acceptance{Code: code, Subject: subject, Until: now.Add(time.Hour)}, now)
	}
	for _, known := range [][2]string{{"unmanaged-at-consumer", "worker/badges/SENTRY_DSN"}, {"unmanaged-at-consumer", "worker/badges/*"}, {"unmanaged-at-consumer", "worker/**"},
		{"config-uncommitted", "/repo/Pulumi.prod.yaml"}, {"unknown", "cloudflare/list"}, {"unknown", "stripe/old"}} {
		require.NoError(t, accepting(known[0], known[1]), known)
	}
	for _, unknown := range [][2]string{{"unmanaged-at-consumer", "worker/badges/SENTRY_DNS"}, {"value-differs", "worker/badges/SENTRY_DSN"}, {"unknown", "cloudflare"}, {"overdue", "nothing-of-this-kind"}} {
		err := accepting(unknown[0], unknown[1])
		require.Equal(t, exitUsage, exitCode(err), unknown)
		require.NotEmpty(t, nextOf(err))
	}
	var usage *usageError
	require.True(t, errors.As(accepting("unmanaged-at-consumer", "worker/badges/SENTRY_DNS"), &usage))
	require.Equal(t, []string{"go run . drift accept unmanaged-at-consumer:worker/badges/SENTRY_DSN --until DATE --reason TEXT"}, usage.next)
}
