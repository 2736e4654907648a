package main

// What the benches of sessions need beside plain requests: exec over WebSockets (v5.channel.k8s.io and v4),
// as much discovery as `kubectl get ns` reads, and who the last request acted as.

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

const floodFrame = 32 << 10

var execs, impersonated atomic.Int64

// One frame of the client's: its payload is appended to buf[:0].
func readFrame(r *bufio.Reader, buf []byte) (opcode byte, payload []byte, err error) {
	var head [14]byte
	if _, err = io.ReadFull(r, head[:2]); err != nil {
		return
	}
	length := int(head[1] & 127)
	switch length {
	case 126:
		if _, err = io.ReadFull(r, head[2:4]); err != nil {
			return
		}
		length = int(binary.BigEndian.Uint16(head[2:]))
	case 127:
		if _, err = io.ReadFull(r, head[2:10]); err != nil {
			return
		}
		length = int(binary.BigEndian.Uint64(head[2:]))
	}
	var mask [4]byte
	if head[1]&128 != 0 {
		if _, err = io.ReadFull(r, mask[:]); err != nil {
			return
		}
	}
	if length > 1<<20 {
		return 0, nil, io.ErrShortBuffer
	}
	if cap(buf) < length {
		buf = make([]byte, length)
	}
	payload = buf[:length]
	if _, err = io.ReadFull(r, payload); err != nil {
		return
	}
	for i := range payload {
		payload[i] ^= mask[i&3]
	}
	return head[0] & 15, payload, nil
}

func frame(opcode byte, payload []byte) []byte {
	head := []byte{128 | opcode}
	switch {
	case len(payload) < 126:
		head = append(head, byte(len(payload)))
	case len(payload) < 1<<16:
		head = append(head, 126, byte(len(payload)>>8), byte(len(payload)))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(len(payload)))
	}
	return append(head, payload...)
}

// Says back on standard output what comes on standard input; with ?flood it writes without end.
func serveExec(w http.ResponseWriter, r *http.Request) {
	protocol := "v4.channel.k8s.io"
	if strings.Contains(r.Header.Get("Sec-WebSocket-Protocol"), "v5.channel.k8s.io") {
		protocol = "v5.channel.k8s.io"
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	execs.Add(1)
	defer execs.Add(-1)
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\nSec-WebSocket-Protocol: "+protocol+"\r\n\r\n")
	if r.URL.Query().Has("flood") {
		flood(conn)
		return
	}
	var buf []byte
	for {
		opcode, payload, err := readFrame(rw.Reader, buf)
		buf = payload[:0]
		if err != nil {
			return
		}
		if opcode == 8 {
			conn.Write(append(frame(2, append([]byte{3}, `{"status":"Success"}`...)), frame(8, []byte{3, 232})...))
			return
		}
		if len(payload) > 1 && payload[0] == 0 {
			payload[0] = 1
			if _, err := conn.Write(frame(2, payload)); err != nil {
				return
			}
		}
	}
}

func flood(conn net.Conn) {
	payload := make([]byte, floodFrame)
	payload[0] = 1
	bytes := frame(2, payload)
	for {
		if _, err := conn.Write(bytes); err != nil {
			return
		}
	}
}

// Discovery of the core group alone, and one namespace.
func addDiscovery(mux *http.ServeMux) {
	type object = map[string]any
	answers := map[string]object{
		"/api":  {"kind": "APIVersions", "versions": []string{"v1"}, "serverAddressByClientCIDRs": []object{}},
		"/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []object{}},
		"/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []object{{"name": "namespaces", "singularName": "namespace",
			"namespaced": false, "kind": "Namespace", "shortNames": []string{"ns"}, "verbs": []string{"get", "list", "watch"}}}},
		"/api/v1/namespaces": {"kind": "NamespaceList", "apiVersion": "v1", "metadata": object{"resourceVersion": "1"}, "items": []object{{
			"metadata": object{"name": "default", "uid": "7f3c9a1e-0000-4000-8000-000000000002", "creationTimestamp": "2026-01-01T00:00:00Z"},
			"status":   object{"phase": "Active"}}}},
	}
	for path, answer := range answers {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { jsonOut(w, 200, answer) })
	}
}

// Counts who acts as somebody else.
func counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Impersonate-User") != "" {
			impersonated.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}
