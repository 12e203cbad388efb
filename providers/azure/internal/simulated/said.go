package simulated

import (
	"errors"
	"strconv"
	"strings"
)

// said is an error as the service puts it: the status and the code of its answer, and
// perhaps a message after a colon.
type said string

func (s said) Error() string { return string(s) }

// Said is what the service answered to a call that failed, in its own words. It is not
// ok if the service said nothing: the call was not sent, or no answer came back.
func Said(err error) (status int, code, message string, ok bool) {
	s, ok := errors.AsType[said](err)
	if !ok {
		return 0, "", "", false
	}
	words, message, _ := strings.Cut(string(s), ": ")
	number, code, _ := strings.Cut(words, " ")
	status, err = strconv.Atoi(number)
	return status, code, message, err == nil
}
