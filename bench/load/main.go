// load: a closed-loop HTTP load generator which also reads the CPU time of the processes under test.
// HTTP/1.1 goes over raw sockets, so that the generator costs little on a two-core machine: one
// goroutine and one connection per worker. With -h2 the workers are streams of -h2conns connections.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type heads []string

func (h *heads) String() string     { return strings.Join(*h, ",") }
func (h *heads) Set(s string) error { *h = append(*h, s); return nil }

// utime+stime of a process with all its threads, in microseconds (10 ms grain).
func cpu(pid string) int64 {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))
	u, _ := strconv.ParseInt(f[11], 10, 64)
	s, _ := strconv.ParseInt(f[12], 10, 64)
	return (u + s) * 10000
}

func cpus(pids []string) (t int64) {
	for _, p := range pids {
		t += cpu(p)
	}
	return
}

func rss(pids []string) (kb int64) {
	for _, p := range pids {
		b, _ := os.ReadFile("/proc/" + p + "/status")
		for l := range strings.Lines(string(b)) {
			if strings.HasPrefix(l, "VmRSS:") {
				v, _ := strconv.ParseInt(strings.Fields(l)[1], 10, 64)
				kb += v
			}
		}
	}
	return
}

type conn struct {
	net.Conn
	r *bufio.Reader
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(1)
}

func dial(address string, secure bool, cfg *tls.Config) (*conn, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	if secure {
		t := tls.Client(c, cfg)
		if err := t.Handshake(); err != nil {
			c.Close()
			return nil, err
		}
		return &conn{t, bufio.NewReaderSize(t, 32<<10)}, nil
	}
	return &conn{c, bufio.NewReaderSize(c, 32<<10)}, nil
}

// Reads one response, returns status, body bytes and whether the connection closes.
func (c *conn) read(buf []byte) (status int, n int64, closing bool, err error) {
	length, chunked := int64(-1), false
	for i := 0; ; i++ {
		l, e := c.r.ReadSlice('\n')
		if e != nil {
			return 0, 0, true, e
		}
		if i == 0 {
			if len(l) < 12 {
				return 0, 0, true, fmt.Errorf("short status line")
			}
			status, _ = strconv.Atoi(string(l[9:12]))
			continue
		}
		l = bytes.TrimRight(l, "\r\n")
		if len(l) == 0 {
			break
		}
		k, v, _ := bytes.Cut(l, []byte(":"))
		v = bytes.TrimSpace(v)
		switch {
		case bytes.EqualFold(k, []byte("content-length")):
			length, _ = strconv.ParseInt(string(v), 10, 64)
		case bytes.EqualFold(k, []byte("transfer-encoding")):
			chunked = true
		case bytes.EqualFold(k, []byte("connection")):
			closing = bytes.EqualFold(v, []byte("close"))
		}
	}
	drop := func(want int64) error {
		for want > 0 {
			m := int64(len(buf))
			if m > want {
				m = want
			}
			k, e := c.r.Read(buf[:m])
			n += int64(k)
			want -= int64(k)
			if e != nil {
				return e
			}
		}
		return nil
	}
	switch {
	case status == 204 || status == 304:
	case chunked:
		for {
			l, e := c.r.ReadSlice('\n')
			if e != nil {
				return status, n, true, e
			}
			sz, e := strconv.ParseInt(string(bytes.TrimRight(l, "\r\n")), 16, 64)
			if e != nil {
				return status, n, true, e
			}
			if err = drop(sz); err != nil {
				return
			}
			n -= 0
			c.r.Discard(2)
			if sz == 0 {
				return
			}
		}
	case length >= 0:
		err = drop(length)
	default:
		var k int64
		k, err = io.Copy(io.Discard, c.r)
		n += k
		closing = true
	}
	return
}

// h2Client has one connection: requests beyond it wait for streams.
func h2Client(address string, cfg *tls.Config) *http.Client {
	own := cfg.Clone()
	own.NextProtos = []string{"h2"}
	protocols := new(http.Protocols)
	protocols.SetHTTP2(true)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: own, Protocols: protocols, DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
		}}}
}

