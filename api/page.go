package api

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
)

//go:embed page.tmpl
var pageText string

// pageTemplates escape every text for its place. Names and titles of strangers stand in <bdi>, and without the characters that
// turn around what stands beside them.
var pageTemplates = template.Must(template.Must(template.New("page").Funcs(template.FuncMap{
	"plain": plain, "shape": shapeText, "short": func(d schema.Digest) string { return d.Short() }, "claim": claimText,
	"fraction": fraction, "figure": figure,
}).Funcs(cardFunctions).Parse(pageText + sessionsText)).Parse(listsText))

// page is what a page says to readers without JavaScript, and to those who only look at its head.
type page struct {
	Title, Description string
	Missing            string // why there is nothing to see
	Path, Picture      string // addresses without a host: the page's own, and of what shows it in a link elsewhere
	Host               string // such as https://zoo.example
	// First is the answer of the JSON interface that the site's script would ask for first.
	First any
	// Linked is what a dataset is, for search engines: Croissant.
	Linked   json.RawMessage
	List     *listPage
	Closure  *closurePage
	Dataset  *datasetPage
	Sessions *sessionsPage
	Session  *sessionPage
}

// maxFirst is the longest answer that is put into a page; a script asks for longer ones itself.
const maxFirst = 256 << 10

// FirstJSON writes First into the page.
func (p *page) FirstJSON() (template.JS, error) { return inPage(p.First) }

// LinkedJSON writes Linked into the page.
func (p *page) LinkedJSON() (template.JS, error) { return inPage(p.Linked) }

