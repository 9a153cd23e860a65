package scwprovider

// kind is a property's type as the schema and the wire know it.
type kind string

const (
	text    kind = "string"
	integer kind = "integer"
	boolean kind = "boolean"
	list    kind = "list" // of strings
	dict    kind = "map"  // of strings
	seconds kind = "seconds"
)

// field is one property of a resource: its name in Pulumi and on the wire.
type field struct {
	name, wire string
	kind       kind
	doc        string
	required   bool
	secret     bool
	output     bool // set by the service only
	replace    bool // a change needs a new resource
	createOnly bool // not in the body of a change
	regional   bool // an id, REGION/UUID in Pulumi and UUID on the wire
	initial    any  // used when the program gives none
}

// resourceType is one type of the provider and where the service keeps it.
type resourceType struct {
	token, title string
	// path below the region, such as "containers/v1/regions/%s/containers".
	path   string
	fields []field
	// settles: the service works on after it has answered; poll its status.
	settles bool
}

func region() field {
	return field{name: "region", kind: text, replace: true, doc: "The region; the provider's by default."}
}

func resources() []resourceType {
	return []resourceType{container(), containerNamespace(), registryNamespace()}
}

// container has the properties of pulumi-scaleway 1.54 that name something in
// the service's v1 API, without the deprecated doubles.
func container() resourceType {
	return resourceType{
		token: "scaleway:containers/container:Container", title: "A serverless container.",
		path: "containers/v1/regions/%s/containers", settles: true,
		fields: []field{
			{name: "namespaceId", wire: "namespace_id", kind: text, required: true, replace: true, createOnly: true, regional: true, doc: "The container namespace."},
			{name: "name", wire: "name", kind: text, replace: true, createOnly: true, doc: "The container's name."},
			{name: "image", wire: "image", kind: text, doc: "The image's address."},
			{name: "description", wire: "description", kind: text, initial: "", doc: "What the container is for."},
			{name: "environmentVariables", wire: "environment_variables", kind: dict, doc: "Plain environment variables."},
			{name: "secretEnvironmentVariables", wire: "secret_environment_variables", kind: dict, secret: true, doc: "Secret environment variables."},
			{name: "minScale", wire: "min_scale", kind: integer, doc: "Instances that always run."},
			{name: "maxScale", wire: "max_scale", kind: integer, doc: "Most instances that may run."},
			{name: "memoryLimitBytes", wire: "memory_limit_bytes", kind: integer, doc: "Memory of an instance in bytes."},
			{name: "cpuLimit", wire: "mvcpu_limit", kind: integer, doc: "CPU of an instance in mvCPU."},
			{name: "localStorageLimitBytes", wire: "local_storage_limit_bytes", kind: integer, doc: "Local storage of an instance in bytes."},
			{name: "timeout", wire: "timeout", kind: seconds, doc: "Longest time for a request, in seconds."},
			{name: "privacy", wire: "privacy", kind: text, initial: "public", doc: "public or private."},
			{name: "protocol", wire: "protocol", kind: text, initial: "http1", doc: "http1 or h2c."},
			{name: "port", wire: "port", kind: integer, doc: "The port that the container listens on."},
			{name: "sandbox", wire: "sandbox", kind: text, doc: "Execution environment, v1 or v2."},
			{name: "httpsConnectionsOnly", wire: "https_connections_only", kind: boolean, doc: "Redirect HTTP to HTTPS."},
			{name: "tags", wire: "tags", kind: list, doc: "Tags."},
			{name: "args", wire: "args", kind: list, doc: "Arguments of the command."},
			{name: "commands", wire: "command", kind: list, doc: "The command that is run."},
			{name: "privateNetworkId", wire: "private_network_id", kind: text, regional: true, doc: "The private network."},
			{name: "registrySha256", kind: text, doc: "Any text; a change deploys the image again."},
			region(),
			{name: "publicEndpoint", wire: "public_endpoint", kind: text, output: true, doc: "Where the container answers."},
			{name: "status", wire: "status", kind: text, output: true, doc: "The container's status."},
			{name: "errorMessage", wire: "error_message", kind: text, output: true, doc: "The last error."},
		},
	}
}

func containerNamespace() resourceType {
	return resourceType{
		token: "scaleway:containers/namespace:Namespace", title: "A namespace of serverless containers.",
		path: "containers/v1/regions/%s/namespaces", settles: true,
		fields: []field{
			{name: "name", wire: "name", kind: text, replace: true, createOnly: true, doc: "The namespace's name."},
			{name: "description", wire: "description", kind: text, initial: "", doc: "What the namespace is for."},
			{name: "environmentVariables", wire: "environment_variables", kind: dict, doc: "Plain environment variables of every container."},
			{name: "secretEnvironmentVariables", wire: "secret_environment_variables", kind: dict, secret: true, doc: "Secret environment variables of every container."},
			{name: "projectId", wire: "project_id", kind: text, replace: true, createOnly: true, doc: "The project; the provider's by default."},
			{name: "tags", wire: "tags", kind: list, doc: "Tags."},
			region(),
			{name: "organizationId", wire: "organization_id", kind: text, output: true, doc: "The organization."},
		},
	}
}

func registryNamespace() resourceType {
	return resourceType{
		token: "scaleway:registry/namespace:Namespace", title: "A namespace of the container registry.",
		path: "registry/v1/regions/%s/namespaces", settles: true,
		fields: []field{
			{name: "name", wire: "name", kind: text, replace: true, createOnly: true, doc: "The namespace's name, unique in a region."},
			{name: "description", wire: "description", kind: text, initial: "", doc: "What the namespace is for."},
			{name: "isPublic", wire: "is_public", kind: boolean, doc: "Anybody may pull."},
			{name: "projectId", wire: "project_id", kind: text, replace: true, createOnly: true, doc: "The project; the provider's by default."},
			region(),
			{name: "endpoint", wire: "endpoint", kind: text, output: true, doc: "Where docker reaches the namespace."},
			{name: "organizationId", wire: "organization_id", kind: text, output: true, doc: "The organization."},
		},
	}
}

func (r resourceType) field(name string) (field, bool) {
	for _, f := range r.fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

// providerFields are the provider's own settings.
func providerFields() []field {
	return []field{
		{name: "accessKey", kind: text, secret: true, doc: "The access key."},
		{name: "secretKey", kind: text, secret: true, doc: "The secret key."},
		{name: "apiUrl", kind: text, doc: "The API's address."},
		{name: "organizationId", kind: text, doc: "The organization."},
		{name: "projectId", kind: text, doc: "The project."},
		{name: "region", kind: text, doc: "The region."},
		{name: "zone", kind: text, doc: "The zone."},
		{name: "profile", kind: text, doc: "A profile of the configuration file (not read here)."},
	}
}
