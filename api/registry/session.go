package registry

import (
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/reprise-ml/reprise/api/transfer"
	"github.com/reprise-ml/reprise/schema"
)

// checkpointEvery is how much may have to be hashed again after the server was killed.
const checkpointEvery = 256 << 20

// session is an upload. One request at a time holds it; a newer one takes it over, since a client that asks again has lost the
// connection on which the server may still be waiting.
type session struct {
	spool *spool
	id    string

	holder chan struct{} // has room for the one who holds the session
	mu     sync.Mutex
	wanted int    // how many wait for the session
	letGo  func() // makes the holder let go; nil if it does not wait for its client

	// The rest belongs to the holder, but for Name and Token, which do not change.
	state state
	size  int64     // of the data
	hash  hash.Hash // of the data; nil until it is needed
	gone  bool      // it has ended

	remembered bool // the hash stands for bytes that a process before this one has seen
}

// state is what is kept of a session beside its data.
type state struct {
	Name  string `json:"name"`
	Token string `json:"token"`
	// Hashed is how many bytes Hash, the inner state of the sha256, stands for.
	Hashed int64  `json:"hashed"`
	Hash   []byte `json:"hash,omitempty"`
}

func newSession(s *spool, id string, st state) *session {
	return &session{spool: s, id: id, state: st, holder: make(chan struct{}, 1)}
}

// hold waits for the session. A holder that waits for its client is made to let go, so it does not take long. The request's context has
// no say: it may end with the connection of a client that was cut off, and is just asking what has arrived.
func (u *session) hold() error {
	u.mu.Lock()
	u.wanted++
	if u.letGo != nil {
		u.letGo()
	}
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.wanted--
	}()
	late := time.NewTimer(requestDeadline)
	defer late.Stop()
	select {
	case u.holder <- struct{}{}:
	case <-late.C:
		return fail(http.StatusServiceUnavailable, codeUnavailable, "another request works on this upload; try again in a moment")
	}
	if u.gone {
		u.release()
		return fail(http.StatusNotFound, codeUploadUnknown, "the upload has ended meanwhile")
	}
	return nil
}

// awaits says how the holder is made to let go while it waits for its client; nil is that it does not wait.
func (u *session) awaits(interrupt func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.letGo = interrupt
	if interrupt != nil && u.wanted > 0 {
		interrupt()
	}
}

func (u *session) tryHold() bool {
	select {
	case u.holder <- struct{}{}:
		return true
	default:
		return false
	}
}

func (u *session) release() { <-u.holder }

// save writes the state, so that another process can go on.
func (u *session) save() error {
	if u.hash != nil {
		b, err := u.hash.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return err
		}
		u.state.Hash, u.state.Hashed = b, u.size
	}
	b, err := json.Marshal(u.state)
	if err != nil {
		return err
	}
	return replaceFile(u.path(stateSuffix), b)
}

// open opens the data, and brings the hash up to date: bytes may have been written after the state was saved.
func (u *session) open() (*os.File, error) {
	f, err := os.OpenFile(u.path(dataSuffix), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if u.hash == nil {
		if err := u.rehash(f); err != nil {
			f.Close()
			return nil, err
		}
	}
	if _, err := f.Seek(u.size, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (u *session) rehash(f *os.File) error {
	h := sha256.New()
	from := int64(0)
	u.remembered = false
	// After a loss of power the file may be shorter than what was hashed.
	if u.state.Hash != nil && u.state.Hashed <= u.size {
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(u.state.Hash); err != nil {
			return fmt.Errorf("the state of upload %s: %w", u.id, err)
		}
		from, u.remembered = u.state.Hashed, u.state.Hashed > 0
	}
	if _, err := io.Copy(h, io.NewSectionReader(f, from, u.size-from)); err != nil {
		return err
	}
	u.hash = h
	return nil
}

// buffers are shared by the uploads that are under way.
var buffers = sync.Pool{New: func() any { return new([transfer.PieceSize]byte) }}

// append adds what r gives, as it comes: what has arrived when r or the disk fails is kept. A blob that grows beyond most
// bytes (0: any number) is refused.
func (u *session) append(r io.Reader, t *Token, most int64) (err error) {
	f, err := u.open()
	if err != nil {
		return err
	}
	// What was written is read by the same machine; what a loss of power takes is found by the digest.
	defer func() { err = errors.Join(err, f.Close(), u.save()) }()
	buffer := buffers.Get().(*[transfer.PieceSize]byte)
	defer buffers.Put(buffer)
	saved := u.size
	for {
		n, readErr := r.Read(buffer[:])
		if n > 0 {
			if err := u.write(f, buffer[:n], t, most); err != nil {
				return err
			}
		}
		if readErr == io.EOF {
			return nil
		}
		if readErr != nil {
			return readErr
		}
		if u.size-saved >= checkpointEvery {
			if err := u.save(); err != nil {
				return err
			}
			saved = u.size
		}
	}
}

func (u *session) write(f *os.File, p []byte, t *Token, most int64) error {
	if err := tooLarge(u.size+int64(len(p)), most); err != nil {
		return err
	}
	if err := u.spool.quotas.add(t, int64(len(p))); err != nil {
		return err
	}
	n, err := f.Write(p)
	u.hash.Write(p[:n])
	u.size += int64(n)
	if n < len(p) {
		u.spool.quotas.restore(t.ID, int64(n-len(p)))
	}
	return err
}

// tooLarge refuses a blob of that size.
func tooLarge(size, most int64) error {
	if most > 0 && size > most {
		return fail(http.StatusRequestEntityTooLarge, codeSizeInvalid, "the blob is too large: this server takes at most %d bytes for one; cut the file into parts", most)
	}
	return nil
}

// digest is that of what has arrived.
func (u *session) digest() schema.Digest {
	return schema.DigestFromSum([sha256.Size]byte(u.hash.Sum(nil)))
}

// end removes the session, whose bytes no longer count.
func (u *session) end() error {
	u.spool.quotas.restore(u.state.Token, -u.size)
	return u.spool.forget(u)
}
