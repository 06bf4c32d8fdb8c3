package closure

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/reprise-ml/reprise/schema"
)

// What the tokens of a text are.
const (
	TokensCharacters = "characters" // Unicode code points of UTF-8
	TokensBytes      = "bytes"
)

// maxWindow bounds the tokens of a record.
const maxWindow = 1 << 16

// textUsage says which files the importer wants.
const textUsage = "a text split is one file"

// ImportText makes a dataset of text, plain or gzipped, a file for each split: one record for each token, in the order of
// the text. Tokens are characters (Unicode code points) or bytes; line ends stay as they are, a byte order mark is dropped.
//
// The vocabulary is the different tokens of all splits, sorted by code point or byte. It is stored as the classes: each
// character as itself, a byte from 0x80 on as \x and two digits. A record is the token's index in the vocabulary, a scalar
// in u8, or in u16 beyond 256 tokens; so T+1 consecutive records are a window of T inputs and the T tokens that follow
// them. Because a record also has a target, that is the index of the next token; the last record of a split has that of the
// first, as if the split were a ring.
//
// With a Window of T, a record is T tokens and, as target, the T that follow each of them: the text is cut into windows one
// behind the other, whose order is drawn as that of other records is, and fewer than T tokens at its end are left out.
//
// TestFraction holds out the end of the text: the last round(n · fraction) of its n tokens.
func ImportText(ctx context.Context, options Import, sink BlobSink) (*schema.Dataset, *Manifest, error) {
	splits, err := options.splits(1, textUsage)
	if err != nil {
		return nil, nil, err
	}
	if err := options.only(textFiles, "a text"); err != nil {
		return nil, nil, err
	}
	switch {
	case len(options.Classes) > 0:
		return nil, nil, schema.Invalidf(options.Name, "classes", "a text has none to be named: its vocabulary takes their place")
	case options.Seed != 0:
		return nil, nil, schema.Invalidf(options.Name, "seed", "a text stays in its order, so there is no seed")
	case options.Window < 0 || options.Window > maxWindow:
		return nil, nil, schema.Invalidf(options.Name, "window", "%d is not between 1 and %d tokens", options.Window, maxWindow)
	case options.Tokens != "" && options.Tokens != TokensCharacters && options.Tokens != TokensBytes:
		return nil, nil, schema.Invalidf(options.Name, "tokens", "%q; there are %s and %s", options.Tokens, TokensCharacters, TokensBytes)
	}
	im := textImport{options: options, seen: map[rune]int{}}
	for _, s := range splits {
		if err := im.read(ctx, s); err != nil {
			return nil, nil, err
		}
	}
	if options.TestFraction != 0 {
		if err := im.cut(); err != nil {
			return nil, nil, err
		}
	}
	return im.build(ctx, sink)
}

// textImport is the state of an import. Texts are kept until the last file was read, because only then the vocabulary is
// known.
type textImport struct {
	options Import
	seen    map[rune]int // tokens, and then their index in the vocabulary
	sources []schema.Source
	texts   []textOfSplit
	records int64
	used    int64
}

// textOfSplit is the text of a split.
type textOfSplit struct {
	split  string
	text   []byte
	tokens int
}

// next returns the first token of a text and its length in bytes.
func (im *textImport) next(text []byte) (rune, int) {
	if im.options.Tokens == TokensBytes {
		return rune(text[0]), 1
	}
	return utf8.DecodeRune(text)
}

func (im *textImport) read(ctx context.Context, s SplitFiles) error {
	f, err := openSource(s.Files[0], im.options.MaxBytes)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := im.skipMark(f); err != nil {
		return err
	}
	limit := orDefault(im.options.Memory, DefaultMemory)
	var text bytes.Buffer
	for piece := int64(1 << 20); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(&text, f.text, piece)
		if im.used += n; im.used > limit {
			return schema.Invalidf(f.name, "", "the text takes more than %d bytes, which is all that is held in memory", limit)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		im.options.report(f, im.records)
	}
	t := textOfSplit{split: s.Name, text: text.Bytes()}
	if t.tokens, err = im.count(f.name, t.text); err != nil {
		return err
	}
	im.records += int64(t.tokens)
	im.options.report(f, im.records)
	im.sources = append(im.sources, f.source())
	im.texts = append(im.texts, t)
	return nil
}

