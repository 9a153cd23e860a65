package sandbox_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	truth "github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/attest"
)

// asks asks a consumer, at the address that the world's catalog gives for it,
// whether it runs with the values.
func asks(t *testing.T, s *sandbox.Sandbox, probe secrets.Probe, name string, values []secrets.Value) error {
	t.Helper()
	req, pending, err := attest.NewRequest(t.Context(), probe.URL, name, attest.Key(values...), time.Now())
	require.NoError(t, err)
	resp, err := s.HTTP().Do(req)
	require.NoError(t, err)
	return pending.Verify(resp)
}

func get(t *testing.T, s *sandbox.Sandbox, address string) int {
	t.Helper()
	resp, err := s.HTTP().Get(address)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

func TestPassHoldsEveryEntryOfTheCatalog(t *testing.T) {
	s, c := world(t), catalog(t)
	opened := passOf(t, s)
	for _, secret := range c.Secrets {
		for i, v := range held(t, s, secret) {
			require.NoError(t, secret.Entries[i].Check(v))
		}
	}
	for _, id := range c.Identifiers {
		require.True(t, opened.Exists(id.Path), id.Path)
	}
	paths, err := opened.List(t.Context())
	require.NoError(t, err)
	require.Len(t, paths, len(c.Identifiers)+9, "nothing else is in it")
	sync, err := opened.Sync(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, sync.Remote)
	require.Zero(t, sync.Ahead)
	require.Zero(t, sync.Behind)
	require.Empty(t, sync.Dirty)
}

func TestConsumersProveWhatPassHolds(t *testing.T) {
	s := world(t)
	asked := 0
	for _, secret := range s.Catalog(catalog(t)).Secrets {
		for _, consumer := range secret.Consumers {
			if consumer.Probe.By != "attest" {
				continue
			}
			asked++
			values := held(t, s, secret)
			require.NoError(t, asks(t, s, consumer.Probe, secret.Name, values), "%s at %s", secret.Name, consumer.Name)
			values[0] = secrets.NewValue([]byte("another"))
			require.ErrorIs(t, asks(t, s, consumer.Probe, secret.Name, values), attest.ErrRefused)
		}
	}
	require.Equal(t, 4, asked, "clerk twice, stripe, sightengine")
}

func TestConsumersUseTheirSecrets(t *testing.T) {
	s := world(t)
	for consumer, services := range map[string][]string{
		"verifieddit-badges": {"clerk", "sightengine"}, "stripe-backend": {"clerk", "stripe"},
	} {
		base := s.ConsumerURL(consumer)
		require.Equal(t, http.StatusOK, get(t, s, base+"/healthz"))
		for _, service := range services {
			require.Equal(t, http.StatusOK, get(t, s, base+"/use/"+service), "%s uses %s", consumer, service)
			require.Equal(t, http.StatusBadGateway, get(t, s, base+"/use/"+service+"?bad=1"), "negative control")
		}
		require.Equal(t, http.StatusNotFound, get(t, s, base+"/use/github"))
	}
}

func TestProjectsAreRolledOutAndPushed(t *testing.T) {
	s := world(t)
	for _, args := range [][]string{{"status", "--porcelain"}, {"log", "--oneline", "origin/main..main"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = s.Root()
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Empty(t, string(out))
	}
	for _, file := range []string{"infra/Pulumi.prod.yaml", "services/stripe-backend/infra/Pulumi.prod.yaml", "secret-rotation/Pulumi.yaml"} {
		require.FileExists(t, filepath.Join(s.Root(), file))
	}
	require.NoError(t, s.World().Read(func(state *truth.State) {
		require.Len(t, state.Containers, 1)
		require.Len(t, state.Registries, 1)
		require.Equal(t, truth.RegistryName, state.Registries[0].Name)
		require.Equal(t, state.Registries[0].ID, state.Images[0].NamespaceID)
		require.True(t, state.Containers[0].CreatedAt.Before(state.Now().Add(-24*time.Hour)), "all of it is old")
		require.Zero(t, state.Settings.ClockOffset)
		require.Positive(t, state.Settings.ContainerDelay)
	}))
}

func TestNoJournalAndNoPlaintextOutsidePass(t *testing.T) {
	s := world(t)
	require.NoDirExists(t, filepath.Join(s.Dir(), "state", ".rotation"))
	var values []secrets.Value
	for _, secret := range catalog(t).Secrets {
		values = append(values, held(t, s, secret)...)
	}
	redactor := secrets.NewRedactor()
	redactor.Add(values...)
	searched := 0
	for _, part := range []string{"projects", "projects.git", "state", "store", "store.git", "pulumi-home", "tls"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(s.Dir(), part), func(file string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			raw, err := os.ReadFile(file)
			searched++
			require.False(t, redactor.Holds(raw), file)
			return err
		}))
	}
	require.Greater(t, searched, 50)
	raw, err := os.ReadFile(filepath.Join(s.Dir(), "world.json"))
	require.NoError(t, err)
	require.True(t, redactor.Holds(raw), "the search finds what is there")
}

func TestHTTPSWithTheWorldsOwnCA(t *testing.T) {
	s := world(t)
	text, err := s.EnvText()
	require.NoError(t, err)
	address := "https://" + exported(t, text, "CLOUDFLARE_API_HOSTNAME") + "/client/v4/user/tokens/verify"
	require.Equal(t, http.StatusBadRequest, get(t, s, address), "no token, but a conversation")
	_, err = new(http.Client).Get(address)
	require.ErrorContains(t, err, "certificate", "nobody else trusts it")
}
