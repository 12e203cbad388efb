// Loaded before Azurite, by node -r. It makes three changes, none of which is
// seen through its API.
"use strict";

const path = require("path");
const Module = require("module");

// No telemetry: the module is not even loaded, which halves the time to start.
const load = Module._load;
Module._load = function (request, ...rest) {
  return /^applicationinsights(\/|$)/.test(request) ? {} : load.call(this, request, ...rest);
};

// No garbage collection: that of queues is quadratic in the messages deleted
// since the last one, and while it runs no service answers.
const never = 2 ** 31 - 1;
for (const service of ["blob", "queue"]) {
  const constants = path.join(path.dirname(process.argv[1]), service, "utils", "constants");
  require(constants).DEFAULT_GC_INTERVAL_MS = never;
}

// No life without the parent: it holds the other end of standard input, which
// closes however the parent ends. Azurite then stops as on a signal, and saves.
let stopping = false;
const stop = () => {
  if (stopping) {
    return;
  }
  stopping = true;
  if (!process.emit("SIGTERM")) {
    process.exit(1); // still starting
  }
  setTimeout(() => process.exit(1), 5000).unref();
};
for (const event of ["end", "close", "error"]) {
  process.stdin.on(event, stop);
}
process.stdin.resume();

// Settings of the user's shell are not ours.
delete process.env.AZURITE_ACCOUNTS;
delete process.env.AZURITE_DB;
