package azuretest

import (
	"context"
	"strings"
)

// DeleteWorkQueues deletes the queues in which hosts offer activities to any of each
// other, as an operator may by mistake: hosts offer again what was in them. It
// returns how many messages there were, at least. What faults prevent does not
// happen.
func (a *Account) DeleteWorkQueues(ctx context.Context) (messages int) {
	operator := a.inner.Client("operator")
	queues, err := operator.Queues(ctx, a.cfg.Hub+"-w")
	if err != nil {
		return 0
	}
	for _, q := range queues {
		if q != a.cfg.Hub+"-work" && !strings.HasPrefix(q, a.cfg.Hub+"-wt-") {
			continue
		}
		seen, _ := operator.Peek(ctx, q, 32) // those that nobody has taken
		if operator.DeleteQueue(ctx, q) == nil {
			messages += len(seen)
		}
	}
	return messages
}
