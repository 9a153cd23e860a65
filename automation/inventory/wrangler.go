package inventory

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"
)

// Worker is a Cloudflare Worker that a wrangler config names.
type Worker struct {
	// Name is empty where the config could not be read, which Problem says.
	Name string
	// Environment is the one that the Worker is of; empty for the top level.
	Environment string
	// File is below the root, with slashes.
	File    string
	Problem string
}

// wrangler is what a wrangler config says of names.
type wrangler struct {
	Name string              `json:"name" toml:"name"`
	Env  map[string]wrangler `json:"env" toml:"env"`
}

// readWorkers are the Workers of a wrangler config: its own, and one for each
// environment, which is called NAME-ENVIRONMENT unless it has a name.
func readWorkers(path, rel string) []Worker {
	raw, err := os.ReadFile(path)
	if err != nil {
		return []Worker{{File: rel, Problem: "it cannot be read"}}
	}
	var config wrangler
	if filepath.Ext(path) == ".toml" {
		err = toml.Unmarshal(raw, &config)
	} else {
		err = json.Unmarshal(plainJSON(raw), &config)
	}
	if err != nil {
		// What the parser says may quote the file.
		return []Worker{{File: rel, Problem: "it is not well-formed"}}
	}
	var out []Worker
	if config.Name != "" {
		out = append(out, Worker{Name: config.Name, File: rel})
	}
	for _, env := range slices.Sorted(maps.Keys(config.Env)) {
		switch name := config.Env[env].Name; {
		case name != "":
			out = append(out, Worker{Name: name, Environment: env, File: rel})
		case config.Name != "":
			out = append(out, Worker{Name: config.Name + "-" + env, Environment: env, File: rel})
		}
	}
	return out
}

// plainJSON takes comments and commas before a closing bracket out of JSONC.
func plainJSON(text []byte) []byte {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	var out []byte
	for i := 0; i < len(text); {
		end := i + 1
		switch {
		case text[i] == '"':
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(text))
			out = append(out, text[i:end]...)
		case bytes.HasPrefix(text[i:], []byte("//")):
			for end < len(text) && text[end] != '\n' {
				end++
			}
		case bytes.HasPrefix(text[i:], []byte("/*")):
			if at := bytes.Index(text[i+2:], []byte("*/")); at >= 0 {
				end = i + 2 + at + 2
			} else {
				end = len(text)
			}
		case text[i] == '}' || text[i] == ']':
			out = append(bytes.TrimSuffix(bytes.TrimRight(out, " \t\r\n"), []byte(",")), text[i])
		default:
			out = append(out, text[i])
		}
		i = end
	}
	return out
}
