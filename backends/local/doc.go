// Package local runs patched logical graphs on this machine, without DALiuGE: the embedded default.
//
// Each attempt has a folder <Root>/<attempt id>/:
//
//	claim          taken by link(2), with its owner in it, by whoever submits or fences first
//	run.json       what to run and under which limits; graph.json, manifest.json: with what
//	shim           the process that was started for it
//	start          taken by link(2), by the shim that does the work, or by a fence
//	data/          where the applications run; File and Directory drops
//	.memory/       Memory drops
//	logs/          what each application wrote, by drop
//	drops.jsonl    every change of a drop's state; progress: how many are in which
//	cancel, fenced marks
//	products.json  what was made
//	exit           how it ended; written last, in one piece
//
// The whole run of an attempt is done by a shim, a process of this binary in a session of its own
// ("beampipe local-run <folder>", Main): it lives on when the daemon ends, and a new daemon finds it by its
// folder. A shim that vanished without an exit file is a failed attempt; nothing is ever run twice.
//
// Supported are BashShellApp, File, Memory and Directory data, Scatter and Gather, and beampipe-ingest.
// Everything else is refused by Check with the node's name.
package local
