//go:build slow

package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sanmarcsoft/secret-rotation/automation/engine"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// storage is the S3 server of a company: versitygw, with a proxy in front that
// adds what that has not and misbehaves as told.
type storage struct {
	t        *testing.T
	dir, url string
	proxy    *httputil.ReverseProxy

	mu sync.Mutex
	// rules is the lifecycle configuration, as it was put.
	rules string
	// puts counts requests that change a bucket's settings.
	puts int
	// fault answers in the server's place, where it does; nil: none does.
	fault func(w http.ResponseWriter, r *http.Request) bool
	// ignores: conditions are not looked at.
	ignores bool
}

// newStorage has one account that may do everything, and another that may use
// no bucket.
func newStorage(t *testing.T, access, secret string) *storage {
	t.Helper()
	program, err := (engine.Setup{Progress: func(line string) { t.Log(line) }}).S3Server(t.Context())
	require.NoError(t, err)
	s := &storage{t: t, dir: folder(t)}
	for _, dir := range []string{"buckets", "versions", "metadata", "iam"} {
		require.NoError(t, os.Mkdir(filepath.Join(s.dir, dir), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "iam", "users.json"),
		[]byte(`{"accessAccounts":{"SCWSTRANGER":{"access":"SCWSTRANGER","secret":"stranger-secret","role":"user"}}}`), 0o600))
	socket := filepath.Join(s.dir, "socket")
	cmd := exec.Command(program, "posix", filepath.Join(s.dir, "buckets"))
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "ROOT_ACCESS_KEY_ID=" + access, "ROOT_SECRET_ACCESS_KEY=" + secret,
		"VGW_PORT=" + socket, "VGW_REGION=fr-par", "VGW_QUIET=true", "VGW_IAM_DIR=" + filepath.Join(s.dir, "iam"),
		"VGW_META_SIDECAR=" + filepath.Join(s.dir, "metadata"), "VGW_VERSIONING_DIR=" + filepath.Join(s.dir, "versions")}
	output := (&sandboxed{t: t, root: s.dir}).file("output")
	cmd.Stdout, cmd.Stderr = output, output
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	dial := func() (net.Conn, error) { return net.Dial("unix", socket) }
	(&sandboxed{t: t}).await("the S3 server listens", func() bool {
		conn, err := dial()
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	s.proxy = &httputil.ReverseProxy{Transport: &http.Transport{DisableCompression: true, Dial: func(string, string) (net.Conn, error) { return dial() }},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", "socket", r.In.Host
		}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil && s.fault(w, r) {
		return
	}
	if r.Method == http.MethodPut && strings.Count(strings.Trim(r.URL.Path, "/"), "/") == 0 {
		s.puts++
	}
	if r.URL.Query().Has("lifecycle") {
		s.lifecycle(w, r)
		return
	}
	if s.ignores && r.Header.Get("If-None-Match") != "" {
		// The header is signed, so it cannot be taken away on the way: this writes in
		// the place of a server that knows nothing of it.
		raw, err := io.ReadAll(r.Body)
		file := filepath.Join(s.dir, "buckets", filepath.FromSlash(r.URL.Path))
		if err == nil {
			err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, raw, 0o600))
		}
		if err != nil {
			answerXML(w, http.StatusInternalServerError, "InternalError")
		}
		return
	}
	s.proxy.ServeHTTP(w, r)
}

func (s *storage) lifecycle(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPut:
		raw, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("X-Amz-Checksum-Crc32") == "" && r.Header.Get("Content-Md5") == "" {
			answerXML(w, http.StatusBadRequest, "InvalidRequest")
			return
		}
		s.rules = string(raw)
	case s.rules == "":
		answerXML(w, http.StatusNotFound, "NoSuchLifecycleConfiguration")
	default:
		_, _ = io.WriteString(w, s.rules)
	}
}

