// Package spans is the set of an instance's open activities as providers store
// it with the instance: as runs of consecutive events, so that a fan-out of a
// thousand costs no more than one activity.
//
//	[[2,1001],[1004,1004,2],[1007,1009,1,"gpu",""]]
//
// are the activities scheduled by events 2 to 1001, the second attempt of 1004,
// and three that go to workers with the tag gpu. The text is stored: its meaning
// never changes.
package spans
