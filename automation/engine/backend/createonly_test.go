package backend

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// objectServer is as much of an S3 server as the probe needs. existing is its
// answer to a create-only write of an object that is there, any the one to every
// write; 0: it is taken.
type objectServer struct {
	existing, any int
	code          string
	// keeps: it deletes nothing.
	keeps bool

	mu      sync.Mutex
	objects map[string]bool
	seen    []string
}

func (s *objectServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.Copy(io.Discard, r.Body)
	answer := 0
	switch r.Method {
	case http.MethodPut:
		s.seen = append(s.seen, r.URL.Path)
		if answer = s.any; answer == 0 && s.objects[r.URL.Path] && r.Header.Get("If-None-Match") == "*" {
			answer = s.existing
		}
		if answer == 0 {
			s.objects[r.URL.Path] = true
		}
	case http.MethodHead:
		if !s.objects[r.URL.Path] {
			answer = http.StatusNotFound
		}
	case http.MethodDelete:
		if s.keeps {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte("<Error><Code>AccessDenied</Code><Message>m</Message></Error>"))
			return
		}
		delete(s.objects, r.URL.Path)
		answer = http.StatusNoContent
	}
	if answer == 0 {
		return
	}
	w.WriteHeader(answer)
	if answer >= 400 && r.Method == http.MethodPut {
		_, _ = w.Write([]byte("<Error><Code>" + s.code + "</Code><Message>m</Message></Error>"))
	}
}

func (s *objectServer) bucket(t *testing.T) *blob.Bucket {
	t.Helper()
	s.objects = map[string]bool{}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	b, err := Open(t.Context(), "s3://state?region=fr-par&use_path_style=true&request_checksum_calculation=when_required&endpoint="+srv.URL,
		map[string]secrets.Value{"AWS_ACCESS_KEY_ID": secrets.NewValue([]byte("a")), "AWS_SECRET_ACCESS_KEY": secrets.NewValue([]byte("b"))}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestCreateOnly(t *testing.T) {
	for name, c := range map[string]struct {
		server *objectServer
		want   error
	}{
		"honoured":             {&objectServer{existing: http.StatusPreconditionFailed, code: "PreconditionFailed"}, nil},
		"honoured, other code": {&objectServer{existing: http.StatusConflict, code: "ConditionalRequestConflict"}, nil},
		"ignored":              {&objectServer{}, ErrNoCreateOnly},
		"not implemented":      {&objectServer{any: http.StatusNotImplemented, code: "NotImplemented"}, ErrNoCreateOnly},
		"no permission":        {&objectServer{any: http.StatusForbidden, code: "AccessDenied"}, ErrAuth},
	} {
		t.Run(name, func(t *testing.T) {
			err := CreateOnly(t.Context(), c.server.bucket(t))
			require.ErrorIs(t, err, c.want)
			require.Empty(t, c.server.objects, "the probe is removed")
			require.Regexp(t, `^/state/\.rotation/\.probe/[A-Z2-7]+$`, c.server.seen[0])
		})
	}
}

func TestEveryProbeHasItsOwnName(t *testing.T) {
	server := &objectServer{existing: http.StatusPreconditionFailed, code: "PreconditionFailed"}
	b := server.bucket(t)
	require.NoError(t, CreateOnly(t.Context(), b))
	require.NoError(t, CreateOnly(t.Context(), b))
	require.Len(t, server.seen, 4)
	require.NotEqual(t, server.seen[0], server.seen[2])
}

// A folder honours them within one process, which is all that is tried here.
func TestCreateOnlyInAFolder(t *testing.T) {
	b, err := Open(t.Context(), "file://"+t.TempDir(), nil, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	require.NoError(t, CreateOnly(t.Context(), b))
}

// A key that may not delete leaves Pulumi's locks: told apart from all else.
func TestAKeyThatMayNotDelete(t *testing.T) {
	server := &objectServer{existing: http.StatusPreconditionFailed, code: "PreconditionFailed", keeps: true}
	err := CreateOnly(t.Context(), server.bucket(t))
	require.ErrorIs(t, err, ErrNoDelete)
	require.NotErrorIs(t, err, ErrNoCreateOnly)

	server = &objectServer{keeps: true}
	err = CreateOnly(t.Context(), server.bucket(t))
	require.ErrorIs(t, err, ErrNoCreateOnly)
	require.ErrorIs(t, err, ErrNoDelete)
}
