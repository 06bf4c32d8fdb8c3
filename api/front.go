package api

import (
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/catalogue"
)

//go:embed front.tmpl
var frontText string

// frontPage is the list of closures that an address of the front page asks for, as /?q=…&task=…&sort=…&page=2.
type frontPage struct {
	Search         search
	List           ClosureList
	Filters        []filter
	Page, Last     int
	Previous, Next string // addresses
}

// search is what the address of the front page says; web/src/site/state/query.ts reads it likewise.
type search struct {
	Words  string
	Facets map[string]string
	Sort   string
	Page   int
}

// filter is a choice on the front page.
type filter struct {
	Name, Label string
	Options     []option
}

type option struct {
	Value, Label string
	Selected     bool
}

// facets are those that the front page offers to choose from.
var facets = [...]string{catalogue.FacetTask, catalogue.FacetDataset, catalogue.FacetLicense, catalogue.FacetVerified}

// Names of the choices on the front page.
var (
	facetLabels = map[string][2]string{
		catalogue.FacetTask: {"Task", "Any task"}, catalogue.FacetDataset: {"Dataset", "Any dataset"},
		catalogue.FacetLicense: {"Licence", "Any licence"}, catalogue.FacetVerified: {"Verified", "Verified or not"},
	}
	sortLabels = [...][2]string{
		{catalogue.SortNewest, "Newest first"}, {catalogue.SortName, "By name"}, {catalogue.SortAccuracy, "Most accurate"}, {catalogue.SortSize, "Smallest first"},
	}
)

// Longest texts of a search, in characters.
const (
	maxSearch = 200
	maxOption = 60
)

// readSearch never fails: what cannot be understood is left out, as a page is shown for every address.
func readSearch(v url.Values) search {
	s := search{Words: cutText(v.Get("q"), maxSearch), Facets: map[string]string{}, Sort: catalogue.SortNewest, Page: 1}
	for _, f := range facets {
		if value := v.Get(f); value != "" {
			s.Facets[f] = value
		}
	}
	for _, one := range sortLabels {
		if v.Get("sort") == one[0] {
			s.Sort = one[0]
		}
	}
	if n, err := strconv.Atoi(v.Get("page")); err == nil && n > 0 && n <= offsetMost/pageDefault {
		s.Page = n
	}
	return s
}

// Narrowed reports whether anything but the whole list is wanted.
func (s search) Narrowed() bool { return s.Words != "" || len(s.Facets) > 0 }

// at is the address of another page of the same search.
func (s search) at(page int) string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+url.QueryEscape(value))
		}
	}
	add("q", s.Words)
	for _, f := range facets {
		add(f, s.Facets[f])
	}
	if s.Sort != catalogue.SortNewest {
		add("sort", s.Sort)
	}
	if page > 1 {
		add("page", strconv.Itoa(page))
	}
	if len(parts) == 0 {
		return "/"
	}
	return "/?" + strings.Join(parts, "&")
}

func (s search) query() catalogue.Query {
	return catalogue.Query{Text: s.Words, Filters: s.Facets, Sort: s.Sort, Offset: (s.Page - 1) * pageDefault, Limit: pageDefault}
}

func (s *Service) frontPage(c *gin.Context, p *page) error {
	wanted := readSearch(c.Request.URL.Query())
	list, err := s.find(c.Request.Context(), wanted.query())
	if err != nil {
		return err
	}
	f := &frontPage{Search: wanted, List: list, Page: wanted.Page, Last: max(1, (list.Total+pageDefault-1)/pageDefault)}
	for _, name := range facets {
		f.Filters = append(f.Filters, filter{name, facetLabels[name][0], facetOptions(facetLabels[name][1], list.Facets[name], wanted.Facets[name])})
	}
	order := filter{Name: "sort", Label: "Order"}
	for _, one := range sortLabels {
		order.Options = append(order.Options, option{one[0], one[1], one[0] == wanted.Sort && wanted.Sort != catalogue.SortNewest})
	}
	f.Filters = append(f.Filters, order)
	if f.Page > 1 {
		f.Previous = wanted.at(min(f.Page-1, f.Last))
	}
	if f.Page < f.Last {
		f.Next = wanted.at(f.Page + 1)
	}
	p.Front, p.First = f, f.List
	p.Title = siteTitle + " · a zoo of research closures"
	return nil
}

