// Package stores names stores on the command line, the same way in every verb,
// and opens them: it is where the program wires its providers.
//
//	memory              lives and ends with the process
//	sqlite:PATH         one file; any number of processes, one worker
//	azurite             an Azure Storage emulator on this machine
//	azure:ACCOUNT_URL   an Azure Storage account
//
// Each may hold a hub under a name of its own. The grammar is complete; what
// this version cannot open yet, it says when it is asked to, naming what works.
package stores
