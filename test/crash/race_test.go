//go:build race

package crash

// raced says that this binary carries the race detector.
const raced = true
