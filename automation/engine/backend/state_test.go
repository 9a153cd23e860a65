package backend

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/sanmarcsoft/secret-rotation/secrets"
)

const checkpoint = `{"version":3,"checkpoint":{"stack":"organization/shop/prod","latest":{"manifest":{},
"pending_operations":[{"resource":{"urn":"urn:a","type":"t"},"type":"creating"}],
"resources":[{"urn":"urn:s","type":"pulumi:pulumi:Stack","outputs":{"x":"s3cr3t"}},
{"urn":"urn:w","id":"abc/w/NAME","type":"cloudflare:index/workersSecret:WorkersSecret","retainOnDelete":true},{"urn":"urn:d","id":"s3cr3t","type":"random:index/randomString:RandomString","delete":true}]}}}`

func zipped(s string) string {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	_, _ = zw.Write([]byte(s))
	_ = zw.Close()
	return buf.String()
}

// bucket is a file:// backend with these objects.
func bucket(t *testing.T, objects map[string]string) *blob.Bucket {
	t.Helper()
	dir := t.TempDir()
	for name, content := range objects {
		path := filepath.Join(dir, ".pulumi", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	b, err := Open(context.Background(), "file://"+dir, nil, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestReadState(t *testing.T) {
	for name, object := range map[string][2]string{
		"plain":      {"stacks/shop/prod.json", checkpoint},
		"compressed": {"stacks/shop/prod.json.gz", zipped(checkpoint)},
	} {
		t.Run(name, func(t *testing.T) {
			b := bucket(t, map[string]string{"meta.yaml": "version: 1\n", object[0]: object[1],
				"locks/organization/shop/prod/1.json": `{"pid":7,"username":"ann","hostname":"desk","timestamp":"2026-11-22T10:00:00Z"}`,
				"locks/organization/shop/prod/2.json": `not json`,
				"locks/organization/shop/dev/3.json":  `{}`})
			st, err := Read(context.Background(), b, "shop", "prod")
			require.NoError(t, err)
			require.Equal(t, State{Exists: true, Size: int64(len(object[1])), Pending: []string{"creating urn:a"},
				Resources: []Resource{{URN: "urn:s", Type: "pulumi:pulumi:Stack"},
					{URN: "urn:w", Type: "cloudflare:index/workersSecret:WorkersSecret", ID: "abc/w/NAME", RetainOnDelete: true},
					{URN: "urn:d", Type: "random:index/randomString:RandomString", Delete: true}},
				Locks: []Lock{{Host: "desk", User: "ann", Pid: 7, Time: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), URL: ".pulumi/locks/organization/shop/prod/1.json"},
					{URL: ".pulumi/locks/organization/shop/prod/2.json"}}}, st)
		})
	}
}

func TestReadStateThatIsNotThereOrNotOne(t *testing.T) {
	st, err := Read(context.Background(), bucket(t, nil), "shop", "prod")
	require.NoError(t, err)
	require.False(t, st.Exists)
	for _, content := range []string{"", "{}", `{"version":3,"checkpoint":{"s3cr3t"`, "\x1f\x8bs3cr3t"} {
		_, err = Read(context.Background(), bucket(t, map[string]string{"meta.yaml": "version: 1\n", "stacks/shop/prod.json": content}), "shop", "prod")
		require.ErrorContains(t, err, "not a Pulumi checkpoint")
		require.NotContains(t, err.Error(), "s3cr3t")
	}
}

func TestStacks(t *testing.T) {
	b := bucket(t, map[string]string{"meta.yaml": "version: 1\n", "stacks/shop/prod.json": "{}", "stacks/shop/prod.json.bak": "{}",
		"stacks/shop/dev.json.gz": "", "stacks/shop/prod.json.gz": "", "stacks/shopping/other.json": "{}", "stacks/shop/deeper/no.json": "{}"})
	names, err := Stacks(context.Background(), b, "shop")
	require.NoError(t, err)
	require.Equal(t, []string{"dev", "prod"}, names)
	names, err = Stacks(context.Background(), bucket(t, nil), "shop")
	require.NoError(t, err)
	require.Empty(t, names)
}

func TestOtherLayoutsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		objects map[string]string
		want    error
	}{
		"before projects":         {map[string]string{"stacks/prod.json": "{}"}, ErrLegacy},
		"before projects, zipped": {map[string]string{"stacks/prod.json.gz": "{}"}, ErrLegacy},
		"version 0":               {map[string]string{"meta.yaml": "version: 0\n"}, ErrLegacy},
		"newer":                   {map[string]string{"meta.yaml": "version: 2\n"}, ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Stacks(context.Background(), bucket(t, c.objects), "shop")
			require.ErrorIs(t, err, c.want)
			_, err = Read(context.Background(), bucket(t, c.objects), "shop", "prod")
			require.ErrorIs(t, err, c.want)
		})
	}
	_, err := Stacks(context.Background(), bucket(t, map[string]string{"meta.yaml": "nothing: 1\n"}), "shop")
	require.ErrorContains(t, err, "damaged")
}

