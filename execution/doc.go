// Package execution turns pending sources into finished runs.
//
//	Admit    pending sources ─▶ executions (state pending), within every limit
//	Next     claims the oldest execution that has work and gives it as one unit:
//	         stage ▸ manifest ▸ load graph ▸ patch ▸ inject, or submit, or an automatic retry
//	Poll     asks each target once about all of its runs, and moves them by what it says
//
// Intent, then effect, then receipt: that an attempt will be submitted is committed before the
// backend hears of it, under an id that is made from the execution. After a crash the backend is
// asked by that id; an attempt is fenced before another may start. An answer that is no answer
// changes nothing but the record of it.
//
// BuildManifest and PrepareGraph are the pure parts: the same input gives the same bytes.
package execution
