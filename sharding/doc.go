// Package sharding spreads the partitions of a hub over its hosts: it decides
// in which partition an instance lives, which host serves which partition, and
// who takes over when a host leaves, dies or is overloaded. Storage stands behind
// two interfaces, [Directory] and [Driver]. A host takes part as a [Member].
package sharding
