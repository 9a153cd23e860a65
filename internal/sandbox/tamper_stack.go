package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/sanmarcsoft/secret-rotation/automation/engine/stackfile"
	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
	"github.com/sanmarcsoft/secret-rotation/secrets"
)

// target is a stack as a person finds it: the project's folder and Pulumi's
// names of project and stack.
type target struct {
	dir, project, stack string
	file                stackfile.File
}

// find takes the catalog's name of a stack.
func (s *Sandbox) find(name string) (target, error) {
	found := target{dir: s.declared(), stack: name}
	for _, p := range exampleProjects() {
		if p.name == name {
			found.dir, found.stack = s.projectDir(p), pulumiStack
		}
	}
	project, err := workspace.LoadProject(filepath.Join(found.dir, "Pulumi.yaml"))
	if err != nil {
		return target{}, fmt.Errorf("reading the project of %s: %w", name, err)
	}
	found.project = project.Name.String()
	found.file = stackfile.File{Path: filepath.Join(found.dir, "Pulumi."+found.stack+".yaml"), Project: project}
	if !exists(found.file.Path) {
		return target{}, fmt.Errorf("no stack %q has been rolled out: there are infra and stripe-backend, and each declared one after its first rotation", name)
	}
	return found, nil
}

// editConfig encrypts with the stack's own passphrase, as the CLI does.
func (s *Sandbox) editConfig(ctx context.Context, a []string) (string, error) {
	t, err := s.find(a[0])
	if err != nil {
		return "", err
	}
	edit, err := t.file.Update(ctx, map[string]secrets.Value{a[1]: secrets.NewValue([]byte(a[2]))}, false,
		func(salt string) (string, stackfile.Crypter, error) {
			crypter, err := stackfile.Open(s.pass, salt)
			return salt, crypter, err
		})
	if err == nil && len(edit.Changed) == 0 {
		err = fmt.Errorf("%s of %s has that value already", a[1], a[0])
	}
	return "", err
}

func (s *Sandbox) removeConfig(ctx context.Context, a []string) (string, error) {
	t, err := s.find(a[0])
	if err != nil {
		return "", err
	}
	login, err := s.login()
	if err != nil {
		return "", err
	}
	before, err := os.ReadFile(t.file.Path)
	if err != nil {
		return "", fmt.Errorf("reading the config of %s: %w", a[0], err)
	}
	if _, err := s.pulumi(ctx, t.dir, nil, login, "config", "rm", a[1], "--stack", t.stack); err != nil {
		return "", err
	}
	// The CLI does not mind that there is no such key.
	after, err := os.ReadFile(t.file.Path)
	if err == nil && string(before) == string(after) {
		err = fmt.Errorf("%s has no config key %s", a[0], a[1])
	}
	return "", err
}

// login is what a person opens the state with: nothing where it lies in a
// folder, else a living Scaleway key that may use the bucket.
func (s *Sandbox) login() (map[string]string, error) {
	if s.kind != BackendS3 {
		return nil, nil
	}
	state, err := s.world.Snapshot()
	if err != nil {
		return nil, err
	}
	for _, c := range state.Credentials {
		if c.Service != world.Scaleway || c.Entry != "access-key" || c.Standing(state.Now()) != world.Alive || !c.May("ObjectStorageFullAccess") {
			continue
		}
		if secret, ok := state.Partner(c, "api-secret"); ok {
			return map[string]string{"AWS_ACCESS_KEY_ID": c.Value, "AWS_SECRET_ACCESS_KEY": secret.Value}, nil
		}
	}
	return nil, errors.New("no living Scaleway key opens the state's bucket")
}
