package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/internal/report"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// A report that is written to a file passes the redactor as what is printed does.
func TestAReportInAFileHoldsNoValue(t *testing.T) {
	const value = "sk_live_0123456789abcdefghij"
	for _, format := range report.Formats() {
		var out bytes.Buffer
		s := &session{app: &app{env: Env{Dir: t.TempDir()}}, out: &out, redactor: secrets.NewRedactor()}
		s.redactor.Add(secrets.NewValue([]byte(value)))
		found := drift.Report{Answer: drift.Drift, Findings: []drift.Finding{{Code: drift.ValueDiffers, Subject: "a/b", Severity: drift.Error, Detail: "it says " + value, Fix: "true"}}}
		require.NoError(t, s.printDrift(found, driftOptions{format: format, output: "report"}))
		text, err := os.ReadFile(filepath.Join(s.app.env.Dir, "report"))
		require.NoError(t, err)
		require.Contains(t, string(text), "it says")
		require.NotContains(t, string(text), value, format)
	}
}

// A device is written to: a file in its place would break the machine.
func TestAReportNeverReplacesADevice(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(os.DevNull, pipe))
	require.NoError(t, writeNew(pipe, []byte("x"), true))
	info, err := os.Lstat(pipe)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "it was replaced")
}
