// Package core is the face of the engine: workers run handlers, clients start
// instances and talk to them.
//
//	store, err := sqlite.Open(ctx, "orders.db", sqlite.Config{})
//	worker := core.NewWorker(store, core.WorkerConfig{}).
//		Register(Fulfil.Func(fulfil), Charge.Func(shop.Charge))
//	go worker.Run(ctx)
//
//	client := core.NewClient(store, core.ClientConfig{})
//	order, err := Fulfil.Start(ctx, client, Order{…}, orchestration.StartOptions{ID: "order-7"})
//	result, err := order.Wait(ctx)
//
// Orchestrations and activities are declared and written with the packages
// core/orchestration and core/activity; stores come from providers/…. A
// process may be a worker, a client, or both.
//
// A [Worker] takes turns of instances from the store, runs them on an
// [Executor], commits what they decided, and runs activities. It stops
// gracefully when the context of Run ends. A [Client] is cheap and safe for
// concurrent use; it retries what storage could not take at the moment, which
// is safe because every message is applied once.
package core
