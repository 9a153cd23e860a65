// Package drift answers whether every copy of every secret is what pass says it
// is. It looks at pass, the journal, the stacks, the consumers and the issuers
// side by side and changes nothing anywhere: no fetch into the store, no refresh
// of a state, no request that writes. What could not be looked at makes the
// answer unknown, never clean.
package drift
