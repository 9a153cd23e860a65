package secrets_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What credentials or proofs are sent to is reached over https, on loopback, or
// where the catalog says that everybody may read along.
func TestAddressesInClear(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://badges.example": true, "http://badges.example/attest": false, "http://10.0.0.7": false, "http://127.0.0.1:8080/a": true, "http://[::1]:1": true, "http://localhost": true,
		"http://localhost.example": false, "http://attest.lan:81/x": true, "http://attest.lan": false, "http://whole.lan:99": true,
	} {
		_, err := parseSmall(t, "url: 'https://a.example/attest'", "url: '"+address+"'", "version: 1", "version: 1\ninsecure: ['attest.lan:81', whole.lan]")
		require.Equal(t, ok, err == nil, "%s: %v", address, err)
	}
}

// The Pulumi CLI's other backends are called by their names.
func TestOtherBackendsAreNamed(t *testing.T) {
	for address, name := range map[string]string{"https://api.pulumi.com": "Pulumi Cloud", "gs://bucket": "Google Cloud Storage", "azblob://container": "Azure Blob Storage"} {
		_, err := parseSmall(t, "s3://bucket?region=fr-par", address)
		require.ErrorContains(t, err, name+", which is not supported")
	}
}

// An entry may have any name that pass gives it and that is no other file's.
func TestEntryNames(t *testing.T) {
	for path, ok := range map[string]bool{"me@example.com": true, "team/a b": true, "team/a+b=c": true, "alone": true, "team/ a": false, "team/a ": false, "team/.a": false, "team/-a": false, "other/a": false, "team/a:b": false, "a\u00a0b": false} {
		_, err := parseSmall(t, "path: team/account", "path: '"+path+"'", "account: team/account", "account: '"+path+"'")
		require.Equal(t, ok, err == nil, "%s: %v", path, err)
	}
}