func answerXML(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if code != "" {
		_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code><Message>The canonical request was GET /</Message></Error>")
	}
}

func (s *storage) with(fault func(w http.ResponseWriter, r *http.Request) bool, ignores bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.ignores = fault, ignores
}

// onStorage is a company whose state is to lie on its own S3 server.
func onStorage(t *testing.T) (*company, *storage) {
	t.Helper()
	c := newCompany(t)
	s := newStorage(t, c.pass(scalewayAccess), c.pass(scalewaySecret))
	c.at("s3://" + sandbox.Bucket + "?region=fr-par&use_path_style=true&endpoint=" + s.url)
	return c, s
}

// at changes where the catalog has the state.
func (c *company) at(state string) {
	c.t.Helper()
	file := filepath.Join(c.root, "catalog.yaml")
	raw, err := os.ReadFile(file)
	require.NoError(c.t, err)
	text := regexp.MustCompile(`(?m)^  url: (file|s3)://.*$`).ReplaceAllLiteralString(string(raw), "  url: "+state)
	require.NoError(c.t, os.WriteFile(file, []byte(text), 0o600))
}

// call is a command of the company's, from the folder of its declared stacks.
func (c *company) call(args ...string) result {
	c.t.Helper()
	shell := *c.sandboxed
	shell.root = filepath.Join(c.dir, "projects", "secret-rotation")
	return shell.exec("", shared.binary, append(args, "--catalog", filepath.Join(c.root, "catalog.yaml"), "--root", filepath.Join(c.dir, "projects"))...)
}

// holds puts the state of a folder into the bucket.
func (s *storage) holds(state string) {
	s.t.Helper()
	bucket := filepath.Join(s.dir, "buckets", sandbox.Bucket)
	require.NoError(s.t, os.CopyFS(filepath.Join(bucket, ".pulumi"), os.DirFS(filepath.Join(state, ".pulumi"))))
}

type diagnosis struct {
	OK          bool
	Detail, Fix string
}

// diagnosed are doctor's findings about the bucket.
func (c *company) diagnosed() map[string]diagnosis {
	c.t.Helper()
	var doc struct {
		Findings []struct {
			Name string
			diagnosis
		}
	}
	r := c.call("doctor", "--json")
	require.NoError(c.t, json.Unmarshal([]byte(r.stdout), &doc), r.stderr)
	out := map[string]diagnosis{}
	for _, f := range doc.Findings {
		out[f.Name] = f.diagnosis
	}
	return out
}

func TestStateBucketIsSetUpOnS3(t *testing.T) {
	c, s := onStorage(t)
	bucket := filepath.Join(s.dir, "buckets", sandbox.Bucket)
	mend := "go run . setup --bucket --catalog=" + filepath.Join(c.root, "catalog.yaml")

	found := c.diagnosed()
	require.Contains(t, found["state's bucket"].Fix, mend)
	require.Contains(t, found["stacks"].Detail, "the state's bucket first")
	refusal{code: 1, says: []string{sandbox.Bucket + " does not exist at " + s.url + " in region fr-par"}, next: mend}.shows(t, skipProgress(c.call("rotate", "--secret", "stripe", "--yes")))
	r := c.call("setup", "--bucket")
	refusal{code: 2, says: []string{"--yes was not given; nothing was changed"}, next: "go run . setup --bucket"}.shows(t, skipProgress(r))
	require.Contains(t, r.stderr, "create bucket "+sandbox.Bucket+" in region fr-par")
	require.NoDirExists(t, bucket)

	r = c.call("setup", "--bucket", "--yes")
	require.Zero(t, r.code, r.stdout+r.stderr)
	require.DirExists(t, bucket)
	require.Contains(t, s.rules, "<NoncurrentDays>90</NoncurrentDays>")
	require.Contains(t, s.rules, "<DaysAfterInitiation>7</DaysAfterInitiation>")
	puts := s.puts
	require.Equal(t, 3, puts)
	r = c.call("setup", "--bucket")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stdout, "nothing to do")
	require.Equal(t, puts, s.puts, "nothing is put where nothing is missing")

	found = c.diagnosed()
	for _, name := range []string{"state's bucket", "bucket versioning", "bucket lifecycle", "create-only writes", "clock"} {
		require.True(t, found[name].OK, "%s: %+v", name, found[name])
	}
	seesAnEmptyState(t, c.call("status"))
	versions, err := filepath.Glob(filepath.Join(s.dir, "versions", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, versions, "the probe's object was kept as an old version")

	// Somebody else's rule stays, and one that eats the state is told.
	const other = `<Rule><ID>logs</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>3</Days></Expiration></Rule>`
	s.rules = `<LifecycleConfiguration>` + other + `</LifecycleConfiguration>`
	r = c.call("setup", "--bucket", "--yes")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stderr, "add a lifecycle rule")
	require.Contains(t, s.rules, "<ID>logs</ID>")
	require.Contains(t, s.rules, "<Days>3</Days>")
	require.Contains(t, s.rules, "<NoncurrentDays>90</NoncurrentDays>")
	s.rules = strings.ReplaceAll(s.rules, "logs/", "")
	r = c.call("setup", "--bucket", "--yes")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.stdout, "rule logs deletes the state")
	require.Contains(t, s.rules, "<ID>logs</ID>", "another's rule is another's")
}

