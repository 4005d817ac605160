package execution

import "sync"

// cache keeps the values last used, by key. It is for what does not change under its key: a parsed
// revision, a parsed graph. It is safe for concurrent use.
type cache[K comparable, V any] struct {
	limit  int
	mu     sync.Mutex
	values map[K]V
	order  []K // the key used longest ago first
}

func newCache[K comparable, V any](limit int) *cache[K, V] {
	return &cache[K, V]{limit: limit, values: map[K]V{}}
}

// get gives the value under key, loading it when it is not there. Two callers may load it at once.
func (c *cache[K, V]) get(key K, load func() (V, error)) (V, error) {
	if value, ok := c.look(key); ok {
		return value, nil
	}
	value, err := load()
	if err != nil {
		return value, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.values[key]; !known {
		if len(c.order) == c.limit {
			delete(c.values, c.order[0])
			c.order = c.order[1:]
		}
		c.order = append(c.order, key)
	}
	c.values[key] = value
	return value, nil
}

func (c *cache[K, V]) look(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.values[key]
	if ok {
		for i, k := range c.order {
			if k == key {
				c.order = append(append(c.order[:i:i], c.order[i+1:]...), key)
				break
			}
		}
	}
	return value, ok
}
