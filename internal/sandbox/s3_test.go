//go:build slow

package sandbox_test

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// onS3 is a fresh world with its state on S3.
func onS3(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.Open(t.Context(), sandbox.Options{Dir: folder(t), Backend: sandbox.BackendS3, CLI: cli(t),
		Progress: func(line string) { t.Log(line) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// lists lists the state with a key.
func lists(t *testing.T, s *sandbox.Sandbox, key map[string]secrets.Value) error {
	t.Helper()
	address, err := backend.Normalize(s.Backend(), s.Dir())
	require.NoError(t, err)
	b, err := backend.Open(t.Context(), address, map[string]secrets.Value{
		"AWS_ACCESS_KEY_ID": key["access-key"], "AWS_SECRET_ACCESS_KEY": key["api-secret"]}, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	_, err = b.List(&blob.ListOptions{Prefix: ".pulumi/"}).Next(t.Context())
	if errors.Is(err, io.EOF) {
		return nil
	}
	return backend.Explain(err)
}

func TestKeysOfIAMAreAccountsOfS3(t *testing.T) {
	s := onS3(t)
	secret, _ := catalog(t).Secret("scaleway")
	values := held(t, s, secret)
	company := map[string]secrets.Value{"access-key": values[0], "api-secret": values[1]}
	issue := func() map[string]secrets.Value {
		made, err := s.Issue(t.Context(), secret)
		require.NoError(t, err)
		require.NoError(t, lists(t, s, made), "a new key opens the state at once")
		return made
	}
	id := func(key map[string]secrets.Value) string {
		c, found, err := s.World().Lookup("scaleway", string(key["access-key"].Reveal()))
		require.NoError(t, err)
		require.True(t, found)
		return c.ID
	}
	for how, end := range map[string]func(key map[string]secrets.Value) error{
		"revoked":  func(key map[string]secrets.Value) error { return s.Retire(t.Context(), secret, key) },
		"disabled": func(key map[string]secrets.Value) error { return tamper(s, "disabled", id(key)) },
		"expired":  func(key map[string]secrets.Value) error { return tamper(s, "expired", id(key)) },
	} {
		key := issue()
		require.NoError(t, end(key), how)
		require.ErrorIs(t, lists(t, s, key), backend.ErrAuth, how)
		require.NoError(t, lists(t, s, company), "the other key goes on")
	}
	forged := map[string]secrets.Value{"access-key": values[0], "api-secret": secrets.NewValue([]byte("11111111-1111-4111-8111-111111111111"))}
	require.ErrorIs(t, lists(t, s, forged), backend.ErrAuth, "the signature is checked")
	weak := issue()
	require.NoError(t, tamper(s, "permission-removed", id(weak), "ObjectStorageFullAccess"))
	require.ErrorIs(t, lists(t, s, weak), backend.ErrAuth, "without the permission")

	log, err := s.Requests()
	require.NoError(t, err)
	require.Regexp(t, `"service":"s3","method":"GET",.*"status":403,"credential_id":"scw-`, string(log))
}

func TestWorldOnS3(t *testing.T) {
	s := onS3(t)
	require.NoDirExists(t, filepath.Join(s.Dir(), "state"))
	require.FileExists(t, filepath.Join(s.Dir(), "s3", "buckets", sandbox.Bucket, ".pulumi", "stacks", "infra", "prod.json"))
	c := s.Catalog(catalog(t))
	require.Equal(t, s.Backend(), c.State.URL)
	require.Equal(t, catalog(t).State.AccessKey, c.State.AccessKey)
	require.Equal(t, catalog(t).State.SecretKey, c.State.SecretKey)
	secret, _ := c.Secret("scaleway")
	var kinds []secrets.ConsumerKind
	for _, consumer := range secret.Consumers {
		kinds = append(kinds, consumer.Kind)
	}
	require.Contains(t, kinds, secrets.KindBackend, "the key opens the state")
	u, err := url.Parse(s.Backend())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(u.Query().Get("endpoint"), "http://127.0.0.1:"))
	require.Equal(t, []string{"PULUMI_BACKEND_URL"}, sandbox.RefuseForeign([]string{"PULUMI_BACKEND_URL=" + s.Backend()}))

	// A second process, or here a second opening, serves the same state.
	second := open(t, s.Dir())
	require.NotEqual(t, s.Backend(), second.Backend())
	const looks = `cd projects/infra && pulumi stack ls && pulumi preview --stack prod --expect-no-changes`
	require.Contains(t, shell(t, served(t, s), looks), "prod")
	text, err := second.EnvText()
	require.NoError(t, err)
	own := filepath.Join(t.TempDir(), "env")
	require.NoError(t, os.WriteFile(own, []byte(text), 0o600))
	require.Contains(t, shell(t, own, "cd '"+s.Dir()+"' && "+looks), "prod")
	_, err = sandbox.Open(t.Context(), sandbox.Options{Dir: s.Dir(), Backend: sandbox.BackendFile, CLI: cli(t)})
	require.ErrorIs(t, err, sandbox.ErrBackend)
}

// forgetful is an S3 server that knows nothing of create-only writes: it drops
// the header, which is signed, and signs anew.
func forgetful(t *testing.T, endpoint string, key aws.Credentials) *httptest.Server {
	t.Helper()
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Del("If-None-Match")
		r.Out.Header.Del("Authorization")
		assert.NoError(t, v4.NewSigner().SignHTTP(r.In.Context(), key, r.Out, r.Out.Header.Get("X-Amz-Content-Sha256"), "s3", "fr-par", time.Now()))
	}}
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	return srv
}

func TestCreateOnlyWritesOnS3(t *testing.T) {
	s := onS3(t)
	secret, _ := catalog(t).Secret("scaleway")
	key := held(t, s, secret)
	probe := func(address string) error {
		address, err := backend.Normalize(address, s.Dir())
		require.NoError(t, err)
		b, err := backend.Open(t.Context(), address, map[string]secrets.Value{"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, b.Close()) }()
		return backend.CreateOnly(t.Context(), b)
	}
	require.NoError(t, probe(s.Backend()))
	u, err := url.Parse(s.Backend())
	require.NoError(t, err)
	endpoint := u.Query().Get("endpoint")
	other := forgetful(t, endpoint, aws.Credentials{AccessKeyID: string(key[0].Reveal()), SecretAccessKey: string(key[1].Reveal())})
	require.ErrorIs(t, probe(strings.Replace(s.Backend(), endpoint, other.URL, 1)), backend.ErrNoCreateOnly)
	left, err := filepath.Glob(filepath.Join(s.Dir(), "s3", "buckets", sandbox.Bucket, ".rotation", ".probe", "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// Two processes' servers over one bucket: an object has one creator.
func TestOneCreatorBetweenTwoServersOnS3(t *testing.T) {
	s := onS3(t)
	second := open(t, s.Dir())
	secret, _ := catalog(t).Secret("scaleway")
	key := held(t, s, secret)
	const names = 60
	wins := make(chan string, 4*names)
	var work sync.WaitGroup
	for i := range 4 {
		address, err := backend.Normalize([]string{s.Backend(), second.Backend()}[i%2], s.Dir())
		require.NoError(t, err)
		b, err := backend.Open(t.Context(), address, map[string]secrets.Value{"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}, nil)
		require.NoError(t, err)
		work.Go(func() {
			defer func() { assert.NoError(t, b.Close()) }()
			for n := range names {
				name := fmt.Sprintf("race/%d", n)
				err := b.WriteAll(t.Context(), name, []byte("x"), &blob.WriterOptions{IfNotExist: true})
				if err == nil {
					wins <- name
				} else {
					assert.Equal(t, gcerrors.FailedPrecondition, gcerrors.Code(err), "%v", err)
				}
			}
		})
	}
	work.Wait()
	close(wins)
	won := map[string]int{}
	for name := range wins {
		won[name]++
	}
	require.Len(t, won, names)
	for name, n := range won {
		require.Equal(t, 1, n, name)
	}
}
