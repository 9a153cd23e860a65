package api

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/sanmarcsoft/secret-rotation/internal/sandbox/world"
)

// containersBeta serves the older version, whose PATCH keeps what it does not
// name.
func (f scaleway) containersBeta() {
	c, n := containersBeta+"/containers", containersBeta+"/namespaces"
	f.handle("GET "+c, containersAccess, "container", f.listContainers(containerBeta))
	f.handle("POST "+c, containersAccess, "container", f.createBeta)
	f.handle("GET "+c+"/{container}", containersAccess, "container", f.getContainer(containerBeta))
	f.handle("PATCH "+c+"/{container}", containersAccess, "container", f.updateBeta)
	f.handle("DELETE "+c+"/{container}", containersAccess, "container", f.deleteContainer(containerBeta))
	f.handle("POST "+c+"/{container}/deploy", containersAccess, "container", f.redeploy(containerBeta))
	f.handle("GET "+n, containersAccess, "namespace", f.listNamespaces(namespaceBeta))
	f.handle("POST "+n, containersAccess, "namespace", f.createNamespaceBeta)
	f.handle("GET "+n+"/{namespace}", containersAccess, "namespace", f.getNamespace(namespaceBeta))
	f.handle("PATCH "+n+"/{namespace}", containersAccess, "namespace", f.updateNamespaceBeta)
	f.handle("DELETE "+n+"/{namespace}", containersAccess, "namespace", f.deleteNamespace(namespaceBeta))
}

// betaSecret is one secret in a request; no value means delete.
type betaSecret struct {
	Key   string  `json:"key"`
	Value *string `json:"value"`
}

// hashedSecret is one secret in an answer.
type hashedSecret struct {
	Key  string `json:"key"`
	Hash string `json:"hashed_value"`
}

func hashedList(hashes map[string]string) []hashedSecret {
	out := []hashedSecret{}
	for _, name := range slices.Sorted(maps.Keys(hashes)) {
		out = append(out, hashedSecret{Key: name, Hash: hashes[name]})
	}
	return out
}

// betaNames are the members that only have another name in v1; the limits of
// memory and storage are in megabytes here and in bytes there.
func betaNames() map[string]string {
	return map[string]string{"registry_image": "image", "memory_limit": "memory_limit_bytes",
		"cpu_limit": "mvcpu_limit", "local_storage_limit": "local_storage_limit_bytes"}
}

func isMegabytes(betaName string) bool {
	return betaName == "memory_limit" || betaName == "local_storage_limit"
}

func betaStatus(status string) string {
	if status == "updating" {
		return "pending"
	}
	return status
}

func containerBeta(c *call, s *world.State, k *world.Container) map[string]any {
	v1 := containerV1(c, s, k)
	view := map[string]any{}
	for _, same := range []string{"id", "name", "namespace_id", "region", "description", "min_scale", "max_scale",
		"timeout", "privacy", "protocol", "port", "sandbox", "scaling_option", "tags", "command", "args",
		"private_network_id", "error_message", "created_at", "updated_at", "environment_variables"} {
		view[same] = v1[same]
	}
	for beta, name := range betaNames() {
		view[beta] = v1[name]
		if isMegabytes(beta) {
			view[beta] = megabytes(v1[name])
		}
	}
	view["http_option"] = "enabled"
	if v1["https_connections_only"] == true {
		view["http_option"] = "redirected"
	}
	view["secret_environment_variables"] = hashedList(k.Hashes)
	view["domain_name"] = k.Name + "." + k.Region + ".containers.example"
	view["status"] = betaStatus(k.Status(s.Now()))
	if len(k.Revisions) == 0 {
		view["status"] = "created"
	} else {
		view["ready_at"] = k.SettledAt
	}
	return view
}

func megabytes(v any) int64 {
	switch n := v.(type) {
	case float64:
		return int64(n) / 1000000
	case int:
		return int64(n) / 1000000
	}
	return 0
}

// betaOrder is the body of a create or update.
type betaOrder struct {
	NamespaceID string            `json:"namespace_id"`
	Name        string            `json:"name"`
	Description *string           `json:"description"`
	Tags        []string          `json:"tags"`
	Environment map[string]string `json:"environment_variables"`
	Secrets     []betaSecret      `json:"secret_environment_variables"`
	Redeploy    *bool             `json:"redeploy"`
	spec        map[string]any
	hashes      map[string]string
}

func (o *betaOrder) parse(c *call) *reply {
	var raw map[string]any
	if json.Unmarshal(c.body, o) != nil || json.Unmarshal(c.body, &raw) != nil {
		r := badArgument("body", "constraint", "the body is not JSON of the right form")
		return &r
	}
	for beta, name := range betaNames() {
		v, given := raw[beta]
		delete(raw, beta)
		if n, number := v.(float64); number && isMegabytes(beta) {
			v = n * 1000000
		}
		if given {
			raw[name] = v
		}
	}
	if option, given := raw["http_option"]; given {
		raw["https_connections_only"] = option == "redirected"
	}
	o.spec = specOf(raw)
	if bad := checkEnvironment(o.Environment, o.values()); bad != nil {
		return bad
	}
	var err error
	if o.hashes, err = world.HashSecrets(o.values()); err != nil {
		r := updateFailed()
		return &r
	}
	return nil
}

// values are the secrets to be set.
func (o *betaOrder) values() map[string]string {
	out := map[string]string{}
	for _, s := range o.Secrets {
		if s.Value != nil {
			out[s.Key] = *s.Value
		}
	}
	return out
}

// merge is this version's rule: what is not named stays.
func (o *betaOrder) merge(values, hashes map[string]string) {
	for _, s := range o.Secrets {
		if s.Value == nil {
			delete(values, s.Key)
			delete(hashes, s.Key)
		}
	}
	maps.Copy(values, o.values())
	maps.Copy(hashes, o.hashes)
}

// createBeta makes a container that runs only after a deploy.
func (f scaleway) createBeta(c *call) reply {
	var o betaOrder
	if bad := o.parse(c); bad != nil {
		return *bad
	}
	return f.newContainer(c, containerBeta, containerOrder{NamespaceID: o.NamespaceID, Name: o.Name,
		Environment: o.Environment, Secrets: o.values(), spec: o.spec}, o.hashes, false)
}

func (f scaleway) updateBeta(c *call) reply {
	var o betaOrder
	if bad := o.parse(c); bad != nil {
		return *bad
	}
	return f.changeContainer(c, containerBeta, func(s *world.State, k *world.Container) {
		maps.Copy(k.Spec, o.spec)
		if o.Environment != nil {
			k.Environment = o.Environment
		}
		o.merge(k.Secrets, k.Hashes)
		if o.Redeploy == nil || *o.Redeploy {
			s.RollOut(k)
		}
	})
}
