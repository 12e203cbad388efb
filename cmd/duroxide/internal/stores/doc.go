// Package stores names stores on the command line, the same way in every verb,
// and opens them: it is where the program wires its providers.
//
//	memory              lives and ends with the process
//	sqlite:PATH         one file; any number of processes, one worker
//	azurite             an Azure Storage emulator on this machine
//	azure:ACCOUNT_URL   an Azure Storage account
//
// Each may hold a hub under a name of its own.
//
// The emulator of azurite is started by the command and ends with it; processes
// that the command starts find it by a variable of their environment. An account
// in the cloud is opened with the credential of the environment (azidentity's
// default chain), or with the connection string in a variable: secrets do not
// stand on command lines.
package stores
