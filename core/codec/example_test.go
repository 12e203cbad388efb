package codec_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"

	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
)

// encrypted seals every payload with AES-GCM.
type encrypted struct {
	inner codec.Codec
	aead  cipher.AEAD
}

func (e encrypted) Encode(v any) (history.Payload, error) {
	plain, err := e.inner.Encode(v)
	if err != nil || plain == nil {
		return nil, err
	}
	nonce := make([]byte, e.aead.NonceSize())
	_, _ = rand.Read(nonce)                                    // never fails
	return json.Marshal(e.aead.Seal(nonce, nonce, plain, nil)) // a JSON string, in base64
}

func (e encrypted) Decode(p history.Payload, v any) error {
	if p == nil {
		return nil
	}
	var sealed []byte
	if err := json.Unmarshal(p, &sealed); err != nil || len(sealed) < e.aead.NonceSize() {
		return fmt.Errorf("the payload is not encrypted: %w", err)
	}
	n := e.aead.NonceSize()
	plain, err := e.aead.Open(nil, sealed[:n], sealed[n:], nil)
	if err != nil {
		return fmt.Errorf("decrypting a payload: %w", err)
	}
	return e.inner.Decode(plain, v)
}

// A codec that encrypts wraps the one that encodes. Give it to the workers and
// the clients of a hub.
func Example() {
	block, err := aes.NewCipher([]byte("a key of 32 bytes from the vault"))
	if err != nil {
		log.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		log.Fatal(err)
	}
	c := encrypted{inner: codec.JSON, aead: aead}

	stored, err := c.Encode(map[string]int{"cents": 4200})
	if err != nil {
		log.Fatal(err)
	}
	var back map[string]int
	fmt.Println(json.Valid(stored), c.Decode(stored, &back), back["cents"])
	// Output: true <nil> 4200
}
