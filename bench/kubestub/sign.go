package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log"
	"math/big"
	"net/http"
	"time"
)

const issuer = "https://kubernetes.default.svc.cluster.local"

// A cluster's own key, as a real API server has one: who asks for its public half can tell junk without asking for reviews.
type signer struct{ key *rsa.PrivateKey }

func generate() *signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	return &signer{key}
}

func newSigner(mux *http.ServeMux, hides bool) *signer {
	s, elsewhere := generate(), generate()
	key := s.key
	mux.HandleFunc("GET /openid/v1/jwks", func(w http.ResponseWriter, r *http.Request) {
		if hides {
			status(w, r, 403, "forbidden")
			return
		}
		jsonOut(w, 200, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "stub",
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}}})
	})
	mux.HandleFunc("GET /mint", func(w http.ResponseWriter, r *http.Request) {
		jsonOut(w, 200, map[string]any{"good": s.mint(issuer, time.Hour), "expired": s.mint(issuer, -time.Hour),
			"foreign": elsewhere.mint("https://elsewhere.example", time.Hour)})
	})
	return s
}

func (s *signer) sum(signed string) []byte {
	sum := sha256.Sum256([]byte(signed))
	return sum[:]
}

func (s *signer) mint(iss string, ttl time.Duration) string {
	now := time.Now()
	signed := b64(map[string]any{"alg": "RS256", "kid": "stub"}) + "." + b64(map[string]any{
		"iss": iss, "aud": []string{issuer}, "sub": "system:serviceaccount:default:bench", "iat": now.Add(-2 * time.Hour).Unix(),
		"exp": now.Add(ttl).Unix(), "kubernetes.io": map[string]any{"namespace": "default",
			"serviceaccount": map[string]any{"name": "bench", "uid": "7f3c9a1e-0000-4000-8000-000000000001"}}})
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, s.sum(signed))
	if err != nil {
		log.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (s *signer) accepts(parts []string) bool {
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, s.sum(parts[0]+"."+parts[1]), signature) != nil {
		return false
	}
	var claims struct {
		Iss string
		Exp int64
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return json.Unmarshal(payload, &claims) == nil && claims.Iss == issuer && claims.Exp > time.Now().Unix()
}
