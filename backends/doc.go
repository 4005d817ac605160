// Package backends says what a place to run is: one interface, Backend, and what goes through it.
//
// A submission is one attempt at one execution, with an id that is made before anything is sent
// (AttemptID), so that after any crash the place can be asked whether the attempt got there. "It is
// not there", "it is there" and "could not ask" are three different answers everywhere.
//
// The places are backends/local (this machine), backends/dim (DALiuGE over REST) and backends/slurm.
// Package backends/backendtest is the suite that each of them passes.
package backends
