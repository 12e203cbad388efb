// Package handed remembers how often what is not decided yet was handed out.
//
// The broker counts too, and forgets when the host leaves. The counts here
// belong to the store: a host that joins it later, or takes an instance back,
// counts on from there when it restores what is outstanding, so that whoever
// sees the same work again and again can tell. They are a help and not durable:
// a process that ends takes them along.
//
// A provider tells of everything that happens to turns ([Counts.Turn],
// [Counts.Released], [Counts.Committed], [Counts.Left]) and to activities
// ([Counts.Out]), and asks when it restores ([Counts.Attempts],
// [Counts.Deliveries]).
package handed
