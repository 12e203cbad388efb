// Package cli is the command line: the verbs of duroxide, one file each. It
// reads flags, calls the package that does the work, prints, and turns errors
// into exit codes.
//
// # Exit codes
//
//	0  all is well
//	1  an error: something could not be done
//	2  usage: the command line is wrong; nothing was done
//	8  the audit found problems
//
// Results go to standard output, and progress, too, unless the result is JSON;
// errors go to standard error, in one line. Verbs that begin with an underscore
// are for the program's own child processes and are not shown.
package cli
