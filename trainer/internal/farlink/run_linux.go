package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// run makes the link and runs the command behind it.
func run(o options) error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	outside, err := openTUN(o.gateway)
	if err != nil {
		return fmt.Errorf("this end of the link: %w", err)
	}
	defer outside.Close()

	// The namespace is the thread's, which therefore must not run anything else, ever: it ends with the process.
	type started struct {
		inside  *os.File
		command *exec.Cmd
		err     error
	}
	ready := make(chan started)
	go func() {
		runtime.LockOSThread()
		var s started
		defer func() { ready <- s; select {} }()
		if s.err = unix.Unshare(unix.CLONE_NEWNET); s.err != nil {
			s.err = fmt.Errorf("a network namespace: %w", s.err)
			return
		}
		if s.err = up("lo", netip.AddrFrom4([4]byte{127, 0, 0, 1}), 8); s.err != nil {
			return
		}
		if s.inside, s.err = openTUN(o.inside); s.err != nil {
			s.err = fmt.Errorf("the far end of the link: %w", s.err)
			return
		}
		s.command = exec.Command(o.command[0], o.command[1:]...)
		s.command.Env = append(os.Environ(), gateway+"="+o.gateway.String())
		s.command.Stdin, s.command.Stdout, s.command.Stderr = os.Stdin, os.Stdout, os.Stderr
		s.err = s.command.Start()
	}()
	s := <-ready
	if s.err != nil {
		return s.err
	}
	l := newLink(o.rate, o.delay)
	go l.forward(outside, s.inside)
	go l.forward(s.inside, outside)
	for _, c := range o.cuts {
		time.AfterFunc(c.after, func() { l.cut(c.length) })
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1, unix.SIGINT, unix.SIGTERM)
	go func() {
		for sig := range signals {
			if sig == unix.SIGUSR1 {
				l.cut(10 * time.Second)
			} else {
				_ = s.command.Process.Signal(sig) // it has ended, or ends
			}
		}
	}()
	return s.command.Wait()
}

// openTUN makes a device of one packet a read, in the thread's namespace.
func openTUN(address netip.Addr) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq("far%d")
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("a TUN device: %w", err)
	}
	if err := up(request.Name(), address, 30); err != nil {
		unix.Close(fd)
		return nil, err
	}
	// Non-blocking, so that closing it ends a read.
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), request.Name()), nil
}

// up gives a device an address with a prefix of so many bits, and turns it on.
func up(name string, address netip.Addr, prefix int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	mask := ^uint32(0) << (32 - prefix)
	for _, step := range []struct {
		what string
		call uint
		set  func(*unix.Ifreq) error
	}{
		{"address", unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(address.AsSlice()) }},
		{"mask", unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error {
			return r.SetInet4Addr([]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)})
		}},
		{"state", unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		request, err := unix.NewIfreq(name)
		if err == nil {
			err = step.set(request)
		}
		if err == nil {
			err = unix.IoctlIfreq(fd, step.call, request)
		}
		if err != nil {
			return fmt.Errorf("the %s of %s: %w", step.what, name, err)
		}
	}
	return nil
}
