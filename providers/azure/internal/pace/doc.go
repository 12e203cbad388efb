// Package pace keeps a process from asking a storage account for more than it
// gives: an account that says it is busy gets fewer requests at a time, and more
// again while it answers.
//
// The number of requests that may be under way grows by one for each round of
// answered ones, and halves when the account throttles: additive increase,
// multiplicative decrease (D. Chiu and R. Jain, "Analysis of the increase and
// decrease algorithms for congestion avoidance", 1989), which shares an account
// fairly between hosts that know nothing of each other. The requests that keep a
// host alive, on the hub's own partition, are never held up.
package pace
