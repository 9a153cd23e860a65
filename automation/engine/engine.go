// Package engine is how a change reaches a stack: it finds the Pulumi CLI,
// opens workspaces, reads and writes their config secrets, and runs previews
// and updates through the Automation API. A preview and an update are one CLI
// process each; all the rest is done in this process.
package engine

import (
	"context"
	"crypto/rand"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/process"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/automation/engine/toolchain"
	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/stacks"
)

type (
	// CLI is a Pulumi CLI that can be run.
	CLI = toolchain.CLI
	// Plugin is a provider's plugin of the registry.
	Plugin = toolchain.Plugin
	// Setup finds or provides the CLI.
	Setup = toolchain.Setup
	// State is a stack as the backend has it.
	State = backend.State
	// Lock says who is updating a stack.
	Lock = backend.Lock
	// Resource is one entry of a stack's state.
	Resource = backend.Resource
	// Edit is a write of config secrets that can be taken back.
	Edit = stackfile.Edit
	// Config is a stack's config, decrypted.
	Config = stackfile.Opened
	// Nested is a value inside an object or a list of the config.
	Nested = stackfile.Nested
	// Form is how a key stands in the config.
	Form = stackfile.Form
)

// The forms of a key in the config.
const (
	Absent     = stackfile.Absent
	Secret     = stackfile.Secret
	Plain      = stackfile.Plain
	Object     = stackfile.Object
	Unreadable = stackfile.Unreadable
)

// ErrNotInstalled says that there is no Pulumi CLI where one was looked for.
var ErrNotInstalled = toolchain.ErrNotInstalled

// Version is the CLI's version that goes with the SDK, without a leading v.
func Version() string { return toolchain.Version() }

// Options are what all stacks of a run share.
type Options struct {
	CLI *CLI
	// Backend is the state's address (file://, s3://) for stacks that name
	// none; it wins over the one in a Pulumi.yaml.
	Backend string
	// BackendEnv holds the backend's credentials: AWS_ACCESS_KEY_ID,
	// AWS_SECRET_ACCESS_KEY. Nothing is taken from our own environment.
	BackendEnv map[string]secrets.Value
	// Passphrase encrypts the config of stacks that have none of their own.
	Passphrase secrets.Value
	// Redactor sees every byte that a CLI prints.
	Redactor *secrets.Redactor
	// RunID marks the processes of this run; default: a random one.
	RunID string
	// HTTP is used for s3:// backends; default: the AWS SDK's own.
	HTTP *http.Client
	// Language returns the folder of the program that runs projects of a runtime,
	// empty if the CLI finds it by itself; default: what is on this machine.
	Language func(ctx context.Context, runtime string) (string, error)
	// Patience is how long a CLI may take to end after an interrupt; default:
	// 3 minutes.
	Patience time.Duration
}

// Engine runs the CLI for one run of this program. It may be used by several
// goroutines.
type Engine struct {
	opts      Options
	processes atomic.Int64
	slots     slots
	freeSpace func(dir string) (uint64, error)

	mu      sync.Mutex
	backend map[string]secrets.Value
}

// New makes an engine, lowers this process's core dump limit to none, as it
// holds secrets, and removes what killed runs left in the temporary folder.
func New(opts Options) *Engine {
	if opts.Redactor == nil {
		opts.Redactor = secrets.NewRedactor()
	}
	if opts.RunID == "" {
		opts.RunID = rand.Text()
	}
	opts.Redactor.Add(opts.Passphrase, opts.BackendEnv["AWS_SECRET_ACCESS_KEY"], opts.BackendEnv["AWS_SESSION_TOKEN"])
	if opts.Language == nil {
		opts.Language = func(ctx context.Context, runtime string) (string, error) {
			return Setup{Offline: true}.Language(ctx, opts.CLI, runtime)
		}
	}
	process.Sweep()
	return &Engine{opts: opts, backend: opts.BackendEnv, slots: newSlots(runtime.GOMAXPROCS(0), process.FreeMemory()), freeSpace: freeSpace}
}

// UseBackendEnv goes over to other credentials for the backend, from the next
// command on: the present ones are about to die.
func (e *Engine) UseBackendEnv(env map[string]secrets.Value) {
	e.opts.Redactor.Add(env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"])
	e.mu.Lock()
	defer e.mu.Unlock()
	e.backend = env
}

func (e *Engine) backendEnv() map[string]secrets.Value {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.backend
}

// Sweep ends what killed runs left behind, as New does: a CLI that was still at
// work then may have ended since.
func (e *Engine) Sweep() { process.Sweep() }

// TempDir makes a private temporary folder that the next run removes if this
// process is killed.
func TempDir() (string, error) { return process.TempDir() }

// Processes is how many CLI processes have been started so far.
func (e *Engine) Processes() int { return int(e.processes.Load()) }

// StackSpec says which stack to open.
type StackSpec struct {
	// Name is ours, for messages; also Pulumi's of a declared stack without
	// Stack.
	Name string
	// Dir holds Pulumi.yaml.
	Dir string
	// Stack is Pulumi's name; empty: the project's only one.
	Stack string
	// Program of a stack that is declared here; nil for an existing project.
	Program stacks.Program
	// Passphrase and Backend override the engine's.
	Passphrase secrets.Value
	Backend    string
	// NoPassphrase says why there is no passphrase; a stack that needs one is not
	// opened then.
	NoPassphrase error
	// Env goes to the CLI and its children beside what they always get.
	Env map[string]secrets.Value
	// Providers are attached instead of plugins in every operation: package
	// name to port on loopback.
	Providers map[string]int
}

// Stacks lists the stacks that the project in dir has in the backend, sorted,
// without a CLI process. An empty backend means the engine's.
func (e *Engine) Stacks(ctx context.Context, dir, address string) ([]string, error) {
	const step = "listing the stacks"
	spec := StackSpec{Name: filepath.Base(dir), Dir: dir, Backend: address}
	s, err := e.prepare(spec)
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx)
	if err != nil {
		return nil, s.wrap(step, err)
	}
	return names, nil
}
