// Command farlink runs a command as if it were far away: in a network namespace of its own, whose only way out is a link of limited
// speed, with a delay, that can be cut.
//
//	farlink [-rate MBIT] [-delay D] [-cut AFTER+FOR]… [-net A.B.C.D] COMMAND ARGUMENT…
//
// The command reaches the machine at the address in its environment variable FARLINK_GATEWAY, A.B.C.D+1, where the server must listen
// (or on all addresses); its own is A.B.C.D+2. Programs that run at the same time need networks of their own. SIGUSR1 cuts the link for
// ten seconds. The exit code is the command's; 125 where farlink itself failed.
//
// Packets pass through this program, from one TUN device to another: kernels for containers often have no netem. It needs Linux
// and root.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"
)

// cut is a time without a link, from the start of the command.
type cut struct{ after, length time.Duration }

// cuts are the values of the flag -cut.
type cuts []cut

// String implements flag.Value.
func (c *cuts) String() string { return "" }

// Set implements flag.Value.
func (c *cuts) Set(s string) error {
	after, length, ok := strings.Cut(s, "+")
	if !ok {
		return errors.New("it must be AFTER+FOR, as in 20s+10s")
	}
	a, err := time.ParseDuration(after)
	if err != nil {
		return err
	}
	l, err := time.ParseDuration(length)
	if err != nil {
		return err
	}
	*c = append(*c, cut{a, l})
	return nil
}

// options of a link.
type options struct {
	rate    float64       // bits per second
	delay   time.Duration // one way
	cuts    cuts
	gateway netip.Addr // this end's
	inside  netip.Addr // the command's
	command []string
}

// gateway is the environment variable with the machine's address.
const gateway = "FARLINK_GATEWAY"

// failed is the exit code of farlink's own failures, as of other commands that run commands.
const failed = 125

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err == nil {
		err = run(o)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() >= 0 {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "farlink:", err)
		os.Exit(failed)
	}
}

func parse(arguments []string) (options, error) {
	var o options
	f := flag.NewFlagSet("farlink", flag.ContinueOnError)
	rate := f.Float64("rate", 20, "megabits per second, each way")
	f.DurationVar(&o.delay, "delay", 20*time.Millisecond, "one-way delay: a round trip takes twice as long")
	f.Var(&o.cuts, "cut", "AFTER+FOR: cut the link so long after the start, for so long; may be repeated")
	network := f.String("net", "10.99.0.0", "first of the four addresses of the link")
	if err := f.Parse(arguments); err != nil {
		return o, err
	}
	base, err := netip.ParseAddr(*network)
	switch {
	case err != nil:
		return o, err
	case !base.Is4() || base.As4()[3]%4 != 0:
		return o, fmt.Errorf("-net %s: an IPv4 address that is a multiple of four is needed", base)
	case *rate <= 0:
		return o, fmt.Errorf("-rate %v: a link needs some speed", *rate)
	case f.NArg() == 0:
		return o, errors.New("a command is missing: farlink [FLAG…] COMMAND ARGUMENT…")
	}
	o.rate, o.gateway, o.command = *rate*1e6, base.Next(), f.Args()
	o.inside = o.gateway.Next()
	return o, nil
}