func TestNormalize(t *testing.T) {
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	for address, want := range map[string]string{
		"file:///a/b":                  "file:///a/b",
		"file://./state":               "file:///project/state",
		"file://state?no_tmp_dir=true": "file:///project/state?no_tmp_dir=true",
		"file://~":                     "file://" + home,
		"file://~/s":                   "file://" + filepath.Join(home, "s"),
		"s3://bucket":                  "s3://bucket",
		"s3://bucket/dir?region=fr-par&endpoint=s3.example&disableSSL=true":                   "s3://bucket/dir?disable_https=true&endpoint=http%3A%2F%2Fs3.example&region=fr-par&request_checksum_calculation=when_required",
		"s3://bucket?endpoint=https://s3.example&request_checksum_calculation=when_supported": "s3://bucket?endpoint=https%3A%2F%2Fs3.example&request_checksum_calculation=when_supported",
	} {
		got, err := Normalize(address, "/project")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, address := range []string{"https://api.pulumi.com", "gs://bucket", "azblob://c", "", "s3://b?disableSSL=perhaps"} {
		_, err := Normalize(address, "/project")
		require.Error(t, err, address)
	}
}

// s3Server answers every request with one error and remembers who asked.
func s3Server(t *testing.T, status int, code string) (string, *string) {
	t.Helper()
	asked := new(string)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = r.Header.Get("Authorization") + " " + r.URL.Path
		w.WriteHeader(status)
		_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>m</Message></Error>"))
	}))
	t.Cleanup(srv.Close)
	return "s3://state/dir?region=fr-par&use_path_style=true&endpoint=" + srv.URL, asked
}

func TestS3UsesTheGivenCredentialsAlone(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "SCWAMBIENT")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "ambient")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
	address, asked := s3Server(t, http.StatusForbidden, "SignatureDoesNotMatch")
	address, err := Normalize(address, "/")
	require.NoError(t, err)

	_, err = Open(context.Background(), address, nil, nil)
	require.ErrorIs(t, err, ErrAuth, "no credentials given")

	b, err := Open(context.Background(), address, map[string]secrets.Value{
		"AWS_ACCESS_KEY_ID": secrets.NewValue([]byte("SCWGIVEN")), "AWS_SECRET_ACCESS_KEY": secrets.NewValue([]byte("given-secret"))}, http.DefaultClient)
	require.NoError(t, err)
	defer b.Close()
	_, err = Stacks(context.Background(), b, "shop")
	require.ErrorIs(t, err, ErrAuth)
	require.ErrorContains(t, err, "SignatureDoesNotMatch")
	require.NotContains(t, err.Error(), "given-secret")
	require.Contains(t, *asked, "SCWGIVEN/")
	require.True(t, strings.HasSuffix(*asked, "/state/dir/.pulumi/meta.yaml"), *asked)
}

func TestS3RefusesParametersItWouldIgnore(t *testing.T) {
	_, err := Open(context.Background(), "s3://state?profile=other", map[string]secrets.Value{
		"AWS_ACCESS_KEY_ID": secrets.NewValue([]byte("a")), "AWS_SECRET_ACCESS_KEY": secrets.NewValue([]byte("b"))}, nil)
	require.ErrorIs(t, err, ErrUnsupported)
}
