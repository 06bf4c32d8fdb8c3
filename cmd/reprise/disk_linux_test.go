package main

import "syscall"

// mountSmallDisk mounts a disk of 64 kB, where that is permitted.
func mountSmallDisk(dir string) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k")
}

func unmount(dir string) { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }
