// Package doorbelltest has a network in memory, on which doorbells work inside a
// testing/synctest bubble: real requests over [net.Pipe].
//
// A dial is answered by whoever listens on that very address, refused if nobody
// does, and swallowed while the address is cut. There is no other failure, and
// nothing takes time.
package doorbelltest
