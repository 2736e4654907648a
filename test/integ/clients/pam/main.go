// SPDX-License-Identifier: Apache-2.0

// What Infisical's own command line does on the wire for `pam access`, after its source at v0.43.121 (pam-gateway.md §17), on
// Go's crypto/tls: one access call, two nested TLS layers per connection, a capabilities probe, a local proxy, a cancellation.
//
//	client access            local proxy until SIGTERM; prints one line of JSON when it is ready
//	client say ALPN          an access answer on stdin; prints what the gateway says under that protocol until its end
//	client greet ALPN        the same, but closes right after the handshake
//	client outer             the outer layer alone; prints what the relay says until its end
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

type access struct {
	SessionID                     string            `json:"sessionId"`
	AccountType                   string            `json:"accountType"`
	ResourceType                  string            `json:"resourceType"`
	Metadata                      map[string]string `json:"metadata"`
	GatewayID                     string            `json:"gatewayId"`
	RelayHost                     string            `json:"relayHost"`
	RelayClientCertificate        string            `json:"relayClientCertificate"`
	RelayClientPrivateKey         string            `json:"relayClientPrivateKey"`
	RelayServerCertificateChain   string            `json:"relayServerCertificateChain"`
	GatewayClientCertificate      string            `json:"gatewayClientCertificate"`
	GatewayClientPrivateKey       string            `json:"gatewayClientPrivateKey"`
	GatewayServerCertificateChain string            `json:"gatewayServerCertificateChain"`
}

type capabilities struct {
	GatewayName            string   `json:"gatewayName"`
	SupportedResourceTypes []string `json:"supportedResourceTypes"`
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

// ---- REST ----

func call(method, path string, body string) (int, []byte) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(must(os.ReadFile(os.Getenv("CA_FILE"))))
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: 30 * time.Second}
	request := must(http.NewRequest(method, os.Getenv("SERVER")+"/api"+path, strings.NewReader(body)))
	request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "cli")
	answer := must(client.Do(request))
	defer answer.Body.Close()
	return answer.StatusCode, must(io.ReadAll(answer.Body))
}

func ok(method, path, body string) []byte {
	status, answer := call(method, path, body)
	if status >= 400 {
		log.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

// ---- the road ----

func pool(pem string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, errors.New("no certificate in the chain")
	}
	return pool, nil
}

func (a *access) outer() (*tls.Conn, error) {
	address := a.RelayHost
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host, address = address, net.JoinHostPort(address, "8443")
	}
	roots, err := pool(a.RelayServerCertificateChain)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(a.RelayClientCertificate), []byte(a.RelayClientPrivateKey))
	if err != nil {
		return nil, err
	}
	return tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, &tls.Config{ServerName: host, RootCAs: roots,
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13})
}

// The newest client compares the gateway's name, where the certificate has one.
func (a *access) checkGateway(state tls.ConnectionState) error {
	const prefix = "urn:infisical:gateway:"
	for _, uri := range state.PeerCertificates[0].URIs {
		if id, found := strings.CutPrefix(uri.String(), prefix); found && id != a.GatewayID {
			return fmt.Errorf("reached a gateway other than %s: %s", a.GatewayID, id)
		}
	}
	return nil
}

func (a *access) inner(alpn string) (*tls.Conn, error) {
	roots, err := pool(a.GatewayServerCertificateChain)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair([]byte(a.GatewayClientCertificate), []byte(a.GatewayClientPrivateKey))
	if err != nil {
		return nil, err
	}
	outer, err := a.outer()
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	config := &tls.Config{ServerName: "localhost", RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
		MaxVersion: tls.VersionTLS13, VerifyConnection: a.checkGateway}
	if alpn != "" {
		config.NextProtos = []string{alpn}
	}
	inner := tls.Client(outer, config)
	inner.SetDeadline(time.Now().Add(20 * time.Second))
	if err := inner.Handshake(); err != nil {
		outer.Close()
		return nil, fmt.Errorf("gateway: %w", err)
	}
	inner.SetDeadline(time.Time{})
	return inner, nil
}

