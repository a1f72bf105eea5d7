package ordersync

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/antbuddy/antcrm-go"
)

// state is what the sync remembers from night to night.
type state struct {
	Watermark time.Time            // everything that changed up to here is in the CRM
	Numbers   map[string]antcrm.ID // the CRM's number of each order, by the ERP's key
	Begun     map[string]time.Time // orders whose creation was sent, when, and whose answer is not known
}

func load(path string) (*state, error) {
	s := &state{Numbers: map[string]antcrm.ID{}, Begun: map[string]time.Time{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	return s, json.Unmarshal(text, s)
}

// save returns when the state is on the disk: what is sent next relies on it.
// The old state stays until the new one is complete.
func (s *state) save(path string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
