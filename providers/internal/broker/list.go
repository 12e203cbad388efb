package broker

// list is a doubly linked list whose links live in the values themselves, so
// that putting a value in and taking it out allocate nothing and cost O(1).
type list[T any] struct {
	first, last *link[T]
	len         int
}

// link is embedded in what a list holds. Before its first use value is set.
type link[T any] struct {
	in         *list[T]
	prev, next *link[T]
	value      *T
}

func (l *list[T]) front() *T {
	if l.first == nil {
		return nil
	}
	return l.first.value
}

func (l *list[T]) pushBack(n *link[T]) { l.insertAfter(l.last, n) }

func (l *list[T]) pushFront(n *link[T]) { l.insertAfter(nil, n) }

// insertAfter puts n behind at; at nil means in front of all.
func (l *list[T]) insertAfter(at, n *link[T]) {
	n.in, n.prev = l, at
	if at == nil {
		n.next, l.first = l.first, n
	} else {
		n.next, at.next = at.next, n
	}
	if n.next == nil {
		l.last = n
	} else {
		n.next.prev = n
	}
	l.len++
}

// unlink takes n out of the list that it is in, if any.
func (n *link[T]) unlink() {
	l := n.in
	if l == nil {
		return
	}
	if n.prev == nil {
		l.first = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.last = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.in, n.prev, n.next = nil, nil, nil
	l.len--
}

// all visits the values in order. The visited value may be unlinked on the way.
func (l *list[T]) all(yield func(*T) bool) {
	for n := l.first; n != nil; {
		next := n.next
		if !yield(n.value) {
			return
		}
		n = next
	}
}
