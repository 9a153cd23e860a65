package sandbox_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

// A config secret changed by the engine reaches the running container.
func TestConfigSecretReachesTheContainer(t *testing.T) {
	s := world(t)
	pulumi := engine.New(engine.Options{CLI: cli(t), Backend: s.Backend(), Passphrase: s.Passphrase(), Redactor: secrets.NewRedactor(), RunID: "test"})
	stack, err := pulumi.Open(t.Context(), engine.StackSpec{Name: "stripe-backend",
		Dir: filepath.Join(s.Root(), "services/stripe-backend/infra"), Providers: s.Providers()})
	require.NoError(t, err)
	secret, _ := s.Catalog(catalog(t)).Secret("stripe")
	old := held(t, s, secret)
	fresh := []secrets.Value{secrets.NewValue([]byte("sk_live_fresh")), old[1]}
	set := func(v secrets.Value) {
		_, err := stack.WriteConfig(t.Context(), map[string]secrets.Value{"stripe-secret-key": v})
		require.NoError(t, err)
		_, err = stack.Up(t.Context(), engine.UpOptions{})
		require.NoError(t, err)
	}
	probe := secret.Consumers[0].Probe
	set(fresh[0])
	require.Eventually(t, func() bool { return asks(t, s, probe, "stripe", fresh) == nil }, patience, tick)
	require.ErrorIs(t, asks(t, s, probe, "stripe", old), attest.ErrRefused)
	require.Equal(t, http.StatusBadGateway, get(t, s, s.ConsumerURL("stripe-backend")+"/use/stripe"), "it was never issued")
	set(old[0])
	require.Eventually(t, func() bool { return asks(t, s, probe, "stripe", old) == nil }, patience, tick)
}

func TestWorldJSON(t *testing.T) {
	s := world(t)
	raw, err := s.WorldJSON()
	require.NoError(t, err)
	var got struct {
		Credentials []struct {
			Service, ID, Entry, Value string
			Alive                     bool
		}
		Workers    map[string]struct{ Deployed string }
		Containers map[string]struct{ Secrets map[string]string }
		Consumers  map[string]struct {
			RunsWith map[string]string `json:"runs_with"`
		}
	}
	require.NoError(t, json.Unmarshal(raw, &got))
	require.NotEmpty(t, got.Credentials)
	require.NotEmpty(t, got.Workers["verifieddit-badges"].Deployed)
	require.Len(t, got.Containers["stripe-backend"].Secrets, 3)
	require.Contains(t, got.Consumers["verifieddit-badges"].RunsWith, "CLERK_SECRET_KEY")
	require.Contains(t, got.Consumers["stripe-backend"].RunsWith, "STRIPE_SECRET_KEY")
}

func TestFaults(t *testing.T) {
	s := world(t)
	use := func() int { return get(t, s, s.ConsumerURL("stripe-backend")+"/use/stripe") }
	require.NoError(t, s.Fault("status", "stripe", "GET", "/v1/balance", "503", "2"))
	require.Equal(t, http.StatusBadGateway, use())
	require.Equal(t, http.StatusBadGateway, use())
	require.Equal(t, http.StatusOK, use(), "used up")
	require.NoError(t, s.Fault("drop", "stripe", "*", "*", "-1"))
	require.Equal(t, http.StatusBadGateway, use())
	require.NoError(t, s.Fault("clear"))
	require.Equal(t, http.StatusOK, use())
	for _, bad := range [][]string{{"nonsense"}, {"status", "stripe"}, {"status", "stripe", "GET", "*", "many"}, {"drop", "*", "*", "*", "0"},
		{"delay", "*", "*", "*", "-1"}, {"status", "stripe", "GET", "*", "200"}} {
		require.Error(t, s.Fault(bad[0], bad[1:]...), bad)
	}
	require.Equal(t, http.StatusOK, use(), "a wrong one changes nothing")
}

func TestConsumerWithoutItsSecretsServesNothing(t *testing.T) {
	s := open(t, folder(t))
	require.NoError(t, tamper(s, "worker-removed", "verifieddit-badges"))
	base := s.ConsumerURL("verifieddit-badges")
	require.Equal(t, http.StatusServiceUnavailable, get(t, s, base+"/healthz"))
	require.Equal(t, http.StatusBadGateway, get(t, s, base+"/use/clerk"))
	require.Empty(t, s.ConsumerURL("nobody"))
	require.NotEmpty(t, sandbox.TamperUsage())
	require.NotEmpty(t, sandbox.FaultUsage())
}
