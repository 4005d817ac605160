// Package flow runs a validated graph of vertices whose inputs are bound to other vertices' outputs.
//
// A Graph is made by New, which reports everything that is wrong with it at once, before anything
// runs. Run starts a vertex as soon as all of its inputs are there, on a bounded number of workers,
// and gives the same outputs whatever that number is. It can leave a Checkpoint after each vertex
// and go on from one in another process, keeps the outputs of pure vertices in a Cache, asks a
// vertex with effects whether it happened before running it, and records where each output came
// from (Record, Result.Trace).
//
// Outputs live under qualified names, "vertex.output". Values given from outside are seeds; a
// vertex binds to one as "$name".
//
// Values that pass through a checkpoint or a cache come back as plain JSON values (map[string]any,
// []any, string, bool, json.Number, nil). Read inputs with Get, which accepts both forms.
package flow
