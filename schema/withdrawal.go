package schema

// PathWithdrawal is the file name of a withdrawal.
const PathWithdrawal = "withdrawal.json"

// Withdrawal is withdrawal.json: somebody who may write to a store takes back what an object says. It is kept as a referrer of
// the object, which stays: whoever finds it is told the reason.
type Withdrawal struct {
	SchemaVersion int    `json:"schemaVersion"` // 1
	Name          string `json:"name"`
	Version       string `json:"version,omitempty"` // as which it was withdrawn
	Digest        Digest `json:"digest"`            // of the object's manifest
	Reason        string `json:"reason"`
	Created       string `json:"created"` // RFC 3339
}

// ReadWithdrawal reads a withdrawal.json.
func ReadWithdrawal(name string, data []byte) (*Withdrawal, error) {
	return readJSON(KindWithdrawal, name, data, func(*source, *Withdrawal) {})
}
