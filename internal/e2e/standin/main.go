// Command standin behaves as the registry's Cloudflare plugin 5.49.1 does, which
// is neither a module nor part of a test: what it asks the API for, and that a
// changed text is a replacement, was measured on the real one. It takes writes of
// one Worker one at a time only, as the API does.
package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

type standIn struct {
	pulumirpc.UnimplementedResourceProviderServer
	writing sync.Mutex
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	server := grpc.NewServer()
	pulumirpc.RegisterResourceProviderServer(server, &standIn{})
	log.Fatal(server.Serve(listener))
}

func (*standIn) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "5.49.1"}, nil
}

// CheckConfig fills in what nobody has set, as the real one does; all of its
// settings are texts.
func (*standIn) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	news := req.GetNews()
	if news.Fields == nil {
		news.Fields = map[string]*structpb.Value{}
	}
	for name, text := range map[string]string{"apiClientLogging": "false", "maxBackoff": "30", "minBackoff": "1", "retries": "3", "rps": os.Getenv("CLOUDFLARE_RPS")} {
		if _, set := news.Fields[name]; !set {
			news.Fields[name] = structpb.NewStringValue(text)
		}
	}
	return &pulumirpc.CheckResponse{Inputs: news}, nil
}

func (*standIn) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	resp := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	olds, news := texts(req.GetOldInputs()), texts(req.GetNews())
	for name := range news {
		if olds[name] != news[name] {
			resp.Changes, resp.Diffs = pulumirpc.DiffResponse_DIFF_SOME, append(resp.Diffs, name)
		}
	}
	return resp, nil
}

func (*standIn) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	if os.Getenv("CLOUDFLARE_API_TOKEN") == "" || os.Getenv("CLOUDFLARE_API_HOSTNAME") == "" || os.Getenv("CLOUDFLARE_RPS") == "" {
		return nil, fmt.Errorf("configuring: token, host or rate is missing")
	}
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true}, nil
}

// Check notes which inputs it has filled in: none.
func (*standIn) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	news := req.GetNews()
	news.Fields["__defaults"] = structpb.NewListValue(&structpb.ListValue{})
	return &pulumirpc.CheckResponse{Inputs: news}, nil
}

func (*standIn) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, news := texts(req.GetOlds()), texts(req.GetNews())
	resp := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	for _, name := range []string{"accountId", "name", "scriptName", "secretText"} {
		if olds[name] != news[name] {
			resp.Changes = pulumirpc.DiffResponse_DIFF_SOME
			resp.Replaces, resp.Diffs = append(resp.Replaces, name), append(resp.Diffs, name)
		}
	}
	return resp, nil
}

func (s *standIn) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	in := texts(req.GetProperties())
	id := md5.Sum([]byte(in["accountId"] + "/" + in["scriptName"] + "/" + in["name"]))
	resp := &pulumirpc.CreateResponse{Id: hex.EncodeToString(id[:]), Properties: req.GetProperties()}
	if req.GetPreview() {
		return resp, nil
	}
	if !s.writing.TryLock() {
		return nil, fmt.Errorf("two writes at once: 10000: the Worker is locked by another change")
	}
	defer s.writing.Unlock()
	body, err := json.Marshal(map[string]string{"name": in["name"], "text": in["secretText"], "type": "secret_text"})
	if err != nil {
		return nil, err
	}
	if err := call(ctx, http.MethodPut, in, "", body); err != nil {
		return nil, err
	}
	return resp, call(ctx, http.MethodGet, in, "", nil)
}

func (*standIn) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	in := texts(req.GetProperties())
	return &emptypb.Empty{}, call(ctx, http.MethodDelete, in, "/"+in["name"], nil)
}

func (*standIn) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func call(ctx context.Context, method string, in map[string]string, below string, body []byte) error {
	address := "https://" + os.Getenv("CLOUDFLARE_API_HOSTNAME") + "/client/v4/accounts/" + in["accountId"] + "/workers/scripts/" + in["scriptName"] + "/secrets" + below
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+os.Getenv("CLOUDFLARE_API_TOKEN"))
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode > 299 {
		return fmt.Errorf("%s of %s: status %d", method, strings.TrimPrefix(below, "/"), resp.StatusCode)
	}
	return nil
}

// texts are the properties in plain text.
func texts(s *structpb.Struct) map[string]string {
	m, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true})
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for k, v := range m {
		if v.IsString() {
			out[string(k)] = v.StringValue()
		}
	}
	return out
}
