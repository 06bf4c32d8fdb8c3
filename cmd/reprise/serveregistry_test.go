package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reprise-ml/reprise/api"
	"github.com/reprise-ml/reprise/schema"
	"github.com/reprise-ml/reprise/zoo/oci/ocitest"
)

// server is a reprise serve in a process of its own, with an administrator's token.
type server struct {
	*desk
	store, url, secret string
	process            *exec.Cmd
}

// newServer begins one over a store, which it makes.
func (d *desk) newServer(store string) *server {
	d.Helper()
	o := d.done("--store", store, "token", "create", "--scope", "admin", "--quiet")
	s := &server{desk: d, store: store, secret: strings.TrimSpace(o.stdout)}
	s.start()
	d.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.Helper()
	s.process = s.desk.process("serve", "--store", s.store, "--addr", "127.0.0.1:0", "--json", "--quiet")
	out, err := s.process.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		s.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		s.Fatal(err)
	}
	var answer schema.ServeReport
	if err := json.Unmarshal(line, &answer); err != nil {
		s.Fatal(err)
	}
	s.url = strings.TrimSuffix(answer.URL, "/")
}

// kill ends the process as a failing machine would.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// ask sends a request with the token; an error is what became of the connection.
func (s *server) ask(method, path string, body io.Reader, headers ...string) (*http.Response, string, error) {
	s.Helper()
	q, err := http.NewRequestWithContext(s.Context(), method, s.url+path, body)
	if err != nil {
		s.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+s.secret)
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, "", err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	return a, string(text), err
}

func (s *server) want(status int, method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	s.Helper()
	a, text, err := s.ask(method, path, body, headers...)
	if err != nil || a.StatusCode != status {
		s.Fatalf("%s %s: %v %v, want %d\n%s", method, path, a, err, status, text)
	}
	return a, text
}

// A server that is killed in the middle of uploads loses nothing that it had, and those go on.
func TestServerKilled(t *testing.T) {
	d := newDesk(t)
	s := d.newServer(d.storePath())
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	a, _ := s.want(http.StatusAccepted, "POST", "/v2/mnist/blobs/uploads/", nil)
	at := a.Header.Get("Location")
	offset := int64(0)
	for cut := range 6 {
		body, w := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			_, _, err := s.ask("PATCH", at, body)
			ended <- err
		}()
		if _, err := w.Write(content[offset : offset+int64(cut+1)*100_000]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond) // for some of it to arrive
		s.kill()                           // while the request is under way
		w.CloseWithError(io.ErrUnexpectedEOF)
		if err := <-ended; err == nil {
			t.Fatal("a request was answered by a killed server")
		}
		s.start()
		before := offset
		a, _ := s.want(http.StatusNoContent, "GET", at, nil)
		if _, err := fmt.Sscan(a.Header.Get("Upload-Offset"), &offset); err != nil || offset < before {
			t.Fatalf("the offset went from %d to %d: %v", before, offset, err)
		}
		t.Logf("%d of %d bytes are kept", offset, len(content))
	}
	if offset == 0 {
		t.Error("nothing was kept")
	}
	digest := schema.DigestOf(content)
	s.want(http.StatusCreated, "PUT", at+"?digest="+digest.String(), bytes.NewReader(content[offset:]),
		"Content-Range", fmt.Sprintf("%d-%d", offset, len(content)-1))
	if _, text := s.want(http.StatusOK, "GET", "/v2/mnist/blobs/"+digest.String(), nil); schema.DigestOf([]byte(text)) != digest {
		t.Error("another blob came back")
	}
	if r := report[schema.FsckReport](d, schema.KindFsckReport, exitDone, "fsck"); r.Checked != 1 {
		t.Errorf("%+v", r)
	}
}

