// Package discovery asks archives what they hold for the registered sources and stores what changed.
//
// A tick claims batches of sources that are due. Of each source it asks the project's queries, then
// its enrichments once per SBID; deals the rows to the source they belong to; maps them to metadata
// records; signs a projection of the records; compares that with what is known; and stores the
// conclusion under the source's claim. One source's failure is stored for that source alone.
//
// A query that says how is asked for many sources in one request. Its rows are dealt back by the exact
// key, as if each source had been asked alone; where that cannot be done, the next way to ask is taken.
//
// What many sources do at once is judged before it is stored: too many that changed stop the project's
// admission, too many that lost their data are a fault of the archive. What vanished is gone only after
// several answers that agree. A source whose answers cannot be used backs off, and then is set aside.
//
// Two things never happen here: an answer that is incomplete, failed or mixed up with another
// source's rows is never taken for "no data", and a source is never marked for a run by anything but
// different data.
package discovery
