// Package discovery asks archives what they hold for the registered sources and stores what changed.
//
// A tick claims batches of sources that are due. Of each source it asks the project's queries, then
// its enrichments once per SBID; deals the rows to the source they belong to; maps them to metadata
// records; signs a projection of the records; compares that with what is known; and stores the
// conclusion under the source's claim. One source's failure is stored for that source alone.
//
// Two things never happen here: an answer that is incomplete, failed or mixed up with another
// source's rows is never taken for "no data", and a source is never marked for a run by anything but
// different data.
package discovery
