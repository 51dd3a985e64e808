// Carries TCP from loopback of the network namespace it is started in to addresses that only another one reaches.
//
//	relay /run/netns/NAME TARGET...
//
// It prints `LISTEN TARGET` for each, LISTEN being 127.0.0.1 and a port that was free. So the host's network stays as it is, and its programs
// still reach the API server and the object store of a cluster that lives in namespaces of its own.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: relay NETNS TARGET...")
	}
	// No os.File: one that nobody names any more is closed when it is collected.
	namespace, err := unix.Open(os.Args[1], unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	for _, target := range os.Args[2:] {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(listener.Addr(), target)
		go serve(listener, namespace, target)
	}
	select {}
}

func serve(listener net.Listener, namespace int, target string) {
	for {
		near, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go carry(near.(*net.TCPConn), namespace, target)
	}
}

func carry(near *net.TCPConn, namespace int, target string) {
	defer near.Close()
	far, err := dial(namespace, target)
	if err != nil {
		// As the target would: a connection that ends at once.
		_ = near.SetLinger(0)
		return
	}
	defer far.Close()
	done := make(chan struct{})
	go func() {
		copyHalf(far, near)
		close(done)
	}()
	copyHalf(near, far)
	<-done
}

func copyHalf(to, from *net.TCPConn) {
	_, _ = io.Copy(to, from)
	_ = to.CloseWrite()
}

// dial connects from inside the namespace. A socket belongs to the namespace of the thread that makes it; the thread is never unlocked, so it
// ends with its goroutine and no other one runs on it.
func dial(namespace int, target string) (*net.TCPConn, error) {
	type result struct {
		connection net.Conn
		err        error
	}
	dialled := make(chan result)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(namespace, unix.CLONE_NEWNET); err != nil {
			dialled <- result{nil, err}
			return
		}
		connection, err := net.DialTimeout("tcp", target, 10*time.Second)
		dialled <- result{connection, err}
	}()
	got := <-dialled
	if got.err != nil {
		return nil, got.err
	}
	return got.connection.(*net.TCPConn), nil
}
