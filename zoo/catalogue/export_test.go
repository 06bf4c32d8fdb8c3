package catalogue

// Forget drops the answers that are kept, so that the next search asks the index.
func (c *Catalogue) Forget() {
	cols := c.columns.Load()
	cols.mu.Lock()
	defer cols.mu.Unlock()
	clear(cols.found)
}
