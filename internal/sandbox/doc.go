// Package sandbox is a local copy of the whole world: a pass store with a
// throwaway key and a git remote, the services' APIs, the company's two Pulumi
// projects rolled out by hand, and consumers that run with what they were
// given. It needs no account and no network.
//
// A folder holds one world. Any number of processes may open it at once: each
// serves the APIs on addresses of its own over the one truth in the folder.
//
//	world.json requests.ndjson   the truth and the log of API requests
//	store store.git gnupg        the pass store, its remote and its key
//	projects projects.git        the Pulumi projects and their remote
//	state passphrase             the state backend and what encrypts it
//	s3                           instead of state: the S3 server's buckets
//	tls                          a CA of the world's own
//	env                          shell exports, written by Serve
//	sandbox.json                 written last: the world is whole
package sandbox
