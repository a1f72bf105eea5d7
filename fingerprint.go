package antcrm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Fingerprint returns a text that tells accounts apart: an HMAC-SHA-256, keyed
// by the API key, of the base URL and the purpose. Clients with the same base
// URL and key return the same text; another key, base URL or purpose gives
// another one. Neither the key nor the base URL can be read from it, so a
// program may store it to recognize the account that its data belongs to. A
// zero Client returns "".
func (c *Client) Fingerprint(purpose string) string {
	made := c.made()
	if made == nil {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(made.key()))
	mac.Write([]byte("antcrm fingerprint\n" + made.base + "\n" + purpose))
	return hex.EncodeToString(mac.Sum(nil))
}

// AttemptTimeout returns the limit that WithTimeout sets for one attempt; 0 is
// no limit. A request that was sent and not answered can still be under way for
// that long.
func (c *Client) AttemptTimeout() time.Duration {
	made := c.made()
	if made == nil {
		return 0
	}
	return made.cfg.timeout
}
