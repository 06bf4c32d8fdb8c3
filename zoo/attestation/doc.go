// Package attestation keeps signed verification records: in-toto statements (schema.Verification) in DSSE envelopes, as bundles of
// Sigstore that are referrers of a closure. That is what cosign attest writes and cosign verify-attestation checks, with a key pair:
//
//	https://github.com/secure-systems-lab/dsse, https://docs.sigstore.dev/about/bundle
//
// A Signer makes them; a Trust says whose they are. There are no certificates and no transparency log: whoever runs a server says
// whose keys count there.
package attestation
