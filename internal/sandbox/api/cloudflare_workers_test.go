package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

func putBody(name, text string) string {
	return fmt.Sprintf(`{"name":%q,"text":%q,"type":"secret_text"}`, name, text)
}

func bulkBody(pairs ...string) string {
	var members []string
	for i := 0; i < len(pairs); i += 2 {
		member := "null"
		if pairs[i+1] != "" {
			member = putBody(pairs[i], pairs[i+1])
		}
		members = append(members, fmt.Sprintf("%q:%s", pairs[i], member))
	}
	return `{"secrets":{` + strings.Join(members, ",") + `}}`
}

func (r *rig) worker() *world.Worker { return r.state().Workers[world.WorkerName] }

func TestPutSecretMakesOneVersionAndOneDeployment(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), withBearer(r.pass["cloudflare/api-token"])
	a := ask(t, "PUT", base+r.script()+"/secrets", putBody("CLERK_SECRET_KEY", "new-value"), token)
	require.Equal(t, http.StatusOK, a.status)
	require.NotContains(t, a.raw, "new-value")

	w := r.worker()
	require.Len(t, w.Versions, 2)
	require.Len(t, w.Deployments, 2)
	require.Equal(t, 2, w.Latest().Number)
	require.Equal(t, "secret", w.Latest().TriggeredBy)
	require.Equal(t, "new-value", w.Latest().Secrets["CLERK_SECRET_KEY"])
	require.Equal(t, r.pass["sightengine/api-user"], w.Latest().Secrets["SIGHTENGINE_API_USER"], "the others stay")

	list := ask(t, "GET", base+r.script()+"/versions", "", token)
	require.Equal(t, "secret", list.text("result/items/0/annotations/workers~triggered_by"))
	require.EqualValues(t, 2, list.at("result/items/0/number"))
	deployments := ask(t, "GET", base+r.script()+"/deployments", "", token)
	require.Equal(t, w.Latest().ID, deployments.text("result/deployments/0/versions/0/version_id"))
	one := ask(t, "GET", base+r.script()+"/deployments/"+w.Deployments[0].ID, "", token)
	require.Equal(t, w.Versions[0].ID, one.text("result/versions/0/version_id"))
}

func TestBulkMakesOneVersionForAll(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), withBearer(r.pass["cloudflare/api-token"])
	for _, media := range []string{"application/merge-patch+json", "application/json"} {
		before := len(r.worker().Versions)
		a := ask(t, "PATCH", base+r.script()+"/secrets-bulk",
			bulkBody("SIGHTENGINE_API_USER", "111", "SIGHTENGINE_API_SECRET", "222", "EXTRA", "333", "NOT_THERE", ""),
			token, withHeader("Content-Type", media))
		require.Equal(t, http.StatusOK, a.status)
		require.NotContains(t, a.raw, "222")
		require.Len(t, r.worker().Versions, before+1)
		require.Len(t, r.worker().Deployments, before+1)
	}
	a := ask(t, "PATCH", base+r.script()+"/secrets-bulk", bulkBody("EXTRA", ""), token)
	require.Equal(t, http.StatusOK, a.status)
	names := ask(t, "GET", base+r.script()+"/secrets", "", token)
	require.NotContains(t, names.raw, "EXTRA")
	require.Contains(t, names.raw, "SIGHTENGINE_API_USER")
	require.NotContains(t, names.raw, `"text"`)
}

// A pair that goes out in one bulk is never seen torn: not in a version, not at
// the consumer, whatever runs beside it.
func TestBulkIsNeverTorn(t *testing.T) {
	r := newRig(t)
	r.change(func(s *world.State) { s.Settings.WorkerWrite, s.Settings.WorkerDelay = 1, 1 })
	base, token := r.cloudflare(), withBearer(r.pass["cloudflare/api-token"])
	old := r.pass["sightengine/api-user"] + "/" + r.pass["sightengine/api-secret"]
	stop := make(chan struct{})
	seen := map[string]bool{}
	var watching, writing sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			s := r.state()
			runs := s.WorkerRuns(world.WorkerName, s.Now())
			seen[runs["SIGHTENGINE_API_USER"]+"/"+runs["SIGHTENGINE_API_SECRET"]] = true
		}
	})
	for writer := range 3 {
		writing.Go(func() {
			for i := range 8 {
				n := fmt.Sprint(writer*100 + i + 1)
				ask(t, "PATCH", base+r.script()+"/secrets-bulk", bulkBody("SIGHTENGINE_API_USER", n, "SIGHTENGINE_API_SECRET", n), token)
			}
		})
	}
	writing.Wait()
	close(stop)
	watching.Wait()
	for pair := range seen {
		user, secret, _ := strings.Cut(pair, "/")
		require.True(t, user == secret || pair == old, "the consumer saw a torn pair")
	}
	numbers := []int{}
	for _, v := range r.worker().Versions[1:] {
		require.Equal(t, v.Secrets["SIGHTENGINE_API_USER"], v.Secrets["SIGHTENGINE_API_SECRET"])
		require.Len(t, v.Secrets, 3)
		numbers = append(numbers, v.Number)
	}
	require.NotEmpty(t, numbers)
	require.True(t, slices.IsSorted(numbers))
	require.Len(t, slices.Compact(numbers), len(numbers), "version numbers are used once")
}

