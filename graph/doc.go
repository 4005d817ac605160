// Package graph reads DALiuGE logical graphs (the .graph files of the EAGLE editor), changes them
// for a run, and unrolls them.
//
// A run goes through it in this order:
//
//	graph.Verify(raw, pin, name)   // the bytes are those that were pinned
//	g, err := graph.Parse(raw, name)
//	g.Patch(patches)               // field values by node name: how many copies of a scatter, …
//	g.Inject(injection)            // the manifest, as the active graph configuration
//	g.Encode()                     // the bytes that are stored, digested and sent
//
// A [Graph] keeps the whole document as it came, unknown keys and the text of numbers included, so
// that what is not understood here still reaches the translator. The same input gives the same
// bytes, always.
//
// [Graph.Unroll] makes the physical graph on this machine, with the drop ids and edges that
// DALiuGE's translator (6.7) makes, for Scatter (nested) and Gather; other constructs are refused
// by name. [Graph.Validate] finds what the translator would answer with a bare "500 Internal Server
// Error".
package graph
