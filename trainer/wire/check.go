package wire

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/reprise-ml/reprise/schema"
)

// Bounds of what messages may say. Texts are counted in characters.
const (
	maxInteger = 1<<53 - 1 // what JSON carries everywhere

	MaxName    = 40  // of a participant
	MaxMessage = 500 // of explanations
	maxWord    = 128 // of identifiers
	maxTitle   = 1024

	maxWorkers = 1024
	maxProofs  = 256
	maxRounds  = 10_000
	maxSeconds = 1e9
)

var (
	familyText = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	wordText   = regexp.MustCompile(`^[A-Za-z0-9._~-]*$`)
)

// checker notes the first thing that is wrong with a message.
type checker struct {
	message Type
	err     error
}

func (c *checker) fail(field, format string, args ...any) {
	if c.err == nil {
		c.err = invalid(c.message, field, format, args...)
	}
}

func (c *checker) integer(field string, v, least, most int64) {
	if v < least || v > most {
		c.fail(field, "%d is outside of %d … %d", v, least, most)
	}
}

func (c *checker) count(field string, v int64) { c.integer(field, v, 0, maxInteger) }

// step checks a number of a step, or −1 for the state before the first where that makes sense.
func (c *checker) step(v, least int64) { c.integer("step", v, least, maxInteger) }

func (c *checker) number(field string, v, least, most float64) {
	// NaN fails both comparisons.
	if !(v >= least && v <= most) {
		c.fail(field, "%v is outside of %v … %v", v, least, most)
	}
}

func (c *checker) finite(field string, v float64) {
	c.number(field, v, -math.MaxFloat64, math.MaxFloat64)
}

// text checks what people will read: no characters that move the cursor or turn the direction of writing.
func (c *checker) text(field, s string, most int) {
	switch {
	case len(s) > most && utf8.RuneCountInString(s) > most:
		c.fail(field, "it has more than %d characters", most)
	case !utf8.ValidString(s):
		c.fail(field, "it is not UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			c.fail(field, "it contains the control character %U", r)
		}
	}
}

// word checks an identifier.
func (c *checker) word(field, s string, required bool) {
	if len(s) > maxWord || !wordText.MatchString(s) || required && s == "" {
		c.fail(field, "%q is not a word of at most %d letters, digits and . _ ~ -", shorten(s), maxWord)
	}
}

func (c *checker) digest(field string, d schema.Digest) {
	if d.IsZero() {
		c.fail(field, "a digest is missing")
	}
}

func (c *checker) oneOf(field, s string, names ...string) {
	if !slices.Contains(names, s) {
		c.fail(field, "%q is not one of %q", shorten(s), names)
	}
}

func (c *checker) blob(field string, b Blob) {
	c.digest(field+".digest", b.Digest)
	c.count(field+".size", b.Size)
}

func (c *checker) snapshot(prefix string, s *Snapshot) {
	c.integer(prefix+"step", s.Step, -1, maxInteger)
	switch {
	case s.Tensors != nil:
		c.blob(prefix+"tensors", *s.Tensors)
		if s.Step < 0 {
			c.fail(prefix+"tensors", "there are none before the first step")
		}
	case s.Step >= 0:
		c.fail(prefix+"tensors", "they are missing")
	}
	for name, v := range s.Hyperparameters {
		c.text(prefix+"hyperparameters", name, schema.MaxName)
		c.finite(fmt.Sprintf("%shyperparameters[%q]", prefix, shorten(name)), v)
	}
	if s.Engine != nil {
		c.blob(prefix+"engine", *s.Engine)
	}
}

func (m *Hello) check() error {
	c := checker{message: m.Kind()}
	c.integer("protocol", int64(m.Protocol), 1, maxInteger)
	c.oneOf("role", m.Role, RoleWork, RoleTrack)
	if !familyText.MatchString(m.Family) {
		c.fail("family", "%q is not a word of at most 32 lower-case letters, digits and -", shorten(m.Family))
	}
	c.text("runtime", m.Runtime, 200)
	least := int64(0)
	if m.Role == RoleWork {
		least = 1
	}
	c.integer("workers", int64(m.Workers), least, maxWorkers)
	c.count("memory", m.Memory)
	c.text("name", m.Name, MaxName)
	c.word("resume", m.Resume, false)
	return c.err
}

func (m *Ready) check() error {
	c := checker{message: m.Kind()}
	c.step(m.Step, -1)
	if len(m.Proofs) > maxProofs {
		c.fail("proofs", "there are more than %d", maxProofs)
	}
	for i, d := range m.Proofs {
		c.digest(fmt.Sprintf("proofs[%d]", i), d)
	}
	return c.err
}

