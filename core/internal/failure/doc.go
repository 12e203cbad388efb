// Package failure turns Go errors into [history.Failure] values, which travel
// through storage, and answers errors.Is and errors.As on the far side.
//
//	err ──Of──▶ *history.Failure ──storage──▶ *history.Failure ──Error──▶ err
//	                                             Is, As answer for it
//
// What survives the trip:
//
//   - F1 The message, cut at [history.MaxFailureMessage].
//   - F2 The type by name (import path and type, without the star), and the
//     value as JSON if its type can show itself in JSON: a struct with exported
//     fields, a string or a number, or a json.Marshaler. errors.As then works in
//     any process that has the type; nothing needs registering. Of other types
//     the message alone survives, and errors.As says no.
//   - F3 The causes, at most [history.MaxFailureDepth]. The tree that Unwrap
//     spans is laid out in the order in which errors.Is walks it. Wrappers
//     without a type of their own (fmt.Errorf, errors.Join) are left out below
//     the top, since their text is part of the message above them.
//   - F4 Sentinels that are registered by a code ([Register]), for errors.Is.
//     Constant errors (type Code string; const ErrX Code = "x") need no code.
//   - F5 Timeouts and cancellations: a failure whose error was
//     context.DeadlineExceeded or context.Canceled is of that kind, and
//     errors.Is finds them.
//   - F6 What an earlier trip has stored: an error that carries a failure (has a
//     method Failure() *history.Failure) keeps it: as its cause, or as itself if
//     the error says nothing more.
//
// Errors are user code: their methods may panic. No function here does because
// of that; what such an error cannot say is left out.
package failure
