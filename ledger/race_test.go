//go:build race

package ledger

// raced says that this binary carries the race detector, which makes SQLite many times as slow.
const raced = true