// skipMark passes over a byte order mark, unless bytes are wanted, and refuses UTF-16.
func (im *textImport) skipMark(f *sourceFile) error {
	if im.options.Tokens == TokensBytes {
		return nil
	}
	b, err := f.text.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return schema.Invalidf(f.name, "", "%s", whatItIs(b))
	}
	if string(b) == "\xef\xbb\xbf" {
		_, err = f.text.Discard(len(b))
		return err
	}
	return nil
}

// count notes the tokens of a text and returns their number.
func (im *textImport) count(name string, text []byte) (int, error) {
	n := 0
	for at := 0; at < len(text); n++ {
		token, size := im.next(text[at:])
		if token == utf8.RuneError && size == 1 {
			line := bytes.Count(text[:at], []byte{'\n'}) + 1
			e := schema.Invalidf(name, fmt.Sprintf("line %d", line), "the byte %#02x, at %d, is not UTF-8", text[at], at)
			e.Problems[0].Hint = "save the text as UTF-8, or take bytes as tokens"
			return 0, e
		}
		if _, ok := im.seen[token]; !ok {
			im.seen[token] = 0
			if len(im.seen) > maxClasses {
				return 0, schema.Invalidf(name, "", "more than %d different characters: take bytes as tokens", maxClasses)
			}
		}
		at += size
	}
	if n == 0 {
		return 0, schema.Invalidf(name, "", "there is no text in it")
	}
	return n, nil
}

// cut makes the end of the only text the split test.
func (im *textImport) cut() error {
	all := im.texts[0]
	if all.split == SplitTest {
		return schema.Invalidf(im.options.Name, "splits."+SplitTest, "the split is there already; leave the fraction out")
	}
	held := int(math.Floor(float64(float64(all.tokens)*im.options.TestFraction) + 0.5))
	if held == 0 || held == all.tokens {
		return schema.Invalidf(im.options.Name, "splits."+SplitTest, "a fraction of %v leaves a split of %d tokens empty", im.options.TestFraction, all.tokens)
	}
	at := 0
	for range all.tokens - held {
		_, size := im.next(all.text[at:])
		at += size
	}
	im.texts = []textOfSplit{{all.split, all.text[:at], all.tokens - held}, {SplitTest, all.text[at:], held}}
	return nil
}

// vocabulary sorts the tokens and returns them as texts.
func (im *textImport) vocabulary() []string {
	tokens := make([]rune, 0, len(im.seen))
	for token := range im.seen {
		tokens = append(tokens, token)
	}
	slices.Sort(tokens)
	texts := make([]string, len(tokens))
	for i, token := range tokens {
		im.seen[token] = i
		if texts[i] = string(token); im.options.Tokens == TokensBytes && token >= utf8.RuneSelf {
			texts[i] = fmt.Sprintf(`\x%02x`, token)
		}
	}
	return texts
}

// build makes a record of every token.
func (im *textImport) build(ctx context.Context, sink BlobSink) (*schema.Dataset, *Manifest, error) {
	texts := im.vocabulary()
	field := schema.Field{DType: "u8", Shape: []int{}}
	put := func(b []byte, token rune) { b[0] = byte(im.seen[token]) }
	if len(texts) > 256 {
		field.DType = "u16"
		put = func(b []byte, token rune) { binary.LittleEndian.PutUint16(b, uint16(im.seen[token])) }
	}
	token := field.Bytes()
	window := max(im.options.Window, 1)
	if im.options.Window > 0 {
		field.Shape = []int{window}
	}
	size := field.Bytes()
	target := field
	target.Offset = size
	document := im.options.document(schema.RecordLayout{Size: 2 * size, Input: field, Target: target})
	document.Classes = texts
	document.Sources = im.sources
	b, err := NewBuilder(document, BuilderOptions{Ordered: im.options.Window == 0, Memory: im.options.Memory})
	if err != nil {
		return nil, nil, err
	}
	record := make([]byte, 2*size)
	for _, t := range im.texts {
		if t.tokens < window {
			return nil, nil, schema.Invalidf(im.options.Name, "splits."+t.split, "has %d tokens, fewer than a window of %d", t.tokens, window)
		}
		first, at := im.next(t.text)
		following, length := first, 0
		for range t.tokens / window {
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			for k := range window {
				put(record[k*token:], following)
				if following, length = first, 0; at < len(t.text) {
					following, length = im.next(t.text[at:])
				}
				put(record[size+k*token:], following)
				at += length
			}
			if err := b.Add(t.split, record); err != nil {
				return nil, nil, err
			}
		}
	}
	return b.Finish(ctx, sink)
}
