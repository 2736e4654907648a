// identity.go: the place where every client library looks for its pod's identity. Each process of a pod sees its
// own pod's there, by a mount namespace. Linux gives those to threads: whoever starts a process gives up its thread.
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

const identityPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// mayMount is nil if showIdentity works here: as root, outside containers that forbid mounting. It leaves the
// empty identityPath behind, for something must be there to mount on.
func mayMount(dir string) error {
	if err := os.MkdirAll(identityPath, 0o755); err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- showIdentity(dir) }()
	return <-failed
}

// showIdentity mounts dir on identityPath for this goroutine and the processes it starts. The goroutine must
// end after them, and do nothing else: its thread is never given back.
func showIdentity(dir string) error {
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	if err := syscall.Mount(dir, identityPath, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", identityPath, err)
	}
	return nil
}
