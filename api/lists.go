package api

import (
	_ "embed"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/catalogue"
)

// Lists are pages that the server draws whole: they are there with the first bytes, can be searched without scripts, and a small
// script (web/src/lists) exchanges their parts as the visitor types.

//go:embed lists.tmpl
var listsText string

// Addresses of the lists.
const (
	closuresPath = "/"
	datasetsPath = "/d"
)

func isList(path string) bool { return path == closuresPath || path == datasetsPath }

// listPage is the list that an address asks for, as /?q=…&task=…&sort=…&page=2 or /d?q=….
type listPage struct {
	Title, Intro       string
	Label, Placeholder string // of the field to search with
	Search             search
	Filters            []filter
	Total, Unread      int64 // Unread are the versions that the catalogue has yet to read
	Noun               string
	Closures           []Summary
	Datasets           []DatasetSummary
	Page, Last         int
	Previous, Next     string   // addresses
	Problem            *Problem // why there is no list, if so
}

// search is what the address of a list says.
type search struct {
	Path   string
	Words  string
	Facets map[string]string
	Sort   string
	Page   int
}

// filter is a choice beside the search.
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
	// The first is the order where nothing is said.
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
func readSearch(path string, v url.Values) search {
	s := search{Path: path, Words: cutText(v.Get("q"), maxSearch), Facets: map[string]string{}, Sort: catalogue.SortNewest, Page: 1}
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
		return s.Path
	}
	return s.Path + "?" + strings.Join(parts, "&")
}

func (s search) query() catalogue.Query {
	return catalogue.Query{Text: s.Words, Filters: s.Facets, Sort: s.Sort, Offset: (s.Page - 1) * pageDefault, Limit: pageDefault}
}

// count sets the totals, and where the pages before and after are.
func (l *listPage) count(total, unread int) {
	l.Total, l.Unread = int64(total), int64(unread)
	l.Page, l.Last = l.Search.Page, max(1, (total+pageDefault-1)/pageDefault)
	if l.Page > 1 {
		l.Previous = l.Search.at(min(l.Page-1, l.Last))
	}
	if l.Page < l.Last {
		l.Next = l.Search.at(l.Page + 1)
	}
}

// closuresPage is the front page.
func (s *Service) closuresPage(c *gin.Context, p *page) error {
	wanted := readSearch(closuresPath, c.Request.URL.Query())
	list, err := s.find(c.Request.Context(), wanted.query())
	if err != nil {
		return err
	}
	l := &listPage{
		Title: "Results you can play back",
		Intro: "Each closure keeps a model with its data, its code and the journal of its training. Open one and recompute its numbers in this " +
			"tab: the same to the last bit, or the place where they part.",
		Label: "Search closures", Placeholder: "Search by name, task, dataset, author …", Noun: "closure", Search: wanted, Closures: list.Items,
	}
	l.count(list.Total, list.Unread)
	for _, name := range facets {
		l.Filters = append(l.Filters, filter{name, facetLabels[name][0], facetOptions(facetLabels[name][1], list.Facets[name], wanted.Facets[name])})
	}
	l.Filters = append(l.Filters, filter{"sort", "Order", sortOptions(wanted.Sort)})
	p.List = l
	p.Title = siteTitle + " · a zoo of research closures"
	return nil
}

// datasetsPage lists the datasets.
func (s *Service) datasetsPage(c *gin.Context, p *page) error {
	wanted := readSearch(datasetsPath, url.Values{"q": c.QueryArray("q"), "page": c.QueryArray("page")})
	q := wanted.query()
	q.Sort = "" // by name, or how well they fit
	list, err := s.findDatasets(c.Request.Context(), q)
	if err != nil {
		return err
	}
	l := &listPage{
		Title: "Datasets", Label: "Search datasets", Placeholder: "Search by name, title, class …", Noun: "dataset", Search: wanted, Datasets: list.Items,
	}
	l.count(list.Total, list.Unread)
	p.List = l
	p.Title = "Datasets · " + siteTitle
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

// sortOptions leave the first without a value, so that it does not stand in the address.
func sortOptions(chosen string) []option {
	var options []option
	for i, one := range sortLabels {
		o := option{one[0], one[1], i > 0 && one[0] == chosen}
		if i == 0 {
			o.Value = ""
		}
		options = append(options, o)
	}
	return options
}
