package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/api/apitest"
	"github.com/reprise-ml/reprise/closure"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo"
)

func verification(d schema.Digest) string {
	return `{"closure":"` + d.String() + `","mode":"verify","verdict":"reproduced","claims":[{"metric":"accuracy","split":"test",` +
		`"claimed":{"correct":72,"total":80},"observed":{"correct":72,"total":80},"verdict":"reproduced"}],` +
		`"runtime":{"browser":"Firefox <b>140</b>","os":"Linux","workers":4}}`
}

func (w *world) post(body string, headers ...string) *httptest.ResponseRecorder {
	return w.request(http.MethodPost, "/api/v1/verifications", body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

func TestVerificationIsKept(t *testing.T) {
	w := newWorld(t, siteFiles())
	d := w.publish("letters", "1.0.0", apitest.Sample{}).Digest
	out := w.post(verification(d), "Origin", "http://example.com")
	if out.Code != http.StatusCreated {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	receipt := decode[api.VerificationReceipt](t, out.Body.Bytes())
	a := read[api.ClosureAnswer](w, "/api/v1/closure?ref=letters")
	if len(a.Verifications) != 1 {
		t.Fatalf("%+v", a.Verifications)
	}
	v := a.Verifications[0]
	if v.Kind != api.Unsigned || v.Digest != receipt.Digest || v.Verdict != "reproduced" || v.By != "" || v.Mode != "verify" ||
		v.Runtime.Browser != "Firefox <b>140</b>" || *v.Claims[0].Observed.Correct != 72 {
		t.Errorf("%+v", v)
	}
	for read[api.ClosureList](w, "/api/v1/closures?verified=unsigned").Total == 0 {
		w.clock.pass(time.Second)
	}
	list := read[api.ClosureList](w, "/api/v1/closures")
	if got := list.Items[0].Verified; got.Unsigned != 1 || got.Signed != 0 {
		t.Errorf("%+v", got)
	}
	// It is a referrer of the closure, and whole.
	about, err := w.store.Referrers(t.Context(), d)
	if err != nil || len(about) != 1 || about[0].Digest != receipt.Digest || about[0].ArtifactType != schema.MediaTypeVerification {
		t.Fatalf("%v %v", about, err)
	}
	m, err := zoo.Manifest(t.Context(), w.store, zoo.Resolved{Name: "letters", Entry: about[0]})
	if err != nil || m.Subject.Digest != d || m.Subject.MediaType != closure.MediaTypeManifest {
		t.Errorf("%+v %v", m, err)
	}
	if report, err := zoo.Fsck(t.Context(), w.store, zoo.FsckOptions{}); err != nil || len(report.Damaged) != 0 {
		t.Errorf("%+v %v", report, err)
	}
	if page := w.request(http.MethodGet, "/c/letters", "").Body.String(); !strings.Contains(page, "1 unsigned") || strings.Contains(page, "<b>140") {
		t.Error(page)
	}
}

func TestVerificationIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	d := w.publish("letters", "1.0.0", apitest.Sample{}).Digest
	good := verification(d)
	replace := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the record", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	json := []string{"Content-Type", "application/json"}
	for _, tc := range []struct {
		name, body string
		headers    []string
		status     int
		want       string
	}{
		{"no JSON", "hello", json, 400, "the body is no record"},
		{"empty", "", json, 400, "the body is no record"},
		{"unknown field", replace(`"mode"`, `"extra":1,"mode"`), json, 400, "unknown field"},
		{"something after", good + "{}", json, 400, "something follows"},
		{"no closure", replace(d.String(), ""), json, 400, "closure: is missing"},
		{"no digest", replace(d.String(), "sha256:xyz"), json, 400, "is not a digest"},
		{"another closure", replace(d.String(), schema.DigestOf(nil).String()), json, 404, "not found"},
		{"a dataset", replace(d.String(), w.zoo.Glyphs.Digest.String()), json, 404, "not found"},
		{"mode", replace(`"verify"`, `"guess"`), json, 400, "predicate.mode"},
		{"verdict", replace(`"verdict":"reproduced","claims"`, `"verdict":"identical","claims"`), json, 400, "no verdict of verify"},
		{"metric", replace(`"accuracy"`, `"beauty"`), json, 400, "metric"},
		{"count", replace(`"correct":72`, `"correct":-1`), json, 400, "correct"},
		{"workers", replace(`"workers":4`, `"workers":0`), json, 400, "workers"},
		{"long text", replace("Linux", strings.Repeat("x", 300)), json, 400, "runtime.os"},
		{"too large", replace("Linux", strings.Repeat("x", 70000)), json, 413, "too-large"},
		{"a form", good, []string{"Content-Type", "text/plain"}, 415, "unsupported-media-type"},
		{"another site", good, append(json, "Origin", "https://evil.example"), 403, "cross-origin"},
		{"no site", good, append(json, "Origin", "null"), 403, "cross-origin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w.clock.pass(time.Hour) // the rate is another test's
			out := w.request(http.MethodPost, "/api/v1/verifications", tc.body, tc.headers...)
			if out.Code != tc.status || !strings.Contains(out.Body.String(), tc.want) {
				t.Errorf("%d, want %d and %q\n%s", out.Code, tc.status, tc.want, out.Body)
			}
			checkHeaders(t, out)
		})
	}
	if about, err := w.store.Referrers(t.Context(), d); err != nil || len(about) != 0 {
		t.Errorf("kept %v %v", about, err)
	}
}

func TestReplayIsKept(t *testing.T) {
	w := newWorld(t, nil)
	d := w.publish("letters", "1.0.0", apitest.Sample{}).Digest
	body, err := json.Marshal(api.VerificationRequest{
		Closure: d, Mode: schema.ModeReplay, Verdict: schema.VerdictIdentical, Claims: []schema.ObservedClaim{}, Run: schema.DigestOf([]byte("run")), Steps: 60,
		Runtime: schema.VerifyingRuntime{Browser: "Chromium", Workers: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := w.post(string(body)); out.Code != http.StatusCreated {
		t.Fatalf("%d %s", out.Code, out.Body)
	}
	v := read[api.ClosureAnswer](w, "/api/v1/closure?ref=letters").Verifications[0]
	if v.Mode != schema.ModeReplay || v.Steps != 60 || v.Run != schema.DigestOf([]byte("run")) {
		t.Errorf("%+v", v)
	}
}

func TestRateOfRecords(t *testing.T) {
	w := newWorld(t, nil)
	d := w.publish("letters", "1.0.0", apitest.Sample{}).Digest
	body := strings.Replace(verification(d), "reproduced", "nonsense", 1)
	codes := map[int]int{}
	for range 30 {
		codes[w.post(body).Code]++
	}
	if codes[400] != 20 || codes[429] != 10 {
		t.Errorf("%v", codes)
	}
	w.clock.pass(10 * time.Second)
	for want := range map[int]bool{400: true} {
		if got := w.post(body).Code; got != want {
			t.Errorf("after a while: %d", got)
		}
	}
	if got := w.post(body).Code; got != http.StatusTooManyRequests {
		t.Errorf("at once again: %d", got)
	}
	// Another address has its own.
	q := httptest.NewRequest(http.MethodPost, "/api/v1/verifications", strings.NewReader(verification(d)))
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("X-Forwarded-For", "192.0.2.1")
	q.RemoteAddr = "[2001:db8::1]:999"
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, q)
	if out.Code != http.StatusCreated {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

// readOnly takes no records.
type readOnly struct{ zoo.Store }

func (readOnly) PutReferrer(context.Context, schema.Digest, zoo.Entry) error {
	return fmt.Errorf("here: %w", zoo.ErrReadOnly)
}

func TestReadOnlyStore(t *testing.T) {
	w := newWorld(t, nil)
	d := w.publish("letters", "1.0.0", apitest.Sample{}).Digest
	w.serve(readOnly{w.store}, nil)
	if out := w.post(verification(d)); out.Code != http.StatusForbidden || !strings.Contains(out.Body.String(), "read-only") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}
