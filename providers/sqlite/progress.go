package sqlite

import (
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
)

// progress says which instances have activities that stored progress, so that
// the ends of the others need not look for it in the file.
type progress struct {
	mu sync.Mutex
	of map[history.InstanceID]bool
}

// reset makes it what the file says.
func (p *progress) reset(ids []history.InstanceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of = map[history.InstanceID]bool{}
	for _, id := range ids {
		p.of[id] = true
	}
}

// store says that an activity of the instance stores progress. Only a host
// does, and it began with reset.
func (p *progress) store(id history.InstanceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of[id] = true
}

func (p *progress) stored(id history.InstanceID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[id]
}

func (p *progress) forget(id history.InstanceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.of, id)
}
