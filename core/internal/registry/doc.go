// Package registry holds the handlers of a worker: orchestrations by name and
// version, activities by name, with everything they run in.
//
// Handlers are added while the worker is set up; every problem is kept and
// reported at once by [Registry.Err], before storage is touched. After that the
// registry is only read. A look-up without a version finds the newest one.
//
// The package also carries what handlers receive: [Env], the same for all of a
// worker, and [Invocation], one run of an activity.
package registry