func TestBadStateBucketOnS3IsExplained(t *testing.T) {
	c, s := onStorage(t)
	require.Zero(t, c.call("setup", "--bucket", "--yes").code)
	s.holds(filepath.Join(c.dir, "state"))
	access, secret := c.pass(scalewayAccess), c.pass(scalewaySecret)
	url := "s3://" + sandbox.Bucket + "?region=fr-par&use_path_style=true&endpoint=" + s.url
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	skewed := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		answerXML(w, http.StatusForbidden, "RequestTimeTooSkewed")
		return true
	}
	for _, bad := range []struct {
		name, url string
		key       [2]string
		fault     func(http.ResponseWriter, *http.Request) bool
		says      []string
		next      string
	}{
		{name: "bucket", url: strings.Replace(url, sandbox.Bucket, "another-bucket", 1), says: []string{"another-bucket does not exist"}, next: "go run . setup --bucket"},
		{name: "region", url: strings.Replace(url, "fr-par", "nl-ams", 1), says: []string{"region nl-ams is not that of bucket"}, next: "mend region and endpoint in state.url"},
		{name: "access key", key: [2]string{"SCWNOBODYNOBODYNOBOD", secret}, says: []string{"does not take the key (InvalidAccessKeyId)"}, next: "pass edit " + scalewaySecret},
		{name: "secret key", key: [2]string{access, "00000000-0000-4000-8000-000000000000"}, says: []string{"does not take the key (SignatureDoesNotMatch)"}, next: "rotate --catalog="},
		{name: "somebody else's bucket", key: [2]string{"SCWSTRANGER", "stranger-secret"}, says: []string{"may not use bucket", "AccessDenied"}, next: "give the key in " + scalewayAccess},
		{name: "clock", fault: skewed, says: []string{"clock", "differ by ", "RequestTimeTooSkewed"}, next: "timedatectl set-ntp true"},
		{name: "endpoint", url: strings.Replace(url, s.url, "http://"+closed.Addr().String(), 1), says: []string{"cannot be reached: connect: connection refused"}, next: "curl -sSI http://127.0.0.1:"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			if bad.url == "" {
				bad.url = url
			}
			if bad.key[0] == "" {
				bad.key = [2]string{access, secret}
			}
			c.at(bad.url)
			c.insert(scalewayAccess, bad.key[0])
			c.insert(scalewaySecret, bad.key[1])
			c.passCommand("", "git", "push", "--quiet")
			s.with(bad.fault, false)
			before := c.stands()
			for _, command := range [][]string{{"rotate", "--secret", "stripe", "--yes"}, {"setup", "--bucket", "--yes"}} {
				// A missing bucket is what setup mends; a lost server costs each call seconds.
				if command[0] == "setup" && (bad.name == "bucket" || bad.name == "endpoint") {
					continue
				}
				r := skipProgress(c.call(command...))
				refusal{code: 1, says: bad.says, next: bad.next}.shows(t, r)
				require.NotContains(t, r.stderr, "canonical request")
			}
			refusal{code: 4, says: bad.says, next: bad.next}.shows(t, skipProgress(c.call("status")))
			require.Equal(t, before, c.stands())
			require.NoDirExists(t, filepath.Join(s.dir, "buckets", "another-bucket"))
		})
	}

	t.Run("create-only writes are ignored", func(t *testing.T) {
		c.at(url)
		c.insert(scalewayAccess, access)
		c.insert(scalewaySecret, secret)
		c.passCommand("", "git", "push", "--quiet")
		s.with(nil, true)
		found := c.diagnosed()["create-only writes"]
		require.False(t, found.OK)
		require.Contains(t, found.Detail, "cannot keep two operators apart")
		made, err := c.world.Issue(world.Order{Service: "stripe", Entries: []string{"secret-key", "webhook-secret"}})
		require.NoError(t, err)
		require.Len(t, made, 2)
		c.insert(stripeKey, made[0].Value)
		c.insert(stripeHook, made[1].Value)
		c.passCommand("", "git", "push", "--quiet")
		before := c.stands()
		refusal{code: 1, says: []string{"cannot keep two operators apart"}, next: "go run . doctor"}.shows(t, skipProgress(c.call("rotate", "--secret", "stripe", "--pending", "--yes")))
		require.Equal(t, before, c.stands())
	})
}

