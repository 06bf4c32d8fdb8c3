package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/schema"
)

//go:embed page.tmpl
var pageText string

// pageTemplates escape every text for its place. Names and titles of strangers stand in <bdi>, and without the characters that
// turn around what stands beside them.
var pageTemplates = template.Must(template.New("page").Funcs(template.FuncMap{
	"plain": plain, "percent": percent, "bytes": byteCount, "shape": shapeText, "short": func(d schema.Digest) string { return d.Short() }, "claim": claimText,
}).Parse(pageText))

// page is what a page says to readers without JavaScript, and to those who only look at its head.
type page struct {
	Title, Description string
	Missing            string // why there is nothing to see
	Front              *frontPage
	Closure            *closurePage
	Dataset            *datasetPage
}

type frontPage struct {
	Closures       []*Object
	Datasets       []*Object
	Total          int
	Previous, Next string // addresses
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
	p := &page{Title: siteTitle, Description: siteDescription}
	var err error
	switch {
	case at == "/", at == "/d": // both lists stand on one page without JavaScript
		err = s.frontPage(c, p)
	case at == "/about":
	case strings.HasPrefix(at, "/c/"):
		err = s.closurePage(c, p, strings.TrimPrefix(at, "/c/"))
	case strings.HasPrefix(at, "/d/"):
		err = s.datasetPage(c, p, strings.TrimPrefix(at, "/d/"))
	default:
		err = newProblem(http.StatusNotFound, codeNotFound, "", "There is no such page.")
	}
	if err == nil {
		return http.StatusOK, p
	}
	problem := problemOf(err)
	if problem.Status >= http.StatusInternalServerError {
		_ = c.Error(err) // only notes it for the log
	}
	if problem.Code == codeInvalid && problem.Status == http.StatusBadRequest {
		problem.Status = http.StatusNotFound // an address is no form that was filled in wrongly
	}
	return problem.Status, &page{Title: problem.Title + " · " + siteTitle, Description: siteDescription, Missing: problem.Detail}
}

// frontMost is the number of closures on a page without JavaScript.
const frontMost = 50

func (s *Service) frontPage(c *gin.Context, p *page) error {
	offset, err := integer(c, "offset", 0, 0, offsetMost)
	if err != nil {
		return err
	}
	snapshot, err := s.catalogue.Snapshot(c.Request.Context())
	if err != nil {
		return err
	}
	found, _ := snapshot.search(query{sort: sortNewest})
	f := &frontPage{Closures: cut(found, offset, frontMost), Total: len(found)}
	if offset > 0 {
		f.Previous = fmt.Sprintf("/?offset=%d", max(0, offset-frontMost))
	}
	if offset+frontMost < len(found) {
		f.Next = fmt.Sprintf("/?offset=%d", offset+frontMost)
	}
	f.Datasets = cut(snapshot.Datasets, 0, frontMost)
	p.Front = f
	p.Title = siteTitle + " · a zoo of research closures"
	return nil
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
	p.Closure = &closurePage{ClosureAnswer: a, Document: o.closure, Files: o.closure.Files}
	p.Title = headline(o.closure.Title, o.name)
	p.Description = firstOf(o.closure.Description, "A research closure: its results can be recomputed in a browser, bit for bit.")
	if acc := accuracyOf(o.closure); acc != nil {
		p.Description = percent(acc.Correct, acc.Total) + " · " + p.Description
	}
	return nil
}

func (s *Service) datasetPage(c *gin.Context, p *page, reference string) error {
	ctx := c.Request.Context()
	o, err := s.datasetAt(ctx, reference)
	if err != nil {
		return err
	}
	snapshot, err := s.catalogue.Snapshot(ctx)
	if err != nil {
		return err
	}
	object := &Object{Name: o.name, Version: o.version, Dataset: o.dataset, sample: isImages(o.dataset.Record.Input)}
	object.Entry.Digest = o.digest
	p.Dataset = &datasetPage{Summary: datasetSummary(object), Document: o.dataset, UsedBy: snapshot.usersOf(o.digest)}
	p.Title = headline(o.dataset.Title, o.name)
	p.Description = firstOf(o.dataset.Description, "A dataset of research closures.")
	return nil
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

// render puts a page's text into the site's page.
func (s *site) render(p *page) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(s.index.head)
	if err := pageTemplates.ExecuteTemplate(&b, "head", p); err != nil {
		return nil, err
	}
	b.WriteString(s.index.body)
	content := "content"
	if s.built {
		content = "noscript"
	}
	if err := pageTemplates.ExecuteTemplate(&b, content, p); err != nil {
		return nil, err
	}
	b.WriteString(s.index.tail)
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

// percent is a fraction for people to read.
func percent(correct, total int64) string {
	if total <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f %%", 100*float64(correct)/float64(total))
}

func byteCount(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
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
