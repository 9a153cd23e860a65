// Package world is the truth of the sandbox: every credential, Worker,
// container, repository, fault and setting of a made-up copy of the company's
// accounts, in one JSON file that any number of processes share.
//
// The values in it are fake, made by this package, and belong to no account
// anywhere; that is why they are plain strings here and nowhere else.
package world
