package lro

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
)

// KeySize is the length of a [Sealer]'s key in bytes.
const KeySize = 32

// Sealer encrypts tokens, so that a history, a log or a list of activities shows
// none (L5). All workers of a hub share its key. A worker with another key does
// not accept the tokens of the others, and looks at the resources instead (L4):
// so a key is changed by changing it.
type Sealer struct{ aead cipher.AEAD }

// NewSealer makes a sealer of a key of [KeySize] random bytes.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("the key that seals resume tokens has %d bytes, want %d: make one with crypto/rand, and give it to every worker", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead}, nil
}

// NewKey makes a key.
func NewKey() []byte {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // never fails
	return key
}

// seal makes a token of what the SDK calls a resume token. It is bound to the
// operation.
func (s *Sealer) seal(operation, resume string) Token {
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return Token(base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, []byte(resume), []byte(operation))))
}

var errSealed = errors.New("the token was sealed with another key, or for another operation")

func (s *Sealer) open(operation string, t Token) (string, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(string(t))
	n := s.aead.NonceSize()
	if err != nil || len(sealed) < n {
		return "", errSealed
	}
	resume, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte(operation))
	if err != nil {
		return "", errSealed
	}
	return string(resume), nil
}
