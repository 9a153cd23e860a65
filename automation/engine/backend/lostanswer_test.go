package backend

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// keeping is a server that honours create-only writes, and whose answer to the
// first one is lost on the way.
type keeping struct {
	mu      sync.Mutex
	objects map[string][]byte
	lost    bool
}

func (k *keeping) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	have, there := k.objects[r.URL.Path]
	switch r.Method {
	case http.MethodPut:
		if there && r.Header.Get("If-None-Match") == "*" {
			w.WriteHeader(http.StatusPreconditionFailed)
			_, _ = w.Write([]byte("<Error><Code>PreconditionFailed</Code><Message>m</Message></Error>"))
			return
		}
		k.objects[r.URL.Path], _ = io.ReadAll(r.Body)
		if !k.lost {
			k.lost = true
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	case http.MethodDelete:
		delete(k.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	default:
		if !there {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(have)
	}
}

// The probe's object was taken, the answer was lost and the client wrote it once
// more: that the server refuses this is no sign that it refuses all.
func TestALostAnswerIsNoRefusal(t *testing.T) {
	server := &keeping{objects: map[string][]byte{}}
	srv := httptest.NewServer(server)
	t.Cleanup(srv.Close)
	b, err := Open(t.Context(), "s3://state?region=fr-par&use_path_style=true&request_checksum_calculation=when_required&endpoint="+srv.URL,
		map[string]secrets.Value{"AWS_ACCESS_KEY_ID": secrets.NewValue([]byte("a")), "AWS_SECRET_ACCESS_KEY": secrets.NewValue([]byte("b"))}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	require.NoError(t, CreateOnly(t.Context(), b))
	require.True(t, server.lost)
	require.Empty(t, server.objects, "the probe is removed")
}