func TestOverlappingWritesAreRefused(t *testing.T) {
	r := newRig(t)
	r.change(func(s *world.State) { s.Settings.WorkerWrite = 60000 })
	base, token := r.cloudflare(), withBearer(r.pass["cloudflare/api-token"])
	// Another process is in the middle of a write.
	var ticket string
	r.change(func(s *world.State) {
		var err error
		ticket, err = s.BeginWrite(world.WorkerName, world.Edit{}, writeLimit)
		require.NoError(t, err)
	})
	a := ask(t, "PUT", base+r.script()+"/secrets", putBody("CLERK_SECRET_KEY", "x"), token)
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, "1", a.header.Get("Retry-After"))
	a = ask(t, "PATCH", base+r.script()+"/secrets-bulk", bulkBody("CLERK_SECRET_KEY", "x"), token)
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Len(t, r.worker().Versions, 1)

	r.change(func(s *world.State) { s.EndWrite(world.WorkerName, ticket); s.Settings.WorkerWrite = 0 })
	require.Equal(t, http.StatusOK, ask(t, "PUT", base+r.script()+"/secrets", putBody("CLERK_SECRET_KEY", "x"), token).status)

	// A write whose process died stops nobody for longer than its limit.
	r.change(func(s *world.State) {
		_, err := s.BeginWrite(world.WorkerName, world.Edit{}, writeLimit)
		require.NoError(t, err)
		s.Settings.ClockOffset = world.Millis(writeLimit.Milliseconds())
	})
	require.Equal(t, http.StatusOK, ask(t, "PUT", base+r.script()+"/secrets", putBody("CLERK_SECRET_KEY", "y"), token).status)
}

func TestWorkerRefusals(t *testing.T) {
	missing := strings.Replace
	for _, x := range []struct {
		name         string
		tamper       []string
		method, path string
		body         string
		status, code int
	}{
		{"no Worker, put", nil, "PUT", "ELSE/secrets", putBody("A", "b"), 404, 10007},
		{"no Worker, bulk", nil, "PATCH", "ELSE/secrets-bulk", bulkBody("A", "b"), 404, 10007},
		{"no Worker, list", nil, "GET", "ELSE/secrets", "", 404, 10007},
		{"removed", []string{"worker-removed", world.WorkerName}, "PUT", "/secrets", putBody("A", "b"), 404, 10007},
		{"newest not deployed, put", []string{"worker-undeployed", world.WorkerName}, "PUT", "/secrets", putBody("A", "b"), 400, 10215},
		{"newest not deployed, bulk", []string{"worker-undeployed", world.WorkerName}, "PATCH", "/secrets-bulk", bulkBody("A", "b"), 400, 10215},
		{"newest not deployed, delete", []string{"worker-undeployed", world.WorkerName}, "DELETE", "/secrets/CLERK_SECRET_KEY", "", 400, 10215},
		{"name of a variable", nil, "PUT", "/secrets", putBody("ENVIRONMENT", "b"), 400, 10053},
		{"name of a variable, bulk", nil, "PATCH", "/secrets-bulk", bulkBody("ENVIRONMENT", "b", "C", "d"), 400, 10053},
		{"variable took the name", []string{"worker-var", world.WorkerName, "CLERK_SECRET_KEY"}, "PUT", "/secrets", putBody("CLERK_SECRET_KEY", "b"), 400, 10053},
		{"no such secret, get", nil, "GET", "/secrets/NOPE", "", 404, 10056},
		{"no such secret, delete", nil, "DELETE", "/secrets/NOPE", "", 404, 10056},
		{"too large", nil, "PUT", "/secrets", putBody("A", strings.Repeat("x", 5<<10+1)), 400, 10054},
		{"too many", nil, "PATCH", "/secrets-bulk", bulkBody(many(101)...), 400, 100160},
		{"no such version", nil, "GET", "/versions/00000000-0000-4000-8000-000000000000", "", 404, 100146},
		{"no such deployment", nil, "GET", "/deployments/00000000-0000-4000-8000-000000000000", "", 404, 10336},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := newRig(t)
			if x.tamper != nil {
				require.NoError(t, r.world.Tamper(x.tamper[0], x.tamper[1:]...))
			}
			before := maps.Clone(r.state().Workers)
			path := r.script() + x.path
			if strings.HasPrefix(x.path, "ELSE") {
				path = missing(r.script(), world.WorkerName, "somebody-else", 1) + x.path[4:]
			}
			a := ask(t, x.method, r.cloudflare()+path, x.body, withBearer(r.pass["cloudflare/api-token"]))
			require.Equal(t, x.status, a.status)
			require.Equal(t, x.code, a.errorCode())
			require.Equal(t, before, r.state().Workers, "a refused request changes nothing")
		})
	}
}

