package api

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

func settingsForm(t *testing.T, settings string) (body string, kind option) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(t, w.WriteField("settings", settings))
	require.NoError(t, w.Close())
	return b.String(), withHeader("Content-Type", w.FormDataContentType())
}

func TestSettingsPatchIsOneVersion(t *testing.T) {
	r := newRig(t)
	base, token := r.serve(r.api.Cloudflare())+cloudflareBase, withBearer(r.pass["cloudflare/api-token"])
	body, kind := settingsForm(t, `{"bindings":[{"name":"ENVIRONMENT","type":"plain_text"},
		{"name":"SIGHTENGINE_API_USER","type":"secret_text","text":"1"},{"name":"SIGHTENGINE_API_SECRET","type":"secret_text"}]}`)
	a := ask(t, "PATCH", base+r.script()+"/settings", body, token, kind)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, map[string]string{"SIGHTENGINE_API_USER": "1", "SIGHTENGINE_API_SECRET": r.pass["sightengine/api-secret"]},
		r.worker().Deployed().Secrets, "what has no text is kept, what is left out is deleted")
	require.Len(t, r.worker().Versions, 2)
	require.Equal(t, "production", r.worker().Deployed().Vars["ENVIRONMENT"])

	require.NoError(t, r.world.Tamper("worker-undeployed", world.WorkerName))
	require.Equal(t, 10214, ask(t, "PATCH", base+r.script()+"/settings", body, token, kind).errorCode())
	body, kind = settingsForm(t, `{}`)
	require.Equal(t, 10021, ask(t, "PATCH", base+r.script()+"/settings", body, token, kind).errorCode())
	require.Len(t, r.worker().Versions, 3)
}
