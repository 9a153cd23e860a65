package toolchain

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	releases = "https://github.com/pulumi/pulumi/releases/download"
	// offlineAfter bounds how long a machine without a network takes to notice.
	offlineAfter = 5 * time.Second
	// stalledAfter ends a download that gives no byte for so long.
	stalledAfter = 30 * time.Second
)

// unreachable is what a build can make up for: no network, no such release, a
// download that broke off. A wrong checksum is not among it.
type unreachable string

func (u unreachable) Error() string { return string(u) }

func notReached(format string, args ...any) error {
	return unreachable(fmt.Sprintf(format, args...))
}

// download fetches, checks and unpacks the release archive.
func (s Setup) download(ctx context.Context, tmp, bin string) error {
	base := s.Releases
	if base == "" {
		base = releases
	}
	base += "/v" + Version() + "/"
	name := archiveName()
	s.say("looking for the release of Pulumi CLI %s", Version())
	client := newClient()
	want, err := checksum(ctx, client, base+"pulumi-"+Version()+"-checksums.txt", name)
	if err != nil {
		return err
	}
	archive := filepath.Join(tmp, "archive")
	got, err := s.fetch(ctx, client, base+name, archive)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("checking %s: its SHA-256 is %s, published is %s: do not use it; pass --pulumi PATH or try again later", name, got, want)
	}
	if err := unpack(archive, bin); err != nil {
		return fmt.Errorf("unpacking %s: %w", name, err)
	}
	return os.Remove(archive)
}

func archiveName() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	return fmt.Sprintf("pulumi-v%s-%s-%s.tar.gz", Version(), runtime.GOOS, arch)
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: offlineAfter}).DialContext,
		TLSHandshakeTimeout:   offlineAfter,
		ResponseHeaderTimeout: 2 * offlineAfter,
		ForceAttemptHTTP2:     true,
	}}
}

// checksum is the first request and so the one that finds out whether there is
// a network: all of it has to be done within offlineAfter.
func checksum(ctx context.Context, client *http.Client, url, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, offlineAfter)
	defer cancel()
	body, err := get(ctx, client, url)
	if err != nil {
		return "", err
	}
	defer body.Close()
	lines := bufio.NewScanner(io.LimitReader(body, 1<<20))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 2 && strings.TrimPrefix(f[1], "*") == name {
			return strings.ToLower(f[0]), nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", notReached("reading the checksums: %v", err)
	}
	return "", notReached("no checksum is published for %s", name)
}

func get(ctx context.Context, client *http.Client, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", url, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, notReached("%v", err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, notReached("%s answers %s", url, resp.Status)
	}
	return resp.Body, nil
}

// fetch writes url to file and returns the SHA-256 of what came.
func (s Setup) fetch(ctx context.Context, client *http.Client, url, file string) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := get(ctx, client, url)
	if err != nil {
		return "", err
	}
	defer body.Close()
	out, err := os.Create(file)
	if err != nil {
		return "", fmt.Errorf("storing the release: %w", err)
	}
	defer out.Close()
	stall := time.AfterFunc(stalledAfter, cancel)
	defer stall.Stop()
	sum := sha256.New()
	seen := &counter{each: 20 << 20, alive: func() { stall.Reset(stalledAfter) },
		say: func(n int64) { s.say("downloading Pulumi CLI %s: %d MB", Version(), n>>20) }}
	if _, err := io.Copy(io.MultiWriter(onDisk{out}, sum, seen), body); err != nil {
		var disk diskError
		if errors.As(err, &disk) {
			return "", fmt.Errorf("storing the release: %w", err)
		}
		return "", notReached("downloading it: %v", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// onDisk tells a full disk from a broken connection.
type onDisk struct{ f *os.File }

type diskError struct{ error }

func (d onDisk) Write(p []byte) (int, error) {
	n, err := d.f.Write(p)
	if err != nil {
		return n, diskError{err}
	}
	return n, nil
}

// counter reports how much has come.
type counter struct {
	n, told, each int64
	alive         func()
	say           func(int64)
}

func (c *counter) Write(p []byte) (int, error) {
	c.alive()
	if c.n += int64(len(p)); c.n-c.told >= c.each {
		c.told = c.n
		c.say(c.n)
	}
	return len(p), nil
}

// unpack writes the archive's programs into bin, by their last name only.
func unpack(archive, bin string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := writeProgram(filepath.Join(bin, path.Base(h.Name)), tr); err != nil {
			return err
		}
	}
}

func writeProgram(file string, r io.Reader) error {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, r); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
