// Package admit checks what providers are given before they store it, so that
// all of them refuse the same things with the same words. What it refuses can
// never succeed as it stands: errors wrap [provider.ErrInvalid] and name the
// limit, except for a commit that does not follow the last committed event,
// which is a [provider.ErrConflict].
package admit