func runH2(client *http.Client, u *url.URL, method string, hs heads, body, buf []byte, stop *atomic.Bool, done func(int, int64, time.Duration, error)) {
	for !stop.Load() {
		begun := time.Now()
		request, err := http.NewRequest(method, u.String(), bytes.NewReader(body))
		if err != nil {
			fatal(err)
		}
		for _, h := range hs {
			name, value, _ := strings.Cut(h, ":")
			request.Header.Set(name, strings.TrimSpace(value))
		}
		response, err := client.Do(request)
		if err != nil {
			done(0, 0, 0, err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, buf)
		response.Body.Close()
		done(response.StatusCode, n, time.Since(begun), err)
	}
}

func main() {
	var hs heads
	target := flag.String("url", "", "URL")
	conns := flag.Int("c", 1, "connections")
	dur := flag.Duration("d", 5*time.Second, "measured time")
	warm := flag.Duration("warm", 1*time.Second, "warm-up time")
	method := flag.String("m", "GET", "method")
	bodyf := flag.String("body", "", "file with the body; {{n}} becomes a counter")
	pids := flag.String("pids", "", "processes under test, comma separated")
	label := flag.String("label", "", "label")
	modulo := flag.Int64("n", 100000, "{{n}}, eight digits, counts to this and begins again")
	rate := flag.Float64("rate", 0, "requests a second that are begun, of all connections together; 0: as fast as answers come")
	fresh := flag.Bool("fresh", false, "new connection for each request")
	hold := flag.Bool("hold", false, "open -c idle watches, wait -d, report RSS and fds")
	certFile := flag.String("cert", "", "client certificate, PEM")
	keyFile := flag.String("key", "", "its key, PEM")
	sni := flag.String("sni", "", "server name sent in the ClientHello")
	h2 := flag.Bool("h2", false, "HTTP/2: the workers share -h2conns connections")
	h2conns := flag.Int("h2conns", 1, "connections with -h2")
	exec := flag.String("exec", "", "execs instead of requests: hold, open, type (keystrokes) or flood (reads output)")
	dialTo := flag.String("dial", "", "host:port to connect to instead of the URL's")
	flag.Var(&hs, "H", "header")
	flag.Parse()
	u, err := url.Parse(*target)
	if err != nil {
		fatal(err)
	}
	var body []byte
	if *bodyf != "" {
		body, err = os.ReadFile(*bodyf)
		if err != nil {
			fatal(err)
		}
	}
	var pl []string
	if *pids != "" {
		pl = strings.Split(*pids, ",")
	}
	cfg := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}, ServerName: *sni}
	if *certFile != "" {
		pair, err := tls.LoadX509KeyPair(*certFile, *keyFile)
		if err != nil {
			fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	address := u.Host
	if *dialTo != "" {
		address = *dialTo
	}
	if *exec != "" {
		open := func() (*conn, error) {
			c, err := dial(address, u.Scheme == "https", cfg)
			if err == nil {
				err = c.openExec(u.RequestURI(), u.Host, hs)
			}
			return c, err
		}
		(&execLoad{open: open, conns: *conns, warm: *warm, dur: *dur, pids: pl, label: *label}).run(*exec)
		return
	}
	var ctr atomic.Int64
	build := func() []byte {
		var b bytes.Buffer
		path := u.RequestURI()
		bd := body
		if bytes.Contains(body, []byte("{{n}}")) || strings.Contains(path, "%7B%7Bn%7D%7D") {
			n := fmt.Sprintf("%08d", ctr.Add(1)%*modulo)
			bd = bytes.ReplaceAll(body, []byte("{{n}}"), []byte(n))
			path = strings.ReplaceAll(path, "%7B%7Bn%7D%7D", n)
		}
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\nAccept: application/json\r\n", *method, path, u.Host)
		for _, h := range hs {
			b.WriteString(h + "\r\n")
		}
		if len(bd) > 0 {
			fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(bd))
		}
		b.WriteString("\r\n")
		b.Write(bd)
		return b.Bytes()
	}
	fixed := build()
	dynamic := bytes.Contains(body, []byte("{{n}}")) || strings.Contains(u.RequestURI(), "%7B%7Bn%7D%7D")

	if *hold {
		r0 := rss(pl)
		var cs []*conn
		t0 := time.Now()
		for i := 0; i < *conns; i++ {
			c, err := dial(address, u.Scheme == "https", cfg)
			if err == nil {
				_, err = c.Write(fixed)
			}
			if err == nil {
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				var l []byte
				if l, err = c.r.ReadSlice('\n'); err == nil && !bytes.Contains(l, []byte(" 200")) {
					err = fmt.Errorf("%q", l)
				}
			}
			if err != nil {
				fmt.Fprintf(os.Stderr, "watch %d: %v\n", i, err)
				break
			}
			cs = append(cs, c)
		}
		el := time.Since(t0)
		c0 := cpus(pl)
		time.Sleep(*dur)
		fds := 0
		for _, p := range pl {
			d, _ := os.ReadDir("/proc/" + p + "/fd")
			fds += len(d)
		}
		o, _ := json.Marshal(map[string]any{"label": *label, "watches": len(cs), "open_s": el.Seconds(),
			"rss_before_kib": r0, "rss_kib": rss(pl), "fds": fds, "idle_cpu_us": cpus(pl) - c0})
		fmt.Println(string(o))
		return
	}

	var lat [][]int64 = make([][]int64, *conns)
	var bytesIn, errs, non2xx, total atomic.Int64
	var measuring atomic.Bool
	var stop atomic.Bool
	var wg sync.WaitGroup
	var lastStatus atomic.Int64
	var clients []*http.Client
	for range *h2conns {
		clients = append(clients, h2Client(address, cfg))
	}
	for w := 0; w < *conns; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			buf := make([]byte, 64<<10)
			var c *conn
			if *h2 {
				runH2(clients[w%len(clients)], u, *method, hs, body, buf, &stop, func(status int, n int64, took time.Duration, err error) {
					if err != nil {
						errs.Add(1)
						return
					}
					if status < 200 || status > 299 {
						non2xx.Add(1)
						lastStatus.Store(int64(status))
					}
					if measuring.Load() && !stop.Load() {
						lat[w] = append(lat[w], took.Microseconds())
						bytesIn.Add(n)
					}
				})
				return
			}
			begun := time.Now()
			for i := 0; !stop.Load(); i++ {
				if *rate > 0 {
					time.Sleep(time.Until(begun.Add(time.Duration(float64(i**conns+w) / *rate * float64(time.Second)))))
				}
				req := fixed
				if dynamic {
					req = build()
				}
				t0 := time.Now()
				if c == nil {
					var err error
					if c, err = dial(address, u.Scheme == "https", cfg); err != nil {
						errs.Add(1)
						time.Sleep(10 * time.Millisecond)
						continue
					}
				}
				_, err := c.Write(req)
				var st int
				var n int64
				var closing bool
				if err == nil {
					st, n, closing, err = c.read(buf)
				}
				if err != nil {
					errs.Add(1)
					c.Close()
					c = nil
					continue
				}
				total.Add(1)
				if st < 200 || st > 299 {
					non2xx.Add(1)
					lastStatus.Store(int64(st))
				}
				if measuring.Load() && !stop.Load() {
					lat[w] = append(lat[w], time.Since(t0).Microseconds())
					bytesIn.Add(n)
				}
				if closing || *fresh {
					c.Close()
					c = nil
				}
			}
		}()
	}
	time.Sleep(*warm)
	errs.Store(0)
	non2xx.Store(0)
	c0 := cpus(pl)
	self0 := cpu("self")
	t0 := time.Now()
	measuring.Store(true)
	time.Sleep(*dur)
	stop.Store(true)
	el := time.Since(t0)
	c1 := cpus(pl)
	self1 := cpu("self")
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
	}
	var all []int64
	for _, l := range lat {
		all = append(all, l...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	q := func(p float64) int64 {
		if len(all) == 0 {
			return -1
		}
		return all[int(p*float64(len(all)-1))]
	}
	n := float64(max(len(all), 1))
	o, _ := json.Marshal(map[string]any{"label": *label, "c": *conns, "n": len(all), "total": total.Load(), "rps": int(float64(len(all)) / el.Seconds()),
		"p50_us": q(.5), "p99_us": q(.99), "max_us": q(1), "cpu_us_req": math.Round(float64(c1-c0)/n*10) / 10, "load_us_req": int(float64(self1-self0) / n),
		"cores": float64(int(float64(c1-c0)/float64(el.Microseconds())*100)) / 100,
		"mb_s":  int(float64(bytesIn.Load()) / el.Seconds() / 1e6), "err": errs.Load(), "non2xx": non2xx.Load(), "last": lastStatus.Load(), "rss_kib": rss(pl)})
	fmt.Println(string(o))
}
