package main

// Execs as kubectl opens them (WebSockets, v5.channel.k8s.io): held open, opened and closed in a loop, typed into, or read from.

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const typingPause = 2 * time.Millisecond

// The upgrade, and the server's 101.
func (c *conn) openExec(uri, host string, hs heads) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n", uri, host)
	for _, h := range hs {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	if _, err := c.Write(b.Bytes()); err != nil {
		return err
	}
	for i := 0; ; i++ {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if i == 0 && !bytes.Contains(line, []byte(" 101")) {
			return fmt.Errorf("%q", line)
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			return nil
		}
	}
}

// A masked frame of at most 125 bytes; the mask is zero, which a server cannot tell from any other.
func (c *conn) writeFrame(opcode byte, payload ...byte) error {
	_, err := c.Write(append([]byte{128 | opcode, 128 | byte(len(payload)), 0, 0, 0, 0}, payload...))
	return err
}

// Reads one frame and drops its payload; its opcode and size.
func (c *conn) readFrame() (opcode byte, size int, err error) {
	var head [8]byte
	if _, err = io.ReadFull(c.r, head[:2]); err != nil {
		return
	}
	opcode, size = head[0]&15, int(head[1]&127)
	switch size {
	case 126:
		_, err = io.ReadFull(c.r, head[:2])
		size = int(binary.BigEndian.Uint16(head[:2]))
	case 127:
		_, err = io.ReadFull(c.r, head[:8])
		size = int(binary.BigEndian.Uint64(head[:8]))
	}
	if err == nil {
		_, err = c.r.Discard(size)
	}
	return
}

// One key, and its echo.
func (c *conn) typeKey() error {
	if err := c.writeFrame(2, 0, 'k'); err != nil {
		return err
	}
	opcode, size, err := c.readFrame()
	if err == nil && (opcode != 2 || size != 2) {
		err = fmt.Errorf("no echo: opcode %d, %d bytes", opcode, size)
	}
	return err
}

// The client's close, and all until the server's.
func (c *conn) endExec() error {
	if err := c.writeFrame(8, 3, 232); err != nil {
		return err
	}
	for {
		opcode, _, err := c.readFrame()
		if err != nil || opcode == 8 {
			return err
		}
	}
}

type execLoad struct {
	open        func() (*conn, error) // dialled and upgraded
	conns       int
	warm, dur   time.Duration
	pids        []string
	label       string
	stop        atomic.Bool
	measuring   atomic.Bool
	errs, bytes atomic.Int64
}

func (l *execLoad) fail(err error) {
	if l.errs.Add(1) == 1 {
		fmt.Fprintln(os.Stderr, "exec:", err)
	}
	time.Sleep(10 * time.Millisecond)
}

// Opens them all, types into each once, and looks at what they cost while nothing happens.
func (l *execLoad) hold() map[string]any {
	before, begun := rss(l.pids), time.Now()
	var open []*conn
	for range l.conns {
		c, err := l.open()
		if err == nil {
			err = c.typeKey()
		}
		if err != nil {
			l.fail(err)
			break
		}
		open = append(open, c)
	}
	took := time.Since(begun)
	cpu0 := cpus(l.pids)
	time.Sleep(l.dur)
	fds := 0
	for _, p := range l.pids {
		entries, _ := os.ReadDir("/proc/" + p + "/fd")
		fds += len(entries)
	}
	idle := cpus(l.pids) - cpu0
	for _, c := range open {
		if err := c.typeKey(); err != nil {
			l.fail(err)
		}
	}
	return map[string]any{"execs": len(open), "open_s": took.Seconds(), "rss_before_kib": before, "rss_kib": rss(l.pids), "fds": fds,
		"idle_cpu_us": idle, "err": l.errs.Load()}
}

// One worker: what it does until stopped; the latencies it saw.
func (l *execLoad) work(mode string) (seen []int64) {
	note := func(begun time.Time) {
		if l.measuring.Load() && !l.stop.Load() {
			seen = append(seen, time.Since(begun).Microseconds())
		}
	}
	for !l.stop.Load() {
		begun := time.Now()
		c, err := l.open()
		if err != nil {
			l.fail(err)
			continue
		}
		switch mode {
		case "open":
			if err = c.typeKey(); err == nil {
				err = c.endExec()
			}
			if err == nil {
				note(begun)
			}
		case "type":
			for err == nil && !l.stop.Load() {
				begun = time.Now()
				if err = c.typeKey(); err == nil {
					note(begun)
				}
				time.Sleep(typingPause)
			}
		case "flood":
			for err == nil && !l.stop.Load() {
				var size int
				_, size, err = c.readFrame()
				if l.measuring.Load() {
					l.bytes.Add(int64(size))
				}
			}
		}
		c.Close()
		if err != nil {
			l.fail(err)
		}
	}
	return
}

func (l *execLoad) loop(mode string) map[string]any {
	var all []int64
	var lock sync.Mutex
	var wg sync.WaitGroup
	for range l.conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			seen := l.work(mode)
			lock.Lock()
			all = append(all, seen...)
			lock.Unlock()
		}()
	}
	time.Sleep(l.warm)
	l.errs.Store(0)
	cpu0, begun := cpus(l.pids), time.Now()
	l.measuring.Store(true)
	time.Sleep(l.dur)
	l.stop.Store(true)
	took, used := time.Since(begun), cpus(l.pids)-cpu0
	wg.Wait()
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	q := func(p float64) int64 {
		if len(all) == 0 {
			return -1
		}
		return all[int(p*float64(len(all)-1))]
	}
	return map[string]any{"n": len(all), "rps": float64(len(all)) / took.Seconds(), "p50_us": q(.5), "p99_us": q(.99), "max_us": q(1),
		"cpu_us_req": float64(used) / float64(max(len(all), 1)), "mb_s": float64(l.bytes.Load()) / took.Seconds() / 1e6, "err": l.errs.Load(),
		"rss_kib": rss(l.pids)}
}

func (l *execLoad) run(mode string) {
	var result map[string]any
	if mode == "hold" {
		result = l.hold()
	} else if strings.Contains(" open type flood ", " "+mode+" ") {
		result = l.loop(mode)
	} else {
		fatal(fmt.Errorf("-exec %s: there are hold, open, type and flood", mode))
	}
	result["label"], result["c"] = l.label, l.conns
	line, _ := json.Marshal(result)
	fmt.Println(string(line))
}
