package trainer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/trainer/wire"
)

// ErrTaken says that another server has gone on with the session.
var ErrTaken = errors.New("another server has gone on with this session")

// MediaTypeSession is that of a session's record.
const MediaTypeSession = "application/vnd.reprise.session.v1+json"

// record is everything about a session that survives a crash, apart from the blobs that it names.
type record struct {
	SchemaVersion int       `json:"schemaVersion"` // 1
	ID            string    `json:"id"`
	Created       time.Time `json:"created"`
	State         string    `json:"state"`
	Error         string    `json:"error,omitempty"`
	Request       Request   `json:"request"`
	Owner         string    `json:"owner"` // hash of the owner's secret
	Parent        string    `json:"parent,omitempty"`
	Relation      string    `json:"relation,omitempty"`

	Document *schema.Closure `json:"document"`
	Beside   []besideFile    `json:"beside,omitempty"`
	// Engines are those that ran or are going to, in order, each from a step on.
	Engines []engineUse `json:"engines"`
	// First is the engine that began the run, where that was before the session.
	First schema.Digest `json:"first,omitzero"`
	// Snapshots that are kept, the oldest first. The first one is where the session started.
	Snapshots []wire.Snapshot `json:"snapshots"`
	// Credits are what each participant had computed up to a snapshot, by the snapshot's step; none up to the first.
	Credits map[int64]map[string]int64 `json:"credits,omitempty"`
	// Journal is what was recorded up to the newest snapshot, in pieces.
	Journal []wire.Blob `json:"journal"`
	// Events are all changes, also of steps to come.
	Events       []schema.JournalLine `json:"events,omitempty"`
	Participants []participantRecord  `json:"participants,omitempty"`
	Statistics   Statistics           `json:"statistics"`
	Rollbacks    int64                `json:"rollbacks"`
	// Restarts are times that a server went on with the session.
	Restarts int64 `json:"restarts,omitempty"`
	// Stopped sessions ended before their last step, by command.
	Stopped bool        `json:"stopped,omitempty"`
	Result  *result     `json:"result,omitempty"`
	Closure string      `json:"closure,omitempty"`
	Log     []Happening `json:"log,omitempty"`
}

type besideFile struct {
	Path string `json:"path"`
	Text []byte `json:"text"`
}

// engineUse says from which step on an engine runs.
type engineUse struct {
	Step     int64           `json:"step"`
	Engine   wire.Blob       `json:"engine"`
	Document *schema.Closure `json:"document"` // what the closure is, from there on
}

// participantRecord is what a participant has earned, under the hash of the word with which it comes back.
type participantRecord struct {
	ID       string   `json:"id"`
	Name     string   `json:"name,omitempty"`
	Family   string   `json:"family"`
	Runtime  string   `json:"runtime,omitempty"`
	Workers  int      `json:"workers"`
	Resume   string   `json:"resume"`
	Standing Standing `json:"standing"`
}

// result is what a session ends with.
type result struct {
	Parameters schema.Digest   `json:"parameters"`
	Run        schema.Digest   `json:"run"`
	Results    []schema.Result `json:"results"`
}

// journalPiece is the size at which the journal is cut, so that a checkpoint writes no more than the last piece again.
const journalPiece = 1 << 20

// save writes a record and the journal that belongs to it.
func (r *record) save(ctx context.Context, s Store, journal []byte) error {
	r.Journal = nil
	var blobs []closure.Descriptor
	refer := func(mediaType string, b wire.Blob) {
		blobs = append(blobs, closure.Descriptor{MediaType: mediaType, Digest: b.Digest, Size: b.Size})
	}
	for len(journal) > 0 {
		n := min(len(journal), journalPiece)
		b, err := putBlob(ctx, s, journal[:n])
		if err != nil {
			return err
		}
		r.Journal = append(r.Journal, b)
		refer(schema.MediaTypeJournal, b)
		journal = journal[n:]
	}
	for _, e := range r.Engines {
		refer(schema.MediaTypeEngine, e.Engine)
	}
	for _, snapshot := range r.Snapshots {
		if snapshot.Tensors != nil {
			refer(schema.MediaTypeState, *snapshot.Tensors)
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.SaveSession(ctx, r.ID, text, blobs)
}

// loadRecord reads a record and its journal.
func loadRecord(ctx context.Context, s Store, id string) (*record, []byte, error) {
	text, err := s.LoadSession(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, nil, schema.Invalidf("session "+id, "", "its record cannot be read: %v", err)
	}
	undocumented := func(e engineUse) bool { return e.Document == nil }
	if r.SchemaVersion != 1 || r.ID != id || r.Document == nil || len(r.Engines) == 0 || len(r.Snapshots) == 0 || slices.ContainsFunc(r.Engines, undocumented) {
		return nil, nil, schema.Invalidf("session "+id, "", "its record is not one of this release")
	}
	var journal []byte
	for _, b := range r.Journal {
		piece, err := getBlob(ctx, s, "the journal", b, journalPiece)
		if err != nil {
			return nil, nil, err
		}
		journal = append(journal, piece...)
	}
	return &r, journal, nil
}

func putBlob(ctx context.Context, s closure.BlobSink, b []byte) (wire.Blob, error) {
	blob := wire.Blob{Digest: schema.DigestOf(b), Size: int64(len(b))}
	return blob, ofStore(s.Put(ctx, blob.Digest, blob.Size, bytes.NewReader(b)))
}

func getBlob(ctx context.Context, s closure.Blobs, what string, b wire.Blob, limit int64) ([]byte, error) {
	bytes, err := closure.ReadBlob(ctx, s, what, b.Digest, b.Size, limit)
	return bytes, ofStore(err)
}

// secret makes a word that nobody can guess.
func secret() string {
	var b [16]byte
	_, _ = io.ReadFull(rand.Reader, b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// hashOf is how secrets are kept.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
