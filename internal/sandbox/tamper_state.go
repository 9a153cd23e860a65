package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"gocloud.dev/blob"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/backend"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// stateBucket opens the state as any client does.
func (s *Sandbox) stateBucket(ctx context.Context) (*blob.Bucket, error) {
	login, err := s.login()
	if err != nil {
		return nil, err
	}
	keys := map[string]secrets.Value{}
	for name, value := range login {
		keys[name] = secrets.NewValue([]byte(value))
	}
	return backend.Open(ctx, s.Backend(), keys, s.HTTP())
}

// A secret in an exported state, and the mark by which it is known.
const (
	secretMark  = "4dabf18193072939515e22adb298388d"
	secretValue = "1b47061264138c4ac30d75fd1eb44270"
)

// editState exports the state with its secrets in the clear, through pipes
// alone, edits an input and imports the result: the CLI encrypts it again.
func (s *Sandbox) editState(ctx context.Context, a []string) (string, error) {
	t, err := s.find(a[0])
	if err != nil {
		return "", err
	}
	login, err := s.login()
	if err != nil {
		return "", err
	}
	raw, err := s.pulumi(ctx, t.dir, nil, login, "stack", "export", "--show-secrets", "--stack", t.stack)
	if err != nil {
		return "", err
	}
	state, err := plainJSON(raw)
	if err != nil {
		return "", err
	}
	deployment, _ := state["deployment"].(map[string]any)
	resource, err := resourceOf(deployment, a[1])
	if err != nil {
		return "", err
	}
	for _, side := range []string{"inputs", "outputs"} {
		values, _ := resource[side].(map[string]any)
		if err := setProperty(values, strings.Split(a[2], "."), a[3]); err != nil && side == "inputs" {
			return "", fmt.Errorf("%s of %s: %w", a[2], a[1], err)
		}
	}
	if raw, err = json.Marshal(state); err != nil {
		return "", fmt.Errorf("encoding the edited state: %w", err)
	}
	_, err = s.pulumi(ctx, t.dir, raw, login, "stack", "import", "--stack", t.stack)
	return "", err
}

// plainJSON keeps numbers as they are written.
func plainJSON(raw []byte) (map[string]any, error) {
	var out map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&out); err != nil {
		return nil, errors.New("the state is not JSON")
	}
	return out, nil
}

// resourceOf is the resource with that name, the last part of its URN.
func resourceOf(deployment map[string]any, name string) (map[string]any, error) {
	all, _ := deployment["resources"].([]any)
	var names []string
	for _, r := range all {
		resource, _ := r.(map[string]any)
		urn, _ := resource["urn"].(string)
		is := urn[strings.LastIndex(urn, "::")+len("::"):]
		if is == name {
			return resource, nil
		}
		names = append(names, is)
	}
	return nil, fmt.Errorf("no resource %q in the state; there are %s", name, strings.Join(names, ", "))
}

// setProperty replaces a text that is there, in the clear or secret.
func setProperty(in map[string]any, path []string, value string) error {
	was, ok := in[path[0]]
	if !ok {
		return fmt.Errorf("no %s in the state", path[0])
	}
	inner, isMap := was.(map[string]any)
	secret := isMap && inner[secretMark] == secretValue
	if secret {
		text, _ := inner["plaintext"].(string)
		var plain any
		if err := json.Unmarshal([]byte(text), &plain); err != nil {
			return fmt.Errorf("%s is not shown", path[0])
		}
		inner, isMap = plain.(map[string]any)
		was = plain
	}
	switch _, text := was.(string); {
	case len(path) > 1 && isMap:
		if err := setProperty(inner, path[1:], value); err != nil {
			return err
		}
		was = inner
	case len(path) == 1 && text:
		was = value
	default:
		return fmt.Errorf("%s is no text", path[0])
	}
	if secret {
		text, err := json.Marshal(was)
		if err != nil {
			return fmt.Errorf("encoding %s: %w", path[0], err)
		}
		was = map[string]any{secretMark: secretValue, "plaintext": string(text)}
	}
	in[path[0]] = was
	return nil
}

// lockState leaves what a Pulumi leaves that was killed, on a host that nobody
// can ask.
func (s *Sandbox) lockState(ctx context.Context, a []string) (string, error) {
	t, err := s.find(a[0])
	if err != nil {
		return "", err
	}
	lock, err := json.Marshal(map[string]any{"pid": 4711, "username": "colleague", "hostname": "another-machine", "timestamp": time.Now().Add(-time.Hour).UTC()})
	if err != nil {
		return "", fmt.Errorf("encoding a lock: %w", err)
	}
	return "", s.inState(ctx, func(b *blob.Bucket) error {
		return b.WriteAll(ctx, ".pulumi/locks/organization/"+t.project+"/"+t.stack+"/"+world.NewUUID()+".json", lock, nil)
	})
}

// leavePending adds to the checkpoint what an update had begun and not ended;
// `pulumi stack import` would drop it.
func (s *Sandbox) leavePending(ctx context.Context, a []string) (string, error) {
	t, err := s.find(a[0])
	if err != nil {
		return "", err
	}
	key := ".pulumi/stacks/" + t.project + "/" + t.stack + ".json"
	return "", s.inState(ctx, func(b *blob.Bucket) error {
		raw, err := b.ReadAll(ctx, key)
		if err != nil {
			return err
		}
		state, err := plainJSON(raw)
		if err != nil {
			return err
		}
		checkpoint, _ := state["checkpoint"].(map[string]any)
		latest, _ := checkpoint["latest"].(map[string]any)
		resources, _ := latest["resources"].([]any)
		if len(resources) == 0 {
			return fmt.Errorf("%s has no resource", a[0])
		}
		latest["pending_operations"] = []any{map[string]any{"resource": resources[len(resources)-1], "type": "updating"}}
		if raw, err = json.Marshal(state); err != nil {
			return fmt.Errorf("encoding the state: %w", err)
		}
		return b.WriteAll(ctx, key, raw, nil)
	})
}

func (s *Sandbox) inState(ctx context.Context, do func(*blob.Bucket) error) error {
	b, err := s.stateBucket(ctx)
	if err != nil {
		return err
	}
	return errors.Join(backend.Explain(do(b)), b.Close())
}