// inPage is JSON that is safe in a page: in ASCII, and with no character in it that means something in HTML. It is empty where it is too
// long.
func inPage(v any) (template.JS, error) {
	text, err := json.Marshal(v)
	if err != nil || len(text) > maxFirst {
		return "", err
	}
	text = bytes.ReplaceAll(text, []byte(`\"`), []byte(`\u0022`))
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range string(text) { // what is no ASCII stands in strings alone
		switch {
		case r < 0x7f:
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return template.JS(b.String()), nil //nolint:gosec // it is JSON, in an element that no browser runs
}

type closurePage struct {
	*ClosureAnswer
	Document *schema.Closure
	Files    []schema.File
}

type datasetPage struct {
	Summary  DatasetSummary
	Document *schema.Dataset
	UsedBy   []UsedBy
}

const siteTitle = "Reprise"

const siteDescription = "Machine-learning results that anyone can recompute, bit for bit, in a browser."

// pageAt is the page at an address. What cannot be shown is a page as well: the site's script finds out by itself.
func (s *Service) pageAt(c *gin.Context, at string) (int, *page) {
	p := &page{Title: siteTitle, Description: siteDescription, Path: at}
	var err error
	switch {
	case at == closuresPath:
		err = s.closuresPage(c, p)
	case at == datasetsPath:
		err = s.datasetsPage(c, p)
	case at == "/about", at == "/sessions/new":
	case at == "/sessions":
		s.sessionsPage(p)
	case strings.HasPrefix(at, "/c/"):
		err = s.closurePage(c, p, strings.TrimPrefix(at, "/c/"))
	case strings.HasPrefix(at, "/d/"):
		err = s.datasetPage(c, p, strings.TrimPrefix(at, "/d/"))
	default:
		if id, join, ok := sessionAddress(at); ok {
			err = s.sessionPage(p, id, join)
		} else {
			err = newProblem(http.StatusNotFound, codeNotFound, "", "There is no such page.")
		}
	}
	if err == nil {
		p.Host = hostOf(c.Request)
		return http.StatusOK, p
	}
	problem := problemOf(err)
	if problem.Status >= http.StatusInternalServerError {
		_ = c.Error(err) // only notes it for the log
	}
	if problem.Code == codeInvalid && problem.Status == http.StatusBadRequest {
		problem.Status = http.StatusNotFound // an address is no form that was filled in wrongly
	}
	p = &page{Title: problem.Title + " · " + siteTitle, Description: siteDescription, Missing: problem.Detail}
	if isList(at) {
		p.List = &listPage{Title: "Nothing to see", Search: readSearch(at, nil), Problem: problem}
	}
	return problem.Status, p
}

func (s *Service) closurePage(c *gin.Context, p *page, reference string) error {
	ctx := c.Request.Context()
	o, err := s.closureAt(ctx, reference)
	if err != nil {
		return err
	}
	a, err := s.describe(ctx, o)
	if err != nil {
		return err
	}
	p.First = a
	p.Closure = &closurePage{ClosureAnswer: a, Document: o.closure, Files: o.closure.Files}
	p.Title = headline(o.closure.Title, o.name)
	p.Path = "/c/" + o.name + "@" + o.digest.String()
	if p.Picture, err = s.pictureOf(ctx, o.closure); err != nil {
		return err
	}
	p.Description = firstOf(o.closure.Description, "A research closure: its results can be recomputed in a browser, bit for bit.")
	if acc := accuracyOf(o.closure); acc != nil {
		p.Description = percent(acc.Correct, acc.Total) + " · " + p.Description
	}
	return nil
}

// pictureOf is a sheet of the data of a closure; empty where the store has none, or they are no images.
func (s *Service) pictureOf(ctx context.Context, c *schema.Closure) (string, error) {
	index, err := s.catalogue.Index(ctx)
	if err != nil {
		return "", err
	}
	picture := ""
	for _, d := range c.Datasets {
		i, ok, err := index.Object(ctx, d.Digest)
		if err != nil {
			return "", err
		}
		if ok && i.Entry.ArtifactType == schema.MediaTypeDataset {
			picture = s.datasetSummary(i).Sample
		}
	}
	return picture, nil
}

func (s *Service) datasetPage(c *gin.Context, p *page, reference string) error {
	ctx := c.Request.Context()
	o, err := s.datasetAt(ctx, reference)
	if err != nil {
		return err
	}
	index, err := s.catalogue.Index(ctx)
	if err != nil {
		return err
	}
	used, err := s.usersOf(ctx, index, o.digest)
	if err != nil {
		return err
	}
	summary := summariseDataset(o.dataset, o.reference())
	if summary.Withdrawn, err = s.withdrawn(ctx, o); err != nil {
		return err
	}
	p.Dataset = &datasetPage{Summary: summary, Document: o.dataset, UsedBy: used}
	p.Title = headline(o.dataset.Title, o.name)
	p.Path, p.Picture = "/d/"+o.name+"@"+o.digest.String(), p.Dataset.Summary.Sample
	if p.Linked, err = closure.Croissant(o.dataset, o.digest, hostOf(c.Request)); err != nil {
		return err
	}
	p.Description = firstOf(o.dataset.Description, "A dataset of research closures.")
	return nil
}

// croissantFile is what the address of a dataset's Croissant ends with. No part of a name does.
const croissantFile = "/croissant.json"

// croissant answers with what a dataset is, in Croissant.
func (s *Service) croissant(c *gin.Context, reference string) error {
	o, err := s.datasetAt(c.Request.Context(), reference)
	if err != nil {
		return err
	}
	text, err := closure.Croissant(o.dataset, o.digest, hostOf(c.Request))
	if err != nil {
		return err
	}
	c.Header("Cache-Control", cacheAsk)
	return send(c, http.StatusOK, closure.CroissantMediaType, text)
}

// hostOf is the beginning of addresses, as the visitor has it. It is shown to that visitor alone.
func hostOf(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

func headline(title, name string) string {
	return shorten(firstOf(title, name), 120) + " · " + siteTitle
}

func firstOf(a, b string) string {
	if strings.TrimSpace(a) != "" {
		return a
	}
	return b
}

// render puts a page's text into the page of the site that it belongs to.
func (s *site) render(p *page) ([]byte, error) {
	into := s.app
	if p.List != nil {
		into = s.list
	}
	var b bytes.Buffer
	b.WriteString(into.head)
	if err := pageTemplates.ExecuteTemplate(&b, "head", p); err != nil {
		return nil, err
	}
	b.WriteString(into.body)
	body := "content"
	if s.built {
		body = "root"
	}
	if err := pageTemplates.ExecuteTemplate(&b, body, p); err != nil {
		return nil, err
	}
	b.WriteString(into.tail)
	return b.Bytes(), nil
}

// maxShown is how much of one text a page shows.
const maxShown = 20000

// plain leaves out what does not show and changes how the rest is read: control characters and those that set the direction of
// writing (https://trojansource.codes). Line ends stay.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u200b', r == '\ufeff', r == '\u2028', r == '\u2029',
			r >= 0xe0000 && r <= 0xe007f:
			return -1
		}
		return r
	}, shorten(s, maxShown))
}

func shapeText(shape []int) string {
	if len(shape) == 0 {
		return "1"
	}
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", " × ")
}

func claimText(r schema.Result) string {
	switch {
	case r.Correct != nil:
		return fmt.Sprintf("%d of %d (%s)", *r.Correct, r.Total, percent(*r.Correct, r.Total))
	case r.Sum != nil && r.Total > 0:
		return fmt.Sprintf("%.6f on average over %d", float64(*r.Sum)/(1<<20)/float64(r.Total), r.Total)
	}
	return "none"
}