// facetOptions are the values of a facet, and the chosen one even where the search has none of it left.
func facetOptions(all string, values []schema.FacetValue, chosen string) []option {
	options := []option{{Label: all}}
	found := chosen == ""
	for _, v := range values {
		options = append(options, option{plain(v.Value), cutText(phrase(plain(v.Value)), maxOption) + " (" + grouped(v.Count) + ")", v.Value == chosen})
		found = found || v.Value == chosen
	}
	if !found {
		options = append(options, option{plain(chosen), cutText(plain(chosen), maxOption), true})
	}
	return options
}

// frontFunctions write for the template what the site's script writes: numbers as in state/format.ts, curves as in
// charts/sparkline.ts.
var frontFunctions = template.FuncMap{
	"text": textElement, "count": grouped, "compact": compact, "bytes": byteCount, "phrase": phrase, "percent": percent,
	"staff": func() []int { return staffHeights }, "sparkline": func(curve []float64) string { return curvePath(curve, cardBox) },
	"curveLabel": curveLabel, "dataNames": dataNames,
	"derivationLabel": func(d string) string { return derivationBadge(d)[0] }, "derivationTone": func(d string) string { return derivationBadge(d)[1] },
}

// Cards are the closures of this page.
func (f *frontPage) Cards() []Summary { return f.List.Items }

// Total is the number of closures on all pages.
func (f *frontPage) Total() int64 { return int64(f.List.Total) }

// Unread is the number of versions that the catalogue has yet to read.
func (f *frontPage) Unread() int64 { return int64(f.List.Unread) }

// Lines are the heights of the staff on the cover.
func (f *frontPage) Lines() []string { return []string{"10%", "30%", "50%", "70%", "90%"} }

// Theme is what the cover of the zoo plays: a training as any other.
func (f *frontPage) Theme() string { return coverTheme }

var coverTheme = curvePath(coverCurve(), box{width: 1000, height: 100, margin: 10, end: 10})

func coverCurve() []float64 {
	curve := make([]float64, 60)
	for i := range curve {
		x := float64(i)
		curve[i] = 0.06 + math.Exp(-x/13)*(1+0.2*math.Sin(x*2.7)*math.Cos(x))
	}
	return curve
}

// box is the size of a curve's drawing, in its own units.
type box struct{ width, height, margin, end float64 }

var (
	cardBox      = box{width: 320, height: 72, margin: 8, end: 32}
	staffHeights = []int{8, 22, 36, 50, 64}
)

// curvePath is a path through losses on a logarithmic scale. Fewer than two positive numbers leave nothing to draw.
func curvePath(curve []float64, b box) string {
	var values []float64
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range curve {
		if v > 0 && !math.IsInf(v, 0) {
			values = append(values, math.Log(v))
			low, high = min(low, math.Log(v)), max(high, math.Log(v))
		}
	}
	if len(values) < 2 {
		return ""
	}
	span := high - low
	if span == 0 {
		span = 1
	}
	var path strings.Builder
	for i, v := range values {
		x := float64(i)/float64(len(values)-1)*(b.width-b.margin-b.end) + b.margin
		y := b.height - b.margin - (v-low)/span*(b.height-2*b.margin)
		letter := byte('L')
		if i == 0 {
			letter = 'M'
		}
		fmt.Fprintf(&path, "%c%.1f %.1f", letter, x, y)
	}
	return path.String()
}

func curveLabel(curve []float64) string {
	if curvePath(curve, cardBox) == "" {
		return "No training curve"
	}
	return "Training loss from " + significant(curve[0]) + " to " + significant(curve[len(curve)-1])
}

// textElement is a stranger's text, with its own direction and at most so many characters.
func textElement(most int, s string) template.HTML {
	return template.HTML(`<bdi class="text">` + template.HTMLEscapeString(cutText(plain(s), most)) + `</bdi>`)
}

// cutText is s, or its beginning and an ellipsis, in at most n characters.
func cutText(s string, n int) string {
	if r := []rune(shorten(s, n)); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// phrase is "image-classification" as "image classification".
func phrase(identifier string) string { return strings.ReplaceAll(identifier, "-", " ") }

func dataNames(datasets []SummaryDataset) string {
	var names []string
	seen := map[string]bool{}
	for _, d := range datasets {
		if !seen[d.Name] {
			seen[d.Name] = true
			names = append(names, d.Name)
		}
	}
	return strings.Join(names, ", ")
}

func derivationBadge(derivation string) [2]string {
	switch derivation {
	case schema.Derived:
		return [2]string{"Engine derived", "good"}
	case schema.OtherCompiler:
		return [2]string{"Other compiler", "warn"}
	case schema.Foreign:
		return [2]string{"Foreign engine", "warn"}
	}
	return [2]string{"Derivation unchecked", "neutral"}
}
