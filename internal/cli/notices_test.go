package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/drift"
	"github.com/sanmarcsoft/secret-rotation/secrets/store/storetest"
)

// TestAnnounce: what arrives, and which exit code the check then has.
func TestAnnounce(t *testing.T) {
	const token = "T0KENabcdef0123456789"
	var got []string
	refuse := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if refuse {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		got = append(got, r.URL.Path+" "+firstLine(string(body)))
	}))
	defer server.Close()
	f := storetest.New(t)
	f.Insert(map[string]string{"ops/hook": "generic+" + server.URL + "/hook/" + token + "\nthe team's\n"})

	clean := drift.Report{CheckedAt: time.Now(), Answer: drift.Clean, Layers: []drift.Layer{{Name: "pass", Status: drift.StatusOK}}}
	drifted := clean
	drifted.Answer = drift.Drift
	drifted.Findings = []drift.Finding{{Code: drift.Unpushed, Subject: "pass", Severity: drift.Warning, Detail: "1 commit; not " + token, Fix: "pass git push"}}
	home := t.TempDir()
	run := func(n notices, withPass bool, r drift.Report, code int) (int, string) {
		var stderr bytes.Buffer
		a := &app{env: Env{Stdout: io.Discard, Stderr: &stderr, Dir: home,
			Environ: []string{"HOME=" + home, "HEART=" + server.URL + "/heart/" + token}}}
		s := a.bare()
		if withPass {
			s.store = f.Store
		}
		l, err := s.listeners(t.Context(), n)
		require.NoError(t, err)
		code = s.announce(t.Context(), l, r, code)
		require.NoError(t, s.close())
		require.NotContains(t, stderr.String(), token)
		require.NotContains(t, stderr.String(), "127.0.0.1")
		return code, stderr.String()
	}
	all := notices{notify: []string{"pass:ops/hook"}, heartbeat: "env:HEART"}
	refuse = true
	code, said := run(all, true, drifted, exitDrift)
	require.Equal(t, exitDrift, code, "the check's own code stands")
	require.Contains(t, said, "warning: --notify pass:ops/hook: the notification was not sent: the service answered HTTP 403")
	require.Contains(t, said, "  next: ")
	refuse = false
	code, said = run(all, true, drifted, exitDrift)
	require.Equal(t, exitDrift, code)
	require.Empty(t, said)
	require.Equal(t, []string{"/hook/" + token + " secret-rotation: drift, 1 new"}, got)
	got = nil
	clean.CheckedAt = time.Now()
	code, said = run(all, true, clean, exitOK)
	require.Equal(t, exitOK, code, said)
	require.Equal(t, []string{"/heart/" + token + " ", "/hook/" + token + " secret-rotation: clean (was drift), 1 resolved"}, got)
	got = nil

	// Nobody would know: a clean check that could not say so is not fine.
	refuse = true
	code, said = run(notices{heartbeat: "env:HEART"}, true, clean, exitOK)
	require.Equal(t, exitFailed, code)
	require.Contains(t, said, "the heartbeat was not taken: HTTP 403")
	refuse = false
	// Pass could not be opened: the others are told, and the code stays.
	code, said = run(notices{notify: []string{"pass:ops/hook"}}, false, drifted, exitCannotTell)
	require.Equal(t, exitCannotTell, code)
	require.Contains(t, said, "pass could not be opened")
	require.Empty(t, got)

	var stderr bytes.Buffer
	s := (&app{env: Env{Stdout: io.Discard, Stderr: &stderr, Dir: home}}).bare()
	_, err := s.listeners(t.Context(), notices{notify: []string{"slack://" + token}})
	require.Equal(t, exitUsage, exitCode(err), "a wrong address ends the call before the check")
	require.NoError(t, s.close())
}