func (a *access) capabilities() (capabilities, error) {
	var seen capabilities
	var length uint32
	conn, err := a.inner("infisical-pam-capabilities")
	if err != nil {
		return seen, err
	}
	defer conn.Close()
	if err := binary.Read(conn, binary.BigEndian, &length); err != nil {
		return seen, err
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(conn, text); err != nil {
		return seen, err
	}
	return seen, json.Unmarshal(text, &seen)
}

func (a *access) cancel() error {
	conn, err := a.inner("infisical-pam-session-cancellation")
	if err != nil {
		return err
	}
	return conn.Close()
}

// ---- the local proxy ----

// Two handshakes for each connection; the first end on either side closes both.
func (a *access) serve(local net.Conn) {
	remote, err := a.inner("infisical-pam-proxy")
	if err != nil {
		log.Print(err)
		local.Close()
		return
	}
	var once sync.Once
	end := func() { local.Close(); remote.Close() }
	go func() { io.Copy(remote, local); once.Do(end) }()
	io.Copy(local, remote)
	once.Do(end)
}

func writeKubeconfig(path, name string, port int) {
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"clusters": []any{map[string]any{"name": name, "cluster": map[string]any{"server": fmt.Sprintf("http://127.0.0.1:%d", port)}}},
		"users":    []any{map[string]any{"name": name, "user": map[string]any{}}},
		"contexts": []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": name}}},
	}
	if err := os.WriteFile(path, must(json.Marshal(config)), 0o600); err != nil {
		log.Fatal(err)
	}
}

func runAccess() {
	var a access
	ok("GET", "/status", "")
	if err := json.Unmarshal(ok("POST", "/v1/pam/accounts/access", os.Getenv("BODY")), &a); err != nil {
		log.Fatal(err)
	}
	if a.AccountType != "kubernetes" || a.ResourceType != "kubernetes" {
		log.Fatalf("unknown account type %q", a.AccountType)
	}
	seen, err := a.capabilities()
	if err == nil && len(seen.SupportedResourceTypes) > 0 && !slices.Contains(seen.SupportedResourceTypes, "kubernetes") {
		log.Fatal("Gateway version outdated")
	}
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	context := "infisical-k8s-pam/" + a.Metadata["accountPath"]
	writeKubeconfig(os.Getenv("KUBECONFIG"), context, listener.Addr().(*net.TCPAddr).Port)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go a.serve(conn)
		}
	}()
	ready := map[string]any{"sessionId": a.SessionID, "gatewayName": seen.GatewayName, "supports": seen.SupportedResourceTypes,
		"context": context, "metadata": a.Metadata}
	if err != nil {
		ready["probeError"] = err.Error()
	}
	fmt.Println(string(must(json.Marshal(ready))))
	<-signals
	if err := a.cancel(); err != nil {
		log.Printf("cancellation failed: %v", err)
		ok("POST", "/v1/pam/sessions/"+a.SessionID+"/end", "{}")
	}
	listener.Close()
}

// ---- single connections ----

func report(conn net.Conn, err error, isGreeting bool) {
	var said bytes.Buffer
	if err == nil && isGreeting {
		err = conn.Close()
	} else if err == nil {
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = io.Copy(&said, conn)
	}
	seen := map[string]any{"said": said.Bytes()}
	if err != nil {
		seen["error"] = err.Error()
	}
	fmt.Println(string(must(json.Marshal(seen))))
}

func main() {
	if os.Args[1] == "access" {
		runAccess()
		return
	}
	var a access
	if err := json.NewDecoder(os.Stdin).Decode(&a); err != nil {
		log.Fatal(err)
	}
	if os.Args[1] == "outer" {
		conn, err := a.outer()
		report(conn, err, false)
		return
	}
	conn, err := a.inner(os.Args[2])
	report(conn, err, os.Args[1] == "greet")
}
