// Package resources has the activities that talk to Azure Resource Manager,
// through the clients of the Azure SDK: what orchestrations of package environment
// ask for is done here, one request at a time.
//
// [Open] makes the clients for one subscription; [Manager.Handlers] are the
// activities to register with a worker. The clients do not retry and do not
// register resource providers by themselves: orchestrations do both, where it is
// durable and can be seen.
//
// # How a kind of resource is described
//
// A [kind] says how to read a resource (with its tags and its ETag, and whether it
// is as it is wanted) and how to ask for it. Both use the typed client of that
// kind. Ownership, deletion and everything about long-running operations are the
// same for all kinds, and written once.
//
// # Rules
//
//   - M1 Before anything is written, what is there is read: something of another
//     owner is left alone, something that is as it is wanted already needs no
//     write, something under way is waited for.
//   - M2 A resource group that has something of others in it is not removed.
//   - M3 What is compared is what the plan says, and nothing else: fields that
//     Azure fills in by itself are no drift.
package resources
