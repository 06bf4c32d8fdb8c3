//go:build !linux

package main

import "errors"

func run(options) error { return errors.New("network namespaces are a thing of Linux") }
