package api

import (
	"compress/gzip"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/reprise-ml/reprise/schema"
)

// Pages of the built site: what its script draws, and the lists, which the server draws.
const (
	indexFile = "index.html"
	listFile  = "list.html"
)

// rootElement is where the text of a page goes.
const rootElement = `<div id="root"></div>`

// site is the files of the built site, kept compressed, and its pages cut where a page's own text goes in. Without a build, a
// plain page takes their place.
type site struct {
	files     fs.FS
	built     bool
	app, list frame

	mu     sync.Mutex
	assets map[string]*asset
}

// frame is a page without its text: head ends before </head>, body before the root element, and tail begins behind it.
type frame struct{ head, body, tail string }

// asset is a file that is served.
type asset struct {
	contentType, tag string
	body, zipped     []byte
}

var (
	titleElement       = regexp.MustCompile(`(?s)<title>.*?</title>`)
	descriptionElement = regexp.MustCompile(`<meta name="description"[^>]*>`)
)

// plainIndex is what pages are without a built site.
const plainIndex = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"></head>` +
	`<body><p>This is what pages say without scripts: the site was not built into this program. Build it with <code>make web build</code>, then start it again.</p></body></html>`

func newSite(files fs.FS) *site {
	s := &site{files: files, assets: map[string]*asset{}, app: cutPage(plainIndex), list: cutPage(plainIndex)}
	if files == nil {
		return s
	}
	app, err := fs.ReadFile(files, indexFile)
	if err != nil {
		return s
	}
	list, err := fs.ReadFile(files, listFile)
	if err != nil {
		return s
	}
	s.built, s.app, s.list = true, cutPage(string(app)), cutPage(string(list))
	return s
}

// cutPage takes a page apart, without the title and the description that it was built with.
func cutPage(text string) frame {
	// Pages lie at any depth, so what a page names it names from the root.
	text = strings.NewReplacer(`="./`, `="/`).Replace(text)
	text = descriptionElement.ReplaceAllLiteralString(titleElement.ReplaceAllLiteralString(text, ""), "")
	head, rest, ok := strings.Cut(text, "</head>")
	if !ok {
		head, rest = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">", text
	}
	body, tail, ok := strings.Cut(rest, rootElement)
	if !ok {
		body, tail, _ = strings.Cut(rest, "</body>")
		tail = "</body>" + tail
	}
	return frame{head: head, body: "</head>" + body, tail: tail}
}

// contentTypes are told by the ending of a name, and never guessed from content.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".gz": "application/gzip", ".html": "text/html; charset=utf-8", ".ico": "image/x-icon", ".js": "text/javascript; charset=utf-8",
	".json": "application/json", ".mjs": "text/javascript; charset=utf-8", ".png": "image/png", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
	".wasm": "application/wasm", ".webmanifest": "application/manifest+json", ".webp": "image/webp", ".woff2": "font/woff2",
}

// asset reads a file once; nil is what is not there.
func (s *site) asset(name string) *asset {
	if s.files == nil || name == indexFile || name == listFile || !fs.ValidPath(name) || strings.HasPrefix(path.Base(name), ".") {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.assets[name]; ok {
		return a
	}
	b, err := fs.ReadFile(s.files, name)
	if err != nil {
		return nil // not remembered: anybody can ask for any name
	}
	a := &asset{contentType: contentTypes[path.Ext(name)], body: b, tag: `W/"` + schema.DigestOf(b).Hex()[:32] + `"`}
	if a.contentType == "" {
		a.contentType = "application/octet-stream"
	}
	if len(b) >= minGzip && compressible(a.contentType) {
		a.zipped = compress(b, gzip.BestCompression)
	}
	s.assets[name] = a
	return a
}

// file answers with a file of the site. Those in assets have a digest in their names.
func (a *asset) send(c *gin.Context, name string) error {
	h := c.Writer.Header()
	h.Set("Cache-Control", cacheAsk)
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", cacheForever)
	}
	h.Set("Content-Type", a.contentType)
	h.Set("Etag", a.tag)
	h.Add("Vary", "Accept-Encoding")
	if sameTag(c.GetHeader("If-None-Match"), a.tag) {
		c.Status(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return nil
	}
	body := a.body
	if a.zipped != nil && takesGzip(c.Request) {
		h.Set("Content-Encoding", "gzip")
		body = a.zipped
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Status(http.StatusOK)
	c.Writer.WriteHeaderNow()
	if c.Request.Method != http.MethodHead {
		_, _ = c.Writer.Write(body)
	}
	return nil
}

// page answers everything that is no route: a file of the site, or one of its pages.
func (s *Service) page(c *gin.Context) error {
	if m := c.Request.Method; m != http.MethodGet && m != http.MethodHead {
		return newProblem(http.StatusMethodNotAllowed, codeMethod, "", "%s cannot be done here", shorten(m, 16))
	}
	at := c.Request.URL.Path
	for _, prefix := range []string{"/api/", "/blobs/", "/v2/"} {
		if strings.HasPrefix(at, prefix) {
			return newProblem(http.StatusNotFound, codeNotFound, "see api/README.md for what there is", "there is no %s", shorten(at, 64))
		}
	}
	name := strings.TrimPrefix(at, "/")
	if a := s.site.asset(name); a != nil {
		return a.send(c, name)
	}
	if strings.HasPrefix(at, "/assets/") {
		return newProblem(http.StatusNotFound, codeNotFound, "reload the page: the site was built anew", "there is no %s", shorten(at, 64))
	}
	if rest, ok := strings.CutPrefix(at, "/d/"); ok {
		if reference, ok := strings.CutSuffix(rest, croissantFile); ok {
			return s.croissant(c, reference)
		}
	}
	status, p := s.pageAt(c, at)
	body, err := s.site.render(p)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	c.Header("Cache-Control", cacheAsk)
	return send(c, status, "text/html; charset=utf-8", body)
}