func many(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("NAME_%d", i), "x")
	}
	return out
}

func TestBulkTakesAHundredAndFiveKilobytes(t *testing.T) {
	r := newRig(t)
	token := withBearer(r.pass["cloudflare/api-token"])
	base := r.cloudflare()
	require.Equal(t, 200, ask(t, "PATCH", base+r.script()+"/secrets-bulk", bulkBody(many(100)...), token).status)
	require.Equal(t, 200, ask(t, "PUT", base+r.script()+"/secrets", putBody("A", strings.Repeat("x", 5<<10)), token).status)
}

func TestMisshapenSecretsAreRefusedWhole(t *testing.T) {
	r := newRig(t)
	base := r.serve(r.api.Cloudflare()) + cloudflareBase // the requests do not fit the description
	token := withBearer(r.pass["cloudflare/api-token"])
	for name, x := range map[string][2]string{
		"put without text":        {"PUT", `{"name":"A","type":"secret_text"}`},
		"put of another type":     {"PUT", `{"name":"A","type":"plain_text","text":"x"}`},
		"put without JSON":        {"PUT", `{`},
		"bulk with half a secret": {"PATCH", `{"secrets":{"A":{"name":"A","type":"secret_text","text":"x"},"B":{"name":"B","type":"secret_text"}}}`},
		"bulk with another name":  {"PATCH", `{"secrets":{"A":{"name":"B","type":"secret_text","text":"x"}}}`},
		"empty bulk":              {"PATCH", `{"secrets":{}}`},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/secrets"
			if x[0] == "PATCH" {
				path = "/secrets-bulk"
			}
			a := ask(t, x[0], base+r.script()+path, x[1], token)
			require.Equal(t, http.StatusBadRequest, a.status)
			require.Equal(t, 10021, a.errorCode())
			require.Len(t, r.worker().Versions, 1)
		})
	}
}

func TestVersionWithoutDeploymentAndTheWayOut(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), withBearer(r.pass["cloudflare/api-token"])
	latest := base + r.account() + "/workers/workers/" + world.WorkerName + "/versions/latest"
	a := ask(t, "PATCH", latest, `{"env":{"CLERK_SECRET_KEY":{"type":"secret_text","text":"kept-back"}},"annotations":{"workers/tag":"r42"}}`,
		token, withHeader("Content-Type", "application/merge-patch+json"))
	require.Equal(t, http.StatusOK, a.status)
	id := a.text("result/id")
	require.Len(t, r.worker().Deployments, 1)
	require.Equal(t, r.pass["verifieddit/clerk/secret-key"], r.worker().Deployed().Secrets["CLERK_SECRET_KEY"])
	require.Equal(t, 10215, ask(t, "PUT", base+r.script()+"/secrets", putBody("A", "b"), token).errorCode())

	detail := ask(t, "GET", base+r.script()+"/versions/"+id, "", token)
	require.Equal(t, "r42", detail.text("result/annotations/workers~tag"))
	require.NotContains(t, detail.raw, "kept-back")
	require.Equal(t, "CLERK_SECRET_KEY", detail.text("result/resources/bindings/0/name"))

	require.Equal(t, 200, ask(t, "POST", base+r.script()+"/deployments", deployBody(id), token).status)
	require.Equal(t, "kept-back", r.worker().Deployed().Secrets["CLERK_SECRET_KEY"])
	first := r.worker().Versions[0].ID
	require.Equal(t, 10220, ask(t, "POST", base+r.script()+"/deployments", deployBody(first), token).errorCode(),
		"going back to other secrets needs force")
	require.Equal(t, 200, ask(t, "POST", base+r.script()+"/deployments?force=true", deployBody(first), token).status)
	require.Equal(t, first, r.worker().Deployed().ID)
}

func deployBody(id string) string {
	return `{"strategy":"percentage","versions":[{"version_id":"` + id + `","percentage":100}]}`
}

func TestScriptListAndSettings(t *testing.T) {
	r := newRig(t)
	base, token := r.cloudflare(), withBearer(r.pass["cloudflare/api-token"])
	require.Equal(t, world.WorkerName, ask(t, "GET", base+r.account()+"/workers/scripts", "", token).text("result/0/id"))
	settings := ask(t, "GET", base+r.script()+"/settings", "", token)
	require.Contains(t, settings.raw, "SIGHTENGINE_API_SECRET")
	require.NotContains(t, settings.raw, r.pass["sightengine/api-secret"])
	require.Equal(t, 200, ask(t, "GET", base+r.script()+"/script-settings", "", token).status)
	require.Equal(t, "CLERK_SECRET_KEY",
		ask(t, "GET", base+r.script()+"/secrets/CLERK_SECRET_KEY?url_encoded=true", "", token).text("result/name"))
	require.Equal(t, 200, ask(t, "DELETE", base+r.script()+"/secrets/CLERK_SECRET_KEY?url_encoded=true", "", token).status)
	require.NotContains(t, r.worker().Deployed().Secrets, "CLERK_SECRET_KEY")
}
