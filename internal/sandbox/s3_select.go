package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// keepSelection tells the plain Pulumi CLI which stack is chosen in each
// project. It remembers that by the backend's address, and the S3 server's
// changes where its port was taken.
func (s *Sandbox) keepSelection() error {
	if s.kind != BackendS3 {
		return nil
	}
	files, err := filepath.Glob(s.path("pulumi-home", "workspaces", "*-workspace.json"))
	if err != nil {
		return fmt.Errorf("looking for the chosen stacks: %w", err)
	}
	for _, file := range files {
		if err := choose(file, s.Backend()); err != nil {
			return fmt.Errorf("keeping the chosen stack of %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

func choose(file, backend string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var workspace map[string]any
	if err := json.Unmarshal(raw, &workspace); err != nil {
		return err
	}
	stacks, _ := workspace["stacks"].(map[string]any)
	if stacks[backend] != nil {
		return nil
	}
	for _, chosen := range stacks {
		stacks[backend] = chosen
		break
	}
	if raw, err = json.MarshalIndent(workspace, "", "    "); err != nil {
		return err
	}
	if err := os.WriteFile(file+".tmp", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}
