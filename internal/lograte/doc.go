// Package lograte keeps what goes on for long from filling the log.
//
// A [Limiter] stands for one trouble: what the log hears of it comes at most once
// a minute, with the number of times that were left out.
package lograte
