package schema

// Types of a verification record, which is an in-toto statement
// (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md).
const (
	StatementType             = "https://in-toto.io/Statement/v1"
	PredicateTypeVerification = Base + "verification/v1"
)

// PathVerification is the file name of a verification record.
const PathVerification = "verification.json"

// What a verification recomputed.
const (
	ModeVerify = "verify" // the claims
	ModeReplay = "replay" // the training
)

// Verification is verification.json: somebody says what came out when a closure was recomputed. Unsigned, it proves nothing; it
// is kept as a referrer of the closure.
type Verification struct {
	Type          string                `json:"_type"` // StatementType
	Subject       []VerificationSubject `json:"subject"`
	PredicateType string                `json:"predicateType"` // PredicateTypeVerification
	Predicate     VerificationPredicate `json:"predicate"`
}

// VerificationSubject is the closure, by the digest of its manifest.
type VerificationSubject struct {
	Name   string             `json:"name"`
	Digest VerificationDigest `json:"digest"`
}

// VerificationDigest is a digest as in-toto writes it: the hexadecimal digits, by algorithm.
type VerificationDigest struct {
	SHA256 string `json:"sha256"`
}

// VerificationPredicate says what was recomputed, by what, and what came out.
type VerificationPredicate struct {
	Mode    string           `json:"mode"`
	Verdict string           `json:"verdict"` // reproduced or identical, differs, damaged
	Created string           `json:"created"` // RFC 3339, by the clock of the store that took the record
	Claims  []ObservedClaim  `json:"claims"`
	Run     Digest           `json:"run,omitzero"` // of a replay: the run digest that came out
	Steps   int64            `json:"steps,omitempty"`
	Runtime VerifyingRuntime `json:"runtime"`
}

// ObservedClaim sets a claim beside what was recomputed. A value is missing where nothing was computed.
type ObservedClaim struct {
	Metric   string      `json:"metric"`
	Split    string      `json:"split"`
	Claimed  *ClaimValue `json:"claimed,omitempty"`
	Observed *ClaimValue `json:"observed,omitempty"`
	Verdict  string      `json:"verdict"`
}

// VerifyingRuntime is what executed the engine, as it calls itself.
type VerifyingRuntime struct {
	Browser string `json:"browser"`
	OS      string `json:"os"`
	Workers int    `json:"workers"`
}

// NewVerification makes the record of a closure.
func NewVerification(name string, closure Digest, p VerificationPredicate) *Verification {
	return &Verification{
		Type: StatementType, PredicateType: PredicateTypeVerification, Predicate: p,
		Subject: []VerificationSubject{{Name: name, Digest: VerificationDigest{SHA256: closure.Hex()}}},
	}
}

// Closure is the digest of the closure that the record is about.
func (v *Verification) Closure() Digest {
	d, err := DigestFromHex(v.Subject[0].Digest.SHA256)
	if err != nil {
		return Digest{} // not of a record that was read
	}
	return d
}

// ReadVerification reads a verification.json.
func ReadVerification(name string, data []byte) (*Verification, error) {
	return readJSON(KindVerification, name, data, checkVerification)
}

// checkVerification checks that the verdict is one of the mode's.
func checkVerification(s *source, v *Verification) {
	p := v.Predicate
	good := VerdictReproduced
	if p.Mode == ModeReplay {
		good = VerdictIdentical
	}
	if p.Verdict != good && p.Verdict != VerdictDiffers && p.Verdict != VerdictDamaged {
		s.report("predicate.verdict", "use "+good+", differs or damaged", "%q is no verdict of %s", p.Verdict, p.Mode)
	}
	if p.Mode == ModeVerify && !p.Run.IsZero() {
		s.report("predicate.run", "", "belongs to a replay")
	}
}
