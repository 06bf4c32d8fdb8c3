package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// The test binary is three programs: the tests; farlink itself; and, with the address of an echo, what farlink runs.
const (
	asFarlink = "FARLINK_TEST_MAIN"
	asCommand = "FARLINK_TEST_PORT"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(gateway) != "" && os.Getenv(asCommand) != "":
		measured, err := measure(os.Getenv(gateway) + ":" + os.Getenv(asCommand))
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(measured)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case os.Getenv(asFarlink) != "":
		main()
	default:
		os.Exit(m.Run())
	}
}

// measurement is what the command sees of the link.
type measurement struct {
	RoundTrip time.Duration // the quickest of some
	Transfer  time.Duration // of transferred bytes, there and back
	Gap       time.Duration // the longest time without an answer
}

const transferred = 500_000

func measure(address string) (m measurement, err error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return m, err
	}
	defer c.Close()
	heard := time.Now()
	receive := func(missing int) error {
		for buffer := make([]byte, 4096); missing > 0; {
			n, err := c.Read(buffer)
			if err != nil {
				return err
			}
			missing -= n
			m.Gap = max(m.Gap, time.Since(heard))
			heard = time.Now()
		}
		return nil
	}
	trip := func() (time.Duration, error) {
		began := time.Now()
		if _, err := c.Write([]byte{1}); err != nil {
			return 0, err
		}
		err := receive(1)
		return time.Since(began), err
	}
	m.RoundTrip = time.Hour
	for range 3 {
		t, err := trip()
		if err != nil {
			return m, err
		}
		m.RoundTrip = min(m.RoundTrip, t)
	}
	began := time.Now()
	go c.Write(make([]byte, transferred))
	if err := receive(transferred); err != nil {
		return m, err
	}
	m.Transfer = time.Since(began)
	// Until the link has been cut, if it was not before. Without a cut this never ends.
	for m.Gap < time.Second {
		if _, err := trip(); err != nil {
			return m, err
		}
	}
	return m, nil
}

func farlink(t *testing.T, environment []string, arguments ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], arguments...)
	c.Env = append(append(os.Environ(), asFarlink+"=1"), environment...)
	out, err := c.CombinedOutput()
	return string(out), err
}

// TestLink holds a link to what cannot be quicker than it is, however busy the machine.
func TestLink(t *testing.T) {
	if _, err := os.Stat("/dev/net/tun"); os.Geteuid() != 0 || err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("this test needs root and /dev/net/tun")
		}
		t.Skip("it needs root and /dev/net/tun")
	}
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	out, err := farlink(t, []string{asCommand + "=" + port},
		"-rate", "10", "-delay", "25ms", "-cut", "2500ms+1500ms", "-net", "10.99.255.0", os.Args[0])
	if err != nil {
		t.Fatal(err, out)
	}
	var m measurement
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		t.Fatal(err, out)
	}
	if m.RoundTrip < 50*time.Millisecond {
		t.Errorf("a round trip took %v", m.RoundTrip)
	}
	if quickest := 8 * transferred * time.Second / 10_000_000; m.Transfer < quickest {
		t.Errorf("%d bytes took %v, less than %v", transferred, m.Transfer, quickest)
	}
	if m.Gap < 1400*time.Millisecond {
		t.Errorf("the cut of 1.5 s was seen as one of %v", m.Gap)
	}
}

func TestFailures(t *testing.T) {
	for _, c := range []struct {
		arguments []string
		want      string
		code      int
	}{
		{nil, "a command is missing", failed},
		{[]string{"-rate", "0", "true"}, "needs some speed", failed},
		{[]string{"-net", "10.0.0.1", "true"}, "multiple of four", failed},
		{[]string{"-net", "fd00::", "true"}, "multiple of four", failed},
		{[]string{"-cut", "5s", "true"}, "AFTER+FOR", failed},
	} {
		out, err := farlink(t, nil, c.arguments...)
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.ExitCode() != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%q: %v, %s", c.arguments, err, out)
		}
	}
	if os.Geteuid() == 0 {
		for code, command := range map[int]string{0: "true", 3: "exit 3", failed: "exit 125"} {
			_, err := farlink(t, nil, "-net", "10.99.254.0", "sh", "-c", command)
			exit, _ := errors.AsType[*exec.ExitError](err)
			if (err == nil) != (code == 0) || err != nil && exit.ExitCode() != code {
				t.Errorf("%s: %v, want %d", command, err, code)
			}
		}
		if out, err := farlink(t, nil, "-net", "10.99.254.0", "no-such-command"); err == nil || !strings.Contains(out, "no-such-command") {
			t.Errorf("%v, %s", err, out)
		}
	}
}
