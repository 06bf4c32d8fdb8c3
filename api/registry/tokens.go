package registry

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/reprise-ml/reprise/schema"
)

// Scope is what a token allows. Each includes those before it.
type Scope string

// Scopes.
const (
	ScopePull  Scope = "pull"  // to read
	ScopePush  Scope = "push"  // to publish, and to move tags
	ScopeAdmin Scope = "admin" // to delete what is not published
)

// Scopes lists them, the weakest first.
var Scopes = []Scope{ScopePull, ScopePush, ScopeAdmin}

// allows reports whether a scope includes another.
func (s Scope) allows(other Scope) bool {
	return slices.Index(Scopes, s) >= slices.Index(Scopes, other)
}

// Token is what is kept of a token: not the secret, which its holder alone has.
type Token struct {
	ID    string `json:"id"`
	Scope Scope  `json:"scope"`
	// Names is the pattern of the names that may be written, as path.Match has them; "*" is all.
	Names string `json:"names"`
	// Hash is that of the secret. A secret has 130 random bits, so a slow hash would protect nothing more.
	Hash    schema.Digest `json:"hash"`
	Created time.Time     `json:"created"`
	// Expires is the end of its validity; zero is never.
	Expires time.Time `json:"expires,omitzero"`
	// Quota is how many bytes may be uploaded with it in all; 0 is any number.
	Quota int64 `json:"quota,omitempty"`
}

// mayWrite reports whether the token's pattern has a name.
func (t *Token) mayWrite(name string) bool {
	if t.Names == "*" {
		return true
	}
	ok, err := path.Match(t.Names, name)
	return ok && err == nil
}

// check says what is wrong with a token's terms.
func (t *Token) check() error {
	switch _, err := path.Match(t.Names, ""); {
	case !slices.Contains(Scopes, t.Scope):
		return schema.Invalidf("token", "scope", "%q is none of pull, push, admin", t.Scope)
	case err != nil || t.Names == "":
		return schema.Invalidf("token", "name", "%q is not a pattern of names, such as alice/*", t.Names)
	case t.Scope == ScopePull && t.Names != "*":
		return schema.Invalidf("token", "name", "who may pull may pull everything; a pattern limits what is pushed")
	case t.Quota < 0:
		return schema.Invalidf("token", "quota", "%d is not a number of bytes", t.Quota)
	}
	return nil
}

// tokenPrefix makes a token easy to find where it should not be.
const tokenPrefix = "reprise_"

// tokenText is a token as it is shown: prefix, id, secret.
var tokenText = regexp.MustCompile(`^` + tokenPrefix + `([a-z2-7]{10})_([A-Z2-7]{26})$`)

// idText is safe in the name of a file.
var idText = regexp.MustCompile(`^[a-z2-7]{10}$`)

// Tokens are a directory with a file for each token. They may be changed while a server uses them.
type Tokens struct{ dir string }

// NewTokens uses a directory, which is made when the first token is.
func NewTokens(dir string) *Tokens { return &Tokens{dir} }

const tokenSuffix = ".json"

// Create keeps a new token of these terms, and returns it with its secret text, which is not kept. Terms that make no sense
// are *schema.Invalid.
func (s *Tokens) Create(terms Token) (Token, string, error) {
	t := terms
	t.Names = cmp.Or(t.Names, "*")
	if err := t.check(); err != nil {
		return Token{}, "", err
	}
	t.ID = strings.ToLower(rand.Text()[:10])
	text := tokenPrefix + t.ID + "_" + rand.Text()
	t.Hash = schema.DigestOf([]byte(text))
	b, err := json.Marshal(t)
	if err != nil {
		return Token{}, "", err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return Token{}, "", err
	}
	return t, text, replaceFile(filepath.Join(s.dir, t.ID+tokenSuffix), b)
}

// List returns all tokens, the oldest first.
func (s *Tokens) List() ([]Token, error) {
	files, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Token
	for _, f := range files {
		id, ok := strings.CutSuffix(f.Name(), tokenSuffix)
		if !ok || !idText.MatchString(id) {
			continue
		}
		t, err := s.read(id)
		if err != nil {
			return nil, err
		}
		list = append(list, *t)
	}
	slices.SortFunc(list, func(a, b Token) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// Revoke ends a token's validity. One that is not there is fs.ErrNotExist.
func (s *Tokens) Revoke(id string) error {
	if !idText.MatchString(id) {
		return fmt.Errorf("token %q: %w", id, fs.ErrNotExist)
	}
	if err := os.Remove(filepath.Join(s.dir, id+tokenSuffix)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("token %q: %w", id, fs.ErrNotExist)
	} else if err != nil {
		return err
	}
	if err := os.Remove(s.usage(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// usage is the file that counts what was uploaded with a token.
func (s *Tokens) usage(id string) string { return filepath.Join(s.dir, id+".used") }

func (s *Tokens) read(id string) (*Token, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, id+tokenSuffix))
	if err != nil {
		return nil, err
	}
	t := &Token{}
	if err := json.Unmarshal(b, t); err != nil {
		return nil, schema.Invalidf("token "+id, "", "%v", err)
	}
	if t.ID != id || t.Hash.IsZero() {
		return nil, schema.Invalidf("token "+id, "id", "is not that of its file")
	}
	return t, t.check()
}

// errBadToken says that a text is no valid token. It does not say why: whether there is such a token is nobody's business.
var errBadToken = errors.New("the token is not valid: it is unknown, revoked or expired")

// tokenID is the public part of a token's text, or empty.
func tokenID(text string) string {
	if parts := tokenText.FindStringSubmatch(text); parts != nil {
		return parts[1]
	}
	return ""
}

// verify finds the token of a text that a client has shown.
func (s *Tokens) verify(text string, now time.Time) (*Token, error) {
	id := tokenID(text)
	if id == "" {
		return nil, errBadToken
	}
	t, err := s.read(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errBadToken
	}
	if err != nil {
		return nil, err
	}
	hash := schema.DigestOf([]byte(text)).Hex()
	if subtle.ConstantTimeCompare([]byte(hash), []byte(t.Hash.Hex())) != 1 || !t.Expires.IsZero() && !now.Before(t.Expires) {
		return nil, errBadToken
	}
	return t, nil
}

// replaceFile writes a file whole or not at all, for its owner alone.
func replaceFile(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".tmp-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