func (m *Result) check() error {
	c := checker{message: m.Kind()}
	c.count("lease", m.Lease)
	c.count("bytes", m.Bytes)
	c.count("correct", m.Correct)
	c.number("seconds", m.Seconds, 0, maxSeconds)
	switch {
	case m.Digest.IsZero() && m.Bytes > 0:
		c.fail("digest", "a vector needs one")
	case !m.Digest.IsZero() && m.Bytes == 0:
		c.fail("bytes", "the size of the vector is missing")
	case m.Bytes > 0 && m.Correct > 0:
		c.fail("correct", "a result has either a vector or a number of correct records")
	}
	return c.err
}

// Trained reports whether a vector follows.
func (m *Result) Trained() bool { return m.Bytes > 0 }

func (m *Failed) check() error {
	c := checker{message: m.Kind()}
	c.count("lease", m.Lease)
	c.oneOf("reason", m.Reason, ReasonEnvironment, ReasonData, ReasonEngine, ReasonRest)
	c.text("message", m.Message, MaxMessage)
	return c.err
}

func (m *Digest) check() error {
	c := checker{message: m.Kind()}
	c.step(m.Step, -1)
	c.digest("run", m.Run)
	return c.err
}

func (m *Rest) check() error {
	c := checker{message: m.Kind()}
	c.text("reason", m.Reason, MaxName)
	return c.err
}

func (m *Bye) check() error { return nil }

func (m *Welcome) check() error {
	c := checker{message: m.Kind()}
	c.word("session", m.Session, true)
	c.word("participant", m.Participant, true)
	c.word("resume", m.Resume, true)
	c.oneOf("mode", m.Mode, "fixed", "timed")
	c.text("title", m.Title, maxTitle)
	c.blob("engine", m.Engine)
	c.digest("specification", m.Specification)
	c.integer("seed", m.Seed, -maxInteger, maxInteger)
	c.count("steps", m.Steps)
	c.count("microbatches", m.Microbatches)
	for i, d := range m.Datasets {
		c.digest(fmt.Sprintf("datasets[%d].digest", i), d.Digest)
	}
	c.snapshot("snapshot.", &m.Snapshot)
	c.integer("proof.microbatches", m.Proof.Microbatches, 0, maxProofs)
	c.integer("proof.rounds", int64(m.Proof.Rounds), 0, maxRounds)
	return c.err
}

func (r *Refuse) check() error {
	c := checker{message: r.Kind()}
	c.oneOf("code", r.Code, CodeProtocol, CodeVersion, CodeProof, CodeCheat, CodeEnvironment, CodeFull, CodeBusy, CodeEnded, CodeUnknown)
	c.text("message", r.Message, MaxMessage)
	c.number("retryAfter", r.RetryAfter, 0, maxSeconds)
	return c.err
}

func (m *Lease) check() error {
	c := checker{message: m.Kind()}
	c.count("lease", m.Lease)
	c.oneOf("work", m.Work, LeaseTrain, LeaseEvaluate)
	c.count("first", m.First)
	c.integer("end", m.End, m.First+1, maxInteger)
	switch m.Work {
	case LeaseTrain:
		c.step(m.Step, 0)
	case LeaseEvaluate:
		c.step(m.Step, -1)
		c.oneOf("role", m.Role, schema.RoleTrain, schema.RoleTest)
	}
	return c.err
}

func (m *Set) check() error {
	c := checker{message: m.Kind()}
	c.step(m.Step, 0)
	if m.Name == "" {
		c.fail("name", "it is missing")
	}
	c.text("name", m.Name, schema.MaxName)
	c.finite("value", m.Value)
	return c.err
}

func (m *Update) check() error {
	c := checker{message: m.Kind()}
	c.step(m.Step, 0)
	c.digest("digest", m.Digest)
	c.integer("bytes", m.Bytes, 1, maxInteger)
	return c.err
}

func (m *Goto) check() error {
	c := checker{message: m.Kind()}
	c.snapshot("", &m.Snapshot)
	c.text("reason", m.Reason, MaxMessage)
	return c.err
}

func (m *Checkpoint) check() error {
	c := checker{message: m.Kind()}
	c.step(m.Step, -1)
	return c.err
}

func (m *Status) check() error {
	c := checker{message: m.Kind()}
	c.step(m.Step, -1)
	c.count("steps", m.Steps)
	c.finite("loss", m.Loss)
	c.number("accuracy", m.Accuracy, 0, 1)
	c.count("participants", int64(m.Participants))
	c.count("computed", m.Computed)
	c.count("verified", m.Verified)
	c.number("share", m.Share, 0, 1)
	return c.err
}

func (m *End) check() error {
	c := checker{message: m.Kind()}
	c.text("closure", m.Closure, 2*schema.MaxName)
	c.text("message", m.Message, MaxMessage)
	return c.err
}
