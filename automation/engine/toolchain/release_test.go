package toolchain

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// release is a server of release archives.
type release struct {
	*httptest.Server
	archives atomic.Int64
	// spoil changes the answer to a request for the archive.
	spoil func(w http.ResponseWriter, archive []byte) bool
	sum   string
}

func newRelease(t *testing.T, version string) *release {
	t.Helper()
	archive := pack(t, version)
	r := &release{sum: fmt.Sprintf("%x", sha256.Sum256(archive))}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/v" + Version() + "/pulumi-" + Version() + "-checksums.txt":
			fmt.Fprintf(w, "%064d  pulumi-v0-other.tar.gz\n%s  %s\n", 0, r.sum, archiveName())
		case "/v" + Version() + "/" + archiveName():
			r.archives.Add(1)
			if r.spoil == nil || !r.spoil(w, archive) {
				_, _ = w.Write(archive)
			}
		default:
			http.NotFound(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// pack makes an archive of the release's form with programs that only say
// their version.
func pack(t *testing.T, version string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	script := "#!/bin/sh\necho v" + version + "\n"
	for _, name := range []string{"pulumi/pulumi", "pulumi/pulumi-language-yaml", "pulumi/pulumi-language-go", "../../escaped"} {
		require.NoError(t, tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(script)), Typeflag: tar.TypeReg}))
		_, err := tw.Write([]byte(script))
		require.NoError(t, err)
	}
	require.NoError(t, tw.Close())
	require.NoError(t, zw.Close())
	return buf.Bytes()
}

func TestEnsureTakesTheReleaseAndThenStartsNoProcess(t *testing.T) {
	r := newRelease(t, Version())
	s := Setup{Dir: t.TempDir(), Releases: r.URL}
	_, err := s.Find(context.Background())
	require.ErrorIs(t, err, ErrNotInstalled)

	cli, err := s.Ensure(context.Background())
	require.NoError(t, err)
	require.Equal(t, filepath.Join(s.Dir, "pulumi-"+Version(), "bin", "pulumi"), cli.Path)
	require.Equal(t, Version(), cli.Version)
	require.FileExists(t, filepath.Join(cli.LanguageDir, languageName))
	require.NoFileExists(t, filepath.Join(s.Dir, "..", "escaped"))
	require.DirExists(t, cli.Home)

	// The same size, but a program that tells when it is run.
	ran := filepath.Join(t.TempDir(), "ran")
	info, err := os.Stat(cli.Path)
	require.NoError(t, err)
	spy := "#!/bin/sh\n>" + ran + "\n"
	require.NoError(t, os.WriteFile(cli.Path, []byte(spy+strings.Repeat("#", max(0, int(info.Size())-len(spy)))), 0o755))
	require.NoError(t, os.Truncate(cli.Path, info.Size()))
	_, err = s.Ensure(context.Background())
	require.NoError(t, err)
	require.NoFileExists(t, ran)
	require.EqualValues(t, 1, r.archives.Load())
}

func TestEnsureInstallsNothingFromABadRelease(t *testing.T) {
	cases := map[string]struct {
		spoil func(r *release)
		says  string
		built bool // it went on to building, which fails here for want of Go
	}{
		"wrong checksum": {spoil: func(r *release) { r.sum = strings.Repeat("0", 64) }, says: "SHA-256"},
		"other version inside": {says: "it says it is", spoil: func(r *release) {
			r.spoil = func(w http.ResponseWriter, _ []byte) bool { return false }
		}},
		"cut": {built: true, says: "Go is not installed", spoil: func(r *release) {
			r.spoil = func(w http.ResponseWriter, archive []byte) bool {
				w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
				_, _ = w.Write(archive[:len(archive)/2])
				return true
			}
		}},
		"archive missing": {built: true, says: "Go is not installed", spoil: func(r *release) {
			r.spoil = func(w http.ResponseWriter, _ []byte) bool { w.WriteHeader(http.StatusNotFound); return true }
		}},
		"not this system": {built: true, says: "Go is not installed", spoil: func(r *release) { r.sum = "" }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", "/nowhere")
			version := Version()
			if strings.HasPrefix(name, "other") {
				version = "3.258.1"
				t.Setenv("PATH", "/usr/bin:/bin")
			}
			r := newRelease(t, version)
			c.spoil(r)
			var said []string
			s := Setup{Dir: t.TempDir(), Releases: r.URL, Progress: func(l string) { said = append(said, l) }}
			_, err := s.Ensure(context.Background())
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.built, strings.Contains(strings.Join(said, "\n"), "building it from its Go modules"))
			if c.built {
				require.ErrorIs(t, err, ErrNotInstalled)
				require.ErrorContains(t, err, "go run . setup")
			}
			left, err := filepath.Glob(filepath.Join(s.Dir, "*pulumi-3*"))
			require.NoError(t, err)
			require.Empty(t, left)
			left, err = filepath.Glob(filepath.Join(s.Dir, tempPrefix+"*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestEnsureGivesUpOnAServerThatDoesNotAnswer(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(context.Background(), offlineAfter+offlineAfter/2)
	defer cancel()
	_, err := Setup{Dir: t.TempDir(), Releases: srv.URL}.Ensure(ctx)
	require.ErrorIs(t, err, ErrNotInstalled)
	require.NoError(t, ctx.Err(), "it noticed by itself")
}

func TestEnsureAtOnceDownloadsOnce(t *testing.T) {
	r := newRelease(t, Version())
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := Setup{Dir: dir, Releases: r.URL}.Ensure(context.Background())
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, r.archives.Load())
}

func TestEnsureReplacesWhatIsNotWhole(t *testing.T) {
	r := newRelease(t, Version())
	s := Setup{Dir: t.TempDir(), Releases: r.URL}
	cli, err := s.Ensure(context.Background())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(cli.Path, 3))
	leftover := filepath.Join(s.Dir, tempPrefix+"killed")
	require.NoError(t, os.Mkdir(leftover, 0o755))

	_, err = s.Find(context.Background())
	require.ErrorIs(t, err, ErrNotInstalled)
	cli, err = s.Ensure(context.Background())
	require.NoError(t, err)
	require.NoDirExists(t, leftover)
	info, err := os.Stat(cli.Path)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(3))
}

func TestOfflineDownloadsNothing(t *testing.T) {
	t.Setenv("PATH", "/nowhere")
	r := newRelease(t, Version())
	_, err := Setup{Dir: t.TempDir(), Releases: r.URL, Offline: true}.Ensure(context.Background())
	require.ErrorIs(t, err, ErrNotInstalled)
	require.Zero(t, r.archives.Load())
	require.Contains(t, buildEnv(true), "GOPROXY=off")
}
