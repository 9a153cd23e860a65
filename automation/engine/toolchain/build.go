package toolchain

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The pinned modules, copies of tools/go.mod and tools/go.sum (a test keeps
// them equal): an embed pattern cannot reach into another module's folder.
var (
	//go:embed modules/go.mod.txt
	goMod []byte
	//go:embed modules/go.sum.txt
	goSum []byte
)

const (
	// aboutPackages is what a cold build of both programs compiles.
	aboutPackages = 1700
	yamlModule    = "github.com/pulumi/pulumi-yaml"
)

// build compiles the CLI and the YAML plugin. go.sum vouches for every module,
// whichever proxy they come from. why tells what kept the release away.
func (s Setup) build(ctx context.Context, tmp, bin string, why error) error {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return missing("Go is not installed here", why)
	}
	src := filepath.Join(tmp, "src")
	if err := writeModule(src, goMod, goSum); err != nil {
		return err
	}
	version, err := pinned(goMod, yamlModule)
	if err != nil {
		return err
	}
	cmd := exec.Command(goTool, "build", "-v", "-ldflags", strings.Join([]string{
		"-s -w",
		"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v" + Version(),
		"-X " + yamlModule + "/pkg/version.Version=" + version,
	}, " "), "-o", bin+string(filepath.Separator),
		"github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", yamlModule+"/cmd/"+languageName)
	cmd.Dir = src
	cmd.Env = buildEnv(s.Offline)
	p := &buildProgress{what: "Pulumi CLI " + Version(), about: aboutPackages, programs: []string{cliName, languageName}}
	if err := s.run(ctx, cmd, p); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("building the Pulumi CLI: %w", ctx.Err())
		}
		return missing(err.Error(), why)
	}
	return os.RemoveAll(src)
}

func missing(what string, why error) error {
	if why != nil {
		what = fmt.Sprintf("%s, and the release cannot be downloaded (%v)", what, why)
	}
	return fmt.Errorf("providing the Pulumi CLI: %s: connect to the network or install Go %s, then run `go run . setup`; or name a CLI with --pulumi PATH: %w",
		what, strings.TrimPrefix(runtime.Version(), "go"), ErrNotInstalled)
}

func writeModule(dir string, mod, sum []byte) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("writing the pinned modules: %w", err)
	}
	for name, content := range map[string][]byte{"go.mod": mod, "go.sum": sum} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("writing the pinned modules: %w", err)
		}
	}
	return nil
}

// pinned returns the version that the pinned go.mod requires of a module.
func pinned(mod []byte, module string) (string, error) {
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(f) >= 2 && f[0] == module {
			return f[1], nil
		}
	}
	return "", fmt.Errorf("reading the pinned modules: %s is not among them", module)
}

// buildEnv lets the operator's Go settings and proxies through, and nothing
// that would change what is built.
func buildEnv(offline bool) []string {
	env := keep("PATH", "HOME", "TMPDIR", "USER", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC",
		"GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE",
		"GOINSECURE", "GOTOOLCHAIN", "CGO_ENABLED", "GOROOT", "GOMAXPROCS", "GOAUTH")
	env = append(env, "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false")
	if offline {
		env = append(env, "GOPROXY=off")
	}
	return env
}

// run reports the build while it runs and kills the whole of it with ctx.
func (s Setup) run(ctx context.Context, cmd *exec.Cmd, p *buildProgress) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("starting the build: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the build: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	p.start = time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read(out)
	}()
	s.report(p, done)
	if err := cmd.Wait(); err != nil {
		return errors.Join(fmt.Errorf("the build failed: %w", err), errors.New(p.tail()))
	}
	return nil
}

func (s Setup) report(p *buildProgress, done <-chan struct{}) {
	s.say("%s", p.line())
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			s.say("%s", p.line())
		}
	}
}

// buildProgress counts what `go build -v` prints: modules that are fetched,
// packages that are compiled. What the build cache holds is not printed.
type buildProgress struct {
	// what is built, in words; about how many packages; its programs' names.
	what     string
	about    int
	programs []string
	start    time.Time

	mu       sync.Mutex
	modules  int
	packages int
	built    int
	last     []string
}

func (p *buildProgress) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		p.add(lines.Text())
	}
	// A line too long to scan must not block the build.
	_, _ = io.Copy(io.Discard, r)
}

func (p *buildProgress) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		p.modules++
	case !strings.ContainsAny(line, " \t:"):
		p.packages++
		if slices.Contains(p.programs, path.Base(line)) && strings.HasSuffix(path.Dir(line), "/cmd") {
			p.built++
		}
	default:
		if p.last = append(p.last, line); len(p.last) > 8 {
			p.last = p.last[1:]
		}
	}
}

func (p *buildProgress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := int(time.Since(p.start).Seconds())
	if p.packages == 0 && p.modules > 0 {
		return fmt.Sprintf("building %s: fetching modules, %d so far, %d s", p.what, p.modules, elapsed)
	}
	if p.built == len(p.programs) {
		return fmt.Sprintf("building %s: linking, %d s", p.what, elapsed)
	}
	return fmt.Sprintf("building %s: %d of at most %d packages, %d s", p.what, p.packages, p.about, elapsed)
}

func (p *buildProgress) tail() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.last, "\n")
}
