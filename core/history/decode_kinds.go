package history

// fields reads the fields of d, if it is of a frequent kind.
func (r *reader) fields(d Data) {
	switch d := d.(type) {
	case *ExecutionStarted:
		r.executionStarted(d)
	case *ExecutionCompleted:
		r.executionCompleted(d)
	case *ActivityScheduled:
		r.activityScheduled(d)
	case *ActivityCompleted:
		r.activityCompleted(d)
	case *TimerCreated:
		r.timerCreated(d)
	case *TimerFired:
		r.timerFired(d)
	case *EventAwaited:
		r.eventAwaited(d)
	case *EventRaised:
		r.eventRaised(d)
	case *ChildCompleted:
		r.childCompleted(d)
	default:
		r.ok = false
	}
}

func (r *reader) executionStarted(d *ExecutionStarted) {
	for r.next() {
		switch string(r.name) {
		case "name":
			r.text(&d.Name)
		case "version":
			r.text(&d.Version)
		case "input":
			r.payload(&d.Input)
		case "requestId":
			r.text(&d.RequestID)
		case "seed":
			r.text(&d.Seed)
		case "scheduled":
			d.Scheduled = new(r.time())
		case "deadline":
			d.Deadline = new(r.time())
		case "status":
			r.payload(&d.Status)
		default:
			r.ok = false
		}
	}
}

func (r *reader) executionCompleted(d *ExecutionCompleted) {
	for r.next() {
		switch string(r.name) {
		case "output":
			r.payload(&d.Output)
		default:
			r.ok = false
		}
	}
}

func (r *reader) activityScheduled(d *ActivityScheduled) {
	for r.next() {
		switch string(r.name) {
		case "name":
			r.text(&d.Name)
		case "version":
			r.text(&d.Version)
		case "input":
			r.payload(&d.Input)
		case "timeoutMs":
			readInt(r, &d.Timeout)
		case "deadline":
			d.Deadline = new(r.time())
		case "tag":
			r.text(&d.Tag)
		case "session":
			r.text(&d.Session)
		case "description":
			r.text(&d.Description)
		case "inputHash":
			r.text(&d.InputHash)
		default:
			r.ok = false
		}
	}
}

func (r *reader) activityCompleted(d *ActivityCompleted) {
	for r.next() {
		switch string(r.name) {
		case "source":
			readInt(r, &d.Source)
		case "attempt":
			readInt(r, &d.Attempt)
		case "output":
			r.payload(&d.Output)
		case "started":
			d.Started = new(r.time())
		case "worker":
			r.text(&d.Worker)
		default:
			r.ok = false
		}
	}
}

func (r *reader) timerCreated(d *TimerCreated) {
	for r.next() {
		switch string(r.name) {
		case "due":
			d.Due = r.time()
		case "description":
			r.text(&d.Description)
		default:
			r.ok = false
		}
	}
}

func (r *reader) timerFired(d *TimerFired) {
	for r.next() {
		switch string(r.name) {
		case "source":
			readInt(r, &d.Source)
		default:
			r.ok = false
		}
	}
}

func (r *reader) eventAwaited(d *EventAwaited) {
	for r.next() {
		switch string(r.name) {
		case "name":
			r.text(&d.Name)
		case "queue":
			r.bool(&d.Queue)
		case "description":
			r.text(&d.Description)
		case "received":
			readInt(r, &d.Received)
		default:
			r.ok = false
		}
	}
}

func (r *reader) eventRaised(d *EventRaised) {
	for r.next() {
		switch string(r.name) {
		case "source":
			readInt(r, &d.Source)
		case "name":
			r.text(&d.Name)
		case "queue":
			r.bool(&d.Queue)
		case "payload":
			r.payload(&d.Payload)
		case "messageId":
			r.text(&d.MessageID)
		default:
			r.ok = false
		}
	}
}

func (r *reader) childCompleted(d *ChildCompleted) {
	for r.next() {
		switch string(r.name) {
		case "source":
			readInt(r, &d.Source)
		case "output":
			r.payload(&d.Output)
		case "seed":
			r.text(&d.Seed)
		default:
			r.ok = false
		}
	}
}