// A full disk is told as such; nothing is damaged, and what was there is served on. Where no small disk can be mounted, the tests
// of the registry's errors stand in.
func TestServerFullDisk(t *testing.T) {
	d := newDesk(t)
	small := d.path("small")
	if err := os.Mkdir(small, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := mountSmallDisk(small); err != nil {
		t.Logf("no small disk can be mounted here: %v", err)
		return
	}
	t.Cleanup(func() { unmount(small) })
	store := filepath.Join(small, "zoo")
	s := d.newServer(store)
	t.Cleanup(s.kill)
	little := schema.DigestOf([]byte("little"))
	s.want(http.StatusCreated, "POST", "/v2/mnist/blobs/uploads/?digest="+little.String(), strings.NewReader("little"))
	large := bytes.Repeat([]byte("x"), 500_000)
	a, _ := s.want(http.StatusAccepted, "POST", "/v2/mnist/blobs/uploads/", nil)
	at := a.Header.Get("Location")
	if _, text := s.want(http.StatusInsufficientStorage, "PATCH", at, bytes.NewReader(large)); !strings.Contains(text, "the server's disk is full") {
		t.Errorf("%s", text)
	}
	if _, text := s.want(http.StatusInsufficientStorage, "POST", "/v2/mnist/blobs/uploads/?digest="+schema.DigestOf(large).String(), bytes.NewReader(large)); !strings.Contains(text, "UNAVAILABLE") {
		t.Errorf("%s", text)
	}
	s.want(http.StatusNotFound, "HEAD", "/v2/mnist/blobs/"+schema.DigestOf(large).String(), nil)
	s.want(http.StatusOK, "GET", "/v2/mnist/blobs/"+little.String(), nil)
	s.want(http.StatusNoContent, "DELETE", at, nil)
	s.want(http.StatusCreated, "POST", "/v2/mnist/blobs/uploads/?digest="+schema.DigestOf([]byte("more")).String(), strings.NewReader("more"))
	if o := d.run("--store", store, "fsck"); o.code != exitDone {
		t.Errorf("fsck: %+v", o)
	}
}

// login puts a token where Docker's tools keep theirs.
func (d *desk) login(host, secret string) {
	d.Helper()
	if err := os.MkdirAll(d.path("docker"), 0o700); err != nil {
		d.Fatal(err)
	}
	d.write("docker/config.json", fmt.Sprintf(`{"auths":{%q:{"username":"ada","password":%q}}}`, host, secret))
}

// What somebody publishes to the server over the network is on its site at once.
func TestPublishToServer(t *testing.T) {
	d := withData(t)
	d.Setenv("DOCKER_CONFIG", d.path("docker"))
	s := d.newServer(d.path("served"))
	d.login(strings.TrimPrefix(s.url, "http://"), s.secret)
	dir, _ := d.trained("closure")
	d.done("copy", "glyphs:1.0.0", "--to", s.url)
	if o := d.run("--store", s.url, "publish", dir); o.code != exitDone {
		t.Fatalf("%+v", o)
	}
	a, text := s.want(http.StatusOK, "GET", "/api/v1/closure?ref=small:1.0.0", nil)
	if !strings.Contains(text, `"title":"Small"`) {
		t.Errorf("%s %s", a.Status, text)
	}
	if o := d.run("--store", s.url, "pull", "small:1.0.0", "-o", d.path("back")); o.code != exitDone {
		t.Fatalf("%+v", o)
	}
	if d.read("back/closure.json") != d.read("closure/closure.json") {
		t.Error("another closure came back")
	}
}

// The tools of others work on the server as on any registry, with nothing but its address and a token.
func TestServerWithOtherTools(t *testing.T) {
	d := withData(t)
	t.Setenv("DOCKER_CONFIG", d.path("docker"))
	published := d.published()
	s := d.newServer(d.storePath())
	host := strings.TrimPrefix(s.url, "http://")
	reference := host + "/small:1.0.0"
	d.write("note.txt", "a note")
	d.write("other.txt", "another note")
	oras, crane := ocitest.Tool(t, ocitest.Oras), ocitest.Tool(t, ocitest.Crane)
	t.Chdir(d.dir)

	t.Run("oras", func(t *testing.T) {
		dir := t.TempDir()
		tool(t, oras, "pull", "--plain-http", reference, "-o", dir) // as anybody
		if diff := cmp.Diff(files(t, d.path("closure")), files(t, dir)); diff != "" {
			t.Errorf("oras pull (-want +got):\n%s", diff)
		}
		if out, err := exec.Command(oras, "push", "--plain-http", host+"/ada/notes:1.0.0", "note.txt").CombinedOutput(); err == nil || !strings.Contains(string(out), "reprise token create") {
			t.Errorf("oras push without a token: %v\n%s", err, out)
		}
		tool(t, oras, "login", "--plain-http", host, "--username", "ada", "--password", s.secret)
		tool(t, oras, "push", "--plain-http", host+"/ada/notes:1.0.0", "note.txt")
		if out, err := exec.Command(oras, "push", "--plain-http", host+"/ada/notes:1.0.0", "other.txt").CombinedOutput(); err == nil || !strings.Contains(string(out), "publish under a new version") {
			t.Errorf("oras push over a version: %v\n%s", err, out)
		}
		tool(t, oras, "attach", "--plain-http", "--artifact-type", "application/x-note", reference, "note.txt")
		if seen := tool(t, oras, "discover", "--plain-http", "--format", "json", reference); !strings.Contains(seen, "application/x-note") {
			t.Errorf("oras discover: %s", seen)
		}
		tool(t, oras, "copy", "--recursive", "--from-plain-http", "--to-plain-http", reference, host+"/ada/small:1.0.0")
		if tags := tool(t, oras, "repo", "tags", "--plain-http", host+"/ada/small"); tags != "1.0.0\n" {
			t.Errorf("oras repo tags: %q", tags)
		}
		tool(t, oras, "manifest", "delete", "--force", "--plain-http", pushed(t, oras, host+"/ada/draft:x"))
	})
	t.Run("crane", func(t *testing.T) {
		tool(t, crane, "auth", "login", host, "--username", "ada", "--password", s.secret)
		if got := strings.TrimSpace(tool(t, crane, "digest", reference)); got != published.Digest.String() {
			t.Errorf("crane digest: %s, want %s", got, published.Digest)
		}
		tool(t, crane, "validate", "--remote", reference)
		tool(t, crane, "copy", reference, host+"/mirror/small:1.0.0")
		image := archive(t, d.path("layer.tar"))
		tool(t, crane, "append", "--new_layer", image, "--new_tag", host+"/images/one:v1.0.0")
		tool(t, crane, "validate", "--remote", host+"/images/one:v1.0.0")
		tool(t, crane, "tag", host+"/images/one:v1.0.0", "latest")
		if tags := tool(t, crane, "ls", host+"/images/one"); tags != "latest\nv1.0.0\n" {
			t.Errorf("crane ls: %q", tags)
		}
		if names := tool(t, crane, "catalog", host); !strings.Contains(names, "images/one\nmirror/small\nsmall\n") {
			t.Errorf("crane catalog: %q", names)
		}
		tool(t, crane, "delete", host+"/images/one:latest")
	})
	for _, name := range []string{"small", "mirror/small"} {
		d.done("verify", name)
	}
	d.done("fsck")
}

// pushed pushes a draft and returns its reference.
func pushed(t *testing.T, oras, reference string) string {
	t.Helper()
	tool(t, oras, "push", "--plain-http", reference, "other.txt")
	return reference
}

// archive writes a tar archive, as layers of images are.
func archive(t *testing.T, file string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "a", Mode: 0o644, Size: 1}), func() error { _, err := w.Write([]byte("a")); return err }(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// cosignVariable names cosign, which takes ten minutes to build.
const cosignVariable = "REPRISE_COSIGN"

// TestServerWithCosign signs and attests a closure, in both ways in which signatures are kept (make test-all).
func TestServerWithCosign(t *testing.T) {
	cosign := os.Getenv(cosignVariable)
	if cosign == "" {
		t.Skip("make test-all builds cosign and runs this")
	}
	d := withData(t)
	t.Setenv("DOCKER_CONFIG", d.path("docker"))
	t.Setenv("COSIGN_PASSWORD", "")
	t.Setenv("COSIGN_EXPERIMENTAL", "1")
	published := d.published()
	s := d.newServer(d.storePath())
	host := strings.TrimPrefix(s.url, "http://")
	d.login(host, s.secret)
	d.write("predicate.json", `{"verdict":"reproduced"}`)
	t.Chdir(d.dir)
	const kind = "https://example.org/verification/v1"
	reference := host + "/small@" + published.Digest.String()
	tool(t, cosign, "generate-key-pair")
	tool(t, cosign, "sign", "--key", "cosign.key", "--tlog-upload=false", "--allow-http-registry", "-y", reference)
	tool(t, cosign, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true", "--allow-http-registry", reference)
	tool(t, cosign, "sign", "--registry-referrers-mode=oci-1-1", "--key", "cosign.key", "--tlog-upload=false", "--allow-http-registry", "-y", reference)
	tool(t, cosign, "verify", "--experimental-oci11", "--key", "cosign.pub", "--insecure-ignore-tlog=true", "--allow-http-registry", reference)
	tool(t, cosign, "attest", "--key", "cosign.key", "--type", kind, "--predicate", "predicate.json", "--tlog-upload=false", "--allow-http-registry", "-y", reference)
	tool(t, cosign, "verify-attestation", "--key", "cosign.pub", "--type", kind, "--insecure-ignore-tlog=true", "--allow-http-registry", reference)

	// Signed records are cosign's attestations, in both directions.
	r := report[schema.VerifyReport](d, schema.KindVerifyReport, exitDone, "verify", "small", "--sign", "cosign.key")
	record := []string{"--type", schema.PredicateTypeVerification, "--new-bundle-format", "--allow-http-registry", reference}
	d.write("root.json", `{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`) // it would be fetched, though a key needs none
	tool(t, cosign, append([]string{"verify-attestation", "--key", "cosign.pub", "--trusted-root", "root.json", "--insecure-ignore-tlog=true"}, record...)...)
	d.write("record.json", `{"mode":"verify","verdict":"reproduced","created":"2026-01-02T03:04:05Z","claims":[],"runtime":{"browser":"cosign","os":"Linux","workers":1}}`)
	tool(t, cosign, append([]string{"attest", "--key", "cosign.key", "--predicate", "record.json", "--tlog-upload=false", "-y"}, record...)...)
	trusting := d.serving("--tokens", d.path("tokens"), "--spool", d.path("spool"), "--trust", "cosign.pub")
	answer, err := http.Get(trusting + "api/v1/closure?ref=small")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var about api.ClosureAnswer
	if err := json.NewDecoder(answer.Body).Decode(&about); err != nil {
		t.Fatal(err)
	}
	if len(about.Verifications) != 2 || about.Verified.Signed != 1 {
		t.Fatalf("%+v %+v", about.Verified, about.Verifications)
	}
	for _, v := range about.Verifications {
		if v.Kind != api.Signed || v.By != "cosign" || (v.Digest == r.Record) != (v.Runtime.Browser != "cosign") {
			t.Errorf("%+v", v)
		}
	}
	d.done("fsck")
}

// suiteVariable names a program: the conformance suite of the distribution specification, as built from its sources.
const suiteVariable = "REPRISE_OCI_SUITE"

// TestDistributionSuite runs the specification's own suite (make test-distribution SUITE=program): all four workflows of release 1.1, or
// the one program that came after it, which reads other variables. Blobs have one algorithm here, so sha512 is left out.
func TestDistributionSuite(t *testing.T) {
	suite := os.Getenv(suiteVariable)
	if suite == "" {
		t.Skip("make test-distribution SUITE=PROGRAM runs the distribution specification's own suite; the tests of api/registry check the same")
	}
	d := newDesk(t)
	s := d.newServer(d.storePath())
	c := exec.CommandContext(t.Context(), suite)
	c.Dir = d.dir
	c.Env = append(os.Environ(), "OCI_USERNAME=ada", "OCI_PASSWORD="+s.secret,
		"OCI_ROOT_URL="+s.url, "OCI_NAMESPACE=ada/conformance", "OCI_CROSSMOUNT_NAMESPACE=ada/other", "OCI_AUTOMATIC_CROSSMOUNT=1",
		"OCI_TEST_PULL=1", "OCI_TEST_PUSH=1", "OCI_TEST_CONTENT_DISCOVERY=1", "OCI_TEST_CONTENT_MANAGEMENT=1", "OCI_HIDE_SKIPPED_WORKFLOWS=0", "OCI_REPORT_DIR=none",
		"OCI_REGISTRY="+strings.TrimPrefix(s.url, "http://"), "OCI_TLS=disabled", "OCI_REPO1=ada/one", "OCI_REPO2=ada/two", "OCI_RESULTS_DIR="+d.dir,
		"OCI_API_BLOBS_UPLOAD_CANCEL=true", "OCI_API_BLOBS_DIGEST_HEADER=true", "OCI_API_MANIFESTS_DIGEST_HEADER=true", "OCI_DATA_SHA512=false")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out[max(0, len(out)-3000):])
}
