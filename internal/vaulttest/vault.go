// Package vaulttest is a Vault for tests: small, and strict about who asks for
// what.
package vaulttest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Provider names the vault's key in `secretsprovider:` of a stack file.
const Provider = "hashivault://shop-key"

// Vault is the part of Vault's transit engine that Pulumi uses: one key, one
// token. Its ciphertext is base64 with Vault's prefix, which is enough to see
// that the right key was asked.
type Vault struct {
	*httptest.Server
	// Token is the one that is accepted.
	Token string

	mu        sync.Mutex
	decrypted int
	unplanned []string
}

// New starts one that ends with the test.
func New(t *testing.T) *Vault {
	t.Helper()
	v := &Vault{Token: "hvs.example-token-0123456789"}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

// ServeHTTP implements http.Handler.
func (v *Vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var in map[string]string
	err := json.NewDecoder(r.Body).Decode(&in)
	answer := func(status int, body any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	const prefix = "vault:v1:shop-key:"
	switch {
	case r.Header.Get("X-Vault-Token") != v.Token:
		answer(http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
	case err != nil || r.Method != http.MethodPut || r.URL.Path != "/v1/transit/encrypt/shop-key" && r.URL.Path != "/v1/transit/decrypt/shop-key":
		v.unplanned = append(v.unplanned, r.Method+" "+r.URL.Path)
		answer(http.StatusNotFound, map[string]any{"errors": []string{}})
	case strings.Contains(r.URL.Path, "/encrypt/"):
		answer(http.StatusOK, map[string]any{"data": map[string]string{"ciphertext": prefix + in["plaintext"]}})
	case !strings.HasPrefix(in["ciphertext"], prefix):
		answer(http.StatusBadRequest, map[string]any{"errors": []string{"invalid ciphertext: no prefix"}})
	default:
		v.decrypted++
		answer(http.StatusOK, map[string]any{"data": map[string]string{"plaintext": strings.TrimPrefix(in["ciphertext"], prefix)}})
	}
}

// Decrypted is how often a key was opened.
func (v *Vault) Decrypted() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.decrypted
}

// Unplanned are the requests that Vault was not expected to get.
func (v *Vault) Unplanned() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.unplanned)
}
