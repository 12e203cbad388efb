// Package activity is what authors of activities import: declared activities,
// the options of their calls, and what running ones may ask and tell.
//
// An activity is an ordinary Go function that does work in the world. It runs
// at least once: if its worker is lost before its result is recorded, it runs
// again, perhaps elsewhere. Its result counts once. To make its effect happen
// once, too, give the idempotency key of [Info] to the system that it calls:
// the key is the same for every attempt on every host.
//
//	func charge(ctx context.Context, o Order) (Receipt, error) {
//		return payments.Charge(ctx, o.Card, o.Cents, activity.Info(ctx).IdempotencyKey)
//	}
//
// An error reaches the orchestration as an [*Error]. errors.AsType finds the
// error that the activity returned by its type, decoded anew, if the type has
// exported fields. [NonRetryable] marks errors that no retry will heal.
//
// The context ends at the attempt's timeout, at the deadline, when the
// orchestration gives up on the activity, and when the worker shuts down;
// context.Cause tells which.
package activity
