package api

import (
	"container/list"
	"sync"
)

// cache keeps what was made of immutable things, the longest unused going first when it weighs too much.
type cache[K comparable, V any] struct {
	mu     sync.Mutex
	limit  int64
	used   int64
	items  map[K]*list.Element
	recent *list.List // of *cached[K, V], the last used first
}

type cached[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

// newCache keeps up to limit of weight.
func newCache[K comparable, V any](limit int64) *cache[K, V] {
	return &cache[K, V]{limit: limit, items: map[K]*list.Element{}, recent: list.New()}
}

func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		var none V
		return none, false
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached[K, V]).value, true
}

func (c *cache[K, V]) put(key K, value V, weight int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; ok || weight > c.limit {
		return
	}
	c.items[key] = c.recent.PushFront(&cached[K, V]{key, value, weight})
	for c.used += weight; c.used > c.limit; {
		e := c.recent.Back()
		oldest := e.Value.(*cached[K, V])
		c.recent.Remove(e)
		delete(c.items, oldest.key)
		c.used -= oldest.weight
	}
}
