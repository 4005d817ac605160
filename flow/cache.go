package flow

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
)

// Cache keeps outputs of pure vertices by a key made of the vertex's name and version and of the
// digests of its inputs. It is called from several goroutines at once. An error fails the vertex: a
// cache that prefers to go on answers "not there".
type Cache interface {
	Get(ctx context.Context, key string) (outputs map[string]json.RawMessage, found bool, err error)
	Put(ctx context.Context, key string, outputs map[string]json.RawMessage) error
}

// MemoryCache is a Cache that lives as long as the process and forgets its oldest entry when full.
type MemoryCache struct {
	mu      sync.Mutex
	limit   int
	entries map[string]map[string]json.RawMessage
	order   []string // keys, oldest first
}

// NewMemoryCache makes a cache of at most limit entries (at least one).
func NewMemoryCache(limit int) *MemoryCache {
	return &MemoryCache{limit: max(limit, 1), entries: map[string]map[string]json.RawMessage{}}
}

// Get gives what was put under key.
func (c *MemoryCache) Get(_ context.Context, key string) (map[string]json.RawMessage, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	outputs, found := c.entries[key]
	return maps.Clone(outputs), found, nil
}

// Put keeps outputs under key.
func (c *MemoryCache) Put(_ context.Context, key string, outputs map[string]json.RawMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[key]; !known {
		if len(c.order) == c.limit {
			delete(c.entries, c.order[0])
			c.order = c.order[1:]
		}
		c.order = append(c.order, key)
	}
	c.entries[key] = maps.Clone(outputs)
	return nil
}
