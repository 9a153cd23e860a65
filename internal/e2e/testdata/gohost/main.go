// Command gohost stands in for pulumi-language-go in tests on machines that have
// neither a Pulumi release nor a way to download one: the module proxy does not
// carry Pulumi's own. It does what that does for a program without options:
// compile it, and run it with the engine's and the stack's particulars in its
// environment.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string
}

func main() {
	flag.String("tracing", "", "ignored")
	flag.String("root", "", "ignored")
	flag.Parse()
	serving, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{Init: func(s *grpc.Server) error {
		pulumirpc.RegisterLanguageRuntimeServer(s, &host{engine: flag.Arg(0)})
		return nil
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(serving.Port)
	if err := <-serving.Done; err != nil {
		os.Exit(1)
	}
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "0.0.0-test"}, nil
}

func (h *host) GetRequiredPlugins(context.Context, *pulumirpc.GetRequiredPluginsRequest) (*pulumirpc.GetRequiredPluginsResponse, error) {
	return &pulumirpc.GetRequiredPluginsResponse{}, nil
}

func (h *host) GetRequiredPackages(context.Context, *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	dir, err := os.MkdirTemp("", "gohost")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "program")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = req.GetInfo().GetProgramDirectory()
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("error in compiling Go: %w\n%s", err, out)
	}
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, err
	}
	keys, err := json.Marshal(req.GetConfigSecretKeys())
	if err != nil {
		return nil, err
	}
	run := exec.CommandContext(ctx, program)
	run.Dir, run.Stdout, run.Stderr = req.GetPwd(), os.Stdout, os.Stderr
	run.Env = append(os.Environ(),
		pulumi.EnvOrganization+"="+req.GetOrganization(), pulumi.EnvProject+"="+req.GetProject(), pulumi.EnvStack+"="+req.GetStack(),
		pulumi.EnvConfig+"="+string(config), pulumi.EnvConfigSecretKeys+"="+string(keys),
		pulumi.EnvDryRun+"="+strconv.FormatBool(req.GetDryRun()), pulumi.EnvParallel+"="+strconv.Itoa(int(req.GetParallel())),
		pulumi.EnvMonitor+"="+req.GetMonitorAddress(), pulumi.EnvEngine+"="+h.engine)
	if err := run.Run(); err != nil {
		return &pulumirpc.RunResponse{Error: "the program failed: " + err.Error()}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}
