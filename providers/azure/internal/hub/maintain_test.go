package hub_test

import (
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
)

func TestATombstoneIsForgottenAfterADay(t *testing.T) {
	measured(t, 1, func(b *bench) {
		b.cfg.TTL, b.cfg.WakeEvery = 10*time.Minute, 10*time.Minute // a day is long
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		run(b, budgetSequence, client, 1, "purged")
		run(b, budgetSequence, client, 1, "again")
		for _, id := range []history.InstanceID{"purged", "again"} {
			if err := client.Purge(b.Context(), id); err != nil {
				b.Fatal(err)
			}
		}
		keys := func() (all []string) {
			for pk, r := range b.account.State().Rows("hub") {
				if pk == host.PartitionKey(0) && r.Key != "head" && r.Key[0] != 'n' {
					all = append(all, r.Key)
				}
			}
			return all
		}
		if got := keys(); len(got) != 4 {
			b.Errorf("two purges left %q, want a tombstone and its row in the index of each", got)
		}
		<-time.After(20 * time.Hour)
		run(b, budgetSequence, client, 1, "again") // started anew: it stays
		if got := keys(); len(got) < 4 {
			b.Errorf("after 20 hours there is %q, want the tombstone still", got)
		}
		<-time.After(6 * time.Hour)
		for _, key := range keys() {
			if key == "i:purged" || key[:3] == "x:p" {
				b.Errorf("after 26 hours %q is still there", key)
			}
		}
		if _, err := client.Status(b.Context(), "again"); err != nil {
			b.Errorf("the instance that was started anew: %v", err)
		}
	})
}

func TestAChildThatTakesAPurgedIDIsNotForgottenWithItsTombstone(t *testing.T) {
	measured(t, 1, func(b *bench) {
		b.cfg.TTL, b.cfg.WakeEvery = 10*time.Minute, 10*time.Minute
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		run(b, budgetSequence, client, 1, "child")
		if err := client.Purge(b.Context(), "child"); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Hour)
		run(b, budgetParent, client, "child", "parent") // the owner makes it: the id is taken by the tombstone
		<-time.After(26 * time.Hour)
		if _, err := client.Status(b.Context(), "child"); err != nil {
			b.Errorf("a day after a purge of its id: %v", err)
		}
	})
}
