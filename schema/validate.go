package schema

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

//go:embed json/*.schema.json
var files embed.FS

// Base is the URL that the schemas' identifiers start with. Nothing is ever fetched from it.
const Base = "https://reprise-ml.github.io/schema/"

// DocumentKind names a document that has a schema: json/<kind>.schema.json.
type DocumentKind string

// The documents.
const (
	KindSpecification DocumentKind = "specification"
	KindClosure       DocumentKind = "closure"
	KindDataset       DocumentKind = "dataset"
	KindJournalLine   DocumentKind = "journal"
	KindEngineSection DocumentKind = "engine"
	KindManifest      DocumentKind = "manifest"
	KindVerification  DocumentKind = "verification"
	KindWithdrawal    DocumentKind = "withdrawal"

	KindVerifyReport   DocumentKind = "verify"
	KindReplayReport   DocumentKind = "replay"
	KindTrainReport    DocumentKind = "train"
	KindFsckReport     DocumentKind = "fsck"
	KindCollectReport  DocumentKind = "gc"
	KindListReport     DocumentKind = "list"
	KindSearchReport   DocumentKind = "search"
	KindDiffReport     DocumentKind = "diff"
	KindPublishReport  DocumentKind = "publish"
	KindDatasetReport  DocumentKind = "dataset-report"
	KindPredictReport  DocumentKind = "predict"
	KindInitReport     DocumentKind = "init"
	KindCompileReport  DocumentKind = "compile"
	KindCheckReport    DocumentKind = "check"
	KindPullReport     DocumentKind = "pull"
	KindCopyReport     DocumentKind = "copy"
	KindExportReport   DocumentKind = "export"
	KindLoginReport    DocumentKind = "login"
	KindLogoutReport   DocumentKind = "logout"
	KindTagReport      DocumentKind = "tag"
	KindWithdrawReport DocumentKind = "withdraw"
	KindVersionReport  DocumentKind = "version"
	KindDemoReport     DocumentKind = "demo"
	KindServeReport    DocumentKind = "serve"
	KindTokenReport    DocumentKind = "token"
	KindTokenList      DocumentKind = "tokens"
	KindSessionReport  DocumentKind = "session"
	KindJoinReport     DocumentKind = "join"
	KindFailure        DocumentKind = "failure"
)

// Kinds returns every kind of document.
func Kinds() []DocumentKind {
	return []DocumentKind{
		KindSpecification, KindClosure, KindDataset, KindJournalLine, KindEngineSection, KindManifest, KindVerification,
		KindWithdrawal, KindWithdrawReport,
		KindVerifyReport, KindReplayReport, KindTrainReport, KindFsckReport, KindCollectReport, KindListReport, KindSearchReport, KindDiffReport, KindPublishReport,
		KindDatasetReport, KindPredictReport, KindInitReport, KindCompileReport, KindCheckReport, KindPullReport, KindCopyReport, KindExportReport, KindLoginReport, KindLogoutReport, KindTagReport,
		KindVersionReport, KindDemoReport, KindServeReport, KindTokenReport, KindTokenList, KindSessionReport, KindJoinReport, KindFailure,
	}
}

// JSONSchema returns the text of a schema file by its base name, such as "closure.schema.json".
func JSONSchema(file string) ([]byte, error) { return files.ReadFile("json/" + file) }

// Validate checks a JSON document strictly against the schema of its kind, and nothing else. name is what an *Invalid
// calls the document.
func Validate(kind DocumentKind, name string, data []byte) error {
	s, err := parseJSON(name, data, maxDocument)
	if err != nil {
		return err
	}
	return s.check(kind)
}

// library is every schema, raw by file name and compiled by kind.
type library struct {
	raw      map[string]any
	compiled map[DocumentKind]*jsonschema.Schema
}

// loadLibrary compiles the embedded schemas once. That they compile is tested, so a failure cannot reach a user.
var loadLibrary = sync.OnceValue(func() *library {
	l, err := newLibrary()
	if err != nil {
		panic("schema: " + err.Error())
	}
	return l
})

func newLibrary() (*library, error) {
	entries, err := files.ReadDir("json")
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat = true
	c.LoadURL = func(u string) (io.ReadCloser, error) { return nil, fmt.Errorf("%s is not embedded", u) }
	l := &library{raw: map[string]any{}, compiled: map[DocumentKind]*jsonschema.Schema{}}
	for _, e := range entries {
		text, err := files.ReadFile("json/" + e.Name())
		if err != nil {
			return nil, err
		}
		var raw any
		if err := json.Unmarshal(text, &raw); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		l.raw[e.Name()] = raw
		if err := c.AddResource(Base+e.Name(), bytes.NewReader(text)); err != nil {
			return nil, err
		}
	}
	for _, k := range Kinds() {
		if l.compiled[k], err = c.Compile(Base + string(k) + ".schema.json"); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// at returns the raw schema at an absolute location, "…/closure.schema.json#/$defs/file".
func (l *library) at(location string) map[string]any {
	u, fragment, _ := strings.Cut(location, "#")
	node := l.raw[path.Base(u)]
	for _, token := range pointer(fragment) {
		node = step(node, token)
	}
	object, _ := node.(map[string]any)
	return object
}

// resolve follows a schema's $ref.
func (l *library) resolve(file string, schema map[string]any) map[string]any {
	for range maxDepth {
		ref, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		if target, _, _ := strings.Cut(ref, "#"); target != "" {
			file = target
		} else {
			ref = file + ref
		}
		schema = l.at(ref)
	}
	return schema
}

// check validates the values against the schema of a kind.
func (s *source) check(kind DocumentKind) error {
	l := loadLibrary()
	err := l.compiled[kind].Validate(s.value)
	var ve *jsonschema.ValidationError
	switch {
	case err == nil:
		return s.refusal()
	case errors.As(err, &ve):
		(&narrator{source: s, library: l}).tell(ve)
		return s.refusal()
	}
	return Invalidf(s.document, "", "%s", err)
}

// pointer splits a JSON pointer in the library's URL-escaped spelling.
func pointer(p string) []string {
	p = strings.TrimPrefix(p, "/")
	if p == "" {
		return nil
	}
	tokens := strings.Split(p, "/")
	for i, t := range tokens {
		if u, err := url.PathUnescape(t); err == nil {
			t = u
		}
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return tokens
}

// step goes one token down from a value.
func step(node any, token string) any {
	switch n := node.(type) {
	case map[string]any:
		return n[token]
	case []any:
		i := 0
		if _, err := fmt.Sscanf(token, "%d", &i); err == nil && i >= 0 && i < len(n) {
			return n[i]
		}
	}
	return nil
}
