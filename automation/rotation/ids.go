package rotation

import (
	"strings"

	"github.com/sanmarcsoft/secret-rotation/secrets"
	"github.com/sanmarcsoft/secret-rotation/secrets/services"
)

// keyed begins an id in the journal that is not the service's own.
const keyed = "fp:"

// KeyedID is how the journal names a credential whose id is half of the credential
// itself, as Scaleway's access key is: such an id stands in no record in clear.
func KeyedID(id string, key secrets.Value) string {
	return keyed + string(secrets.NewValue([]byte(id)).Fingerprint(key))
}

// recordedID is the form of an id for the journal.
func (r *run) recordedID(j *job, id string) string {
	if id == "" || strings.HasPrefix(id, keyed) || !j.isPart(id) {
		return id
	}
	return KeyedID(id, r.Key)
}

// recordNames reports whether the journal's record is of the credential with this id.
// Journals of before keyed ids have it as it is.
func recordNames(recorded, id string, key secrets.Value) bool {
	return recorded == id || recorded == KeyedID(id, key)
}

// isPart reports whether an id is one of the credential's own values.
func (j *job) isPart(id string) bool {
	asValue := secrets.NewValue([]byte(id))
	for _, c := range []services.Credential{j.old, j.next, j.current} {
		for _, v := range c {
			if v.Equal(asValue) {
				return true
			}
		}
	}
	return false
}

// shownID is an id in a step or a message: one that is half of the credential by
// its end alone.
func (j *job) shownID(id string) string {
	if strings.HasPrefix(id, keyed) || j.isPart(id) {
		return ending(id)
	}
	return id
}