// What the shell has of AWS_* opens nothing, unless it is asked to.
func TestShellCredentialsOpenNothingUnaskedOnS3(t *testing.T) {
	c, _ := onStorage(t)
	access, secret := c.pass(scalewayAccess), c.pass(scalewaySecret)
	require.Zero(t, c.call("setup", "--bucket", "--yes").code)
	own := *c
	own.sandboxed = c.with("AWS_ACCESS_KEY_ID=SCWWRONG", "AWS_SECRET_ACCESS_KEY=wrong", "AWS_SESSION_TOKEN=wrong", "AWS_PROFILE=nobody",
		"AWS_REGION=nowhere", "AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3=http://127.0.0.1:1")
	seesAnEmptyState(t, own.call("status"))
	r := own.call("status", "--shell-credentials")
	require.Equal(t, 4, r.code, "they were used")
	require.Contains(t, r.stderr, "does not take the key")

	c.insert(scalewayAccess, "SCWNOBODYNOBODYNOBOD")
	own.sandboxed = c.with("AWS_ACCESS_KEY_ID="+access, "AWS_SECRET_ACCESS_KEY="+secret)
	r = own.call("status")
	require.Equal(t, 4, r.code)
	require.Contains(t, r.stderr, "no record can be read", "the shell's would have opened it")
	seesAnEmptyState(t, own.call("status", "--shell-credentials"))
	refusal{code: 2, says: []string{"AWS_ACCESS_KEY_ID is not set"}, next: "export AWS_ACCESS_KEY_ID"}.shows(t, skipProgress(c.call("status", "--shell-credentials")))
}

// seesAnEmptyState: the state was opened and read, and holds nothing yet, which the
// answer says: it could be the wrong address.
func seesAnEmptyState(t *testing.T, r result) {
	t.Helper()
	require.Equal(t, 4, r.code, r.stderr)
	require.Contains(t, r.stderr, "holds none of the catalog's stacks and no record of a rotation")
	require.Contains(t, r.stdout, "not rotated yet")
}
