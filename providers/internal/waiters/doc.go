// Package waiters wakes the callers of Store.Wait in this process. It knows the
// condition of each, so that of a thousand changes of an instance only the one
// counts that somebody waits for, and it hands over the instance, so that
// nothing needs to be read for it.
//
// What a provider commits it tells with [Set.Changed]. Where it knows only that
// something happened, it calls [Set.Look]. The pattern:
//
//	w, err := set.Add(id, until)
//	// return if err != nil
//	defer set.Remove(id, w)
//	for {
//		// read the instance; return if it satisfies the condition
//		i, err := w.Await(ctx, pause)
//		// return if i != nil or err != nil
//	}
//
// Because the waiter is there before the instance is read, no change is missed.
package waiters
