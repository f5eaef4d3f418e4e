/**
 * Takes delivery reports from messaging providers and hands them to the database: verify, parse, hand
 * over. Runs on Supabase Edge Functions and under plain Deno (`PORT=8000 deno run -NE index.ts`).
 */

import { Database, UnusableDatabaseUrl } from "./database.ts";
import { createHandler } from "./handler.ts";
import { log } from "./log.ts";
import { databaseCertificate, databaseUrl, listenAddress } from "./settings.ts";

const database = openDatabase();
const handler = createHandler(database);
const address = listenAddress();

// The driver sends a cancellation over a connection of its own and does not wait for it. That this
// connection could not be made is no reason to end the process, with all that is under way in it.
globalThis.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  const code = event.reason instanceof Error && "code" in event.reason ? event.reason.code : null;
  log("warning", "background_task_failed", { code });
});

if (address === null) {
  Deno.serve(handler);
} else {
  const server = Deno.serve({
    ...address,
    onListen: ({ hostname, port }) => log("info", "listening", { hostname, port }),
  }, handler);
  const stop = async (): Promise<void> => {
    log("info", "stopping");
    await server.shutdown();
    await database?.close();
    Deno.exit(0);
  };
  Deno.addSignalListener("SIGTERM", stop);
  Deno.addSignalListener("SIGINT", stop);
}

/** Without a usable setting the function still answers, so that the provider keeps its reports. */
function openDatabase(): Database | null {
  const url = databaseUrl();
  if (url === null) {
    log("error", "database_not_configured", { set: "SENDONCE_DB_URL" });
    return null;
  }
  try {
    return new Database(url, databaseCertificate());
  } catch (error) {
    const problem = error instanceof UnusableDatabaseUrl ? error.message : "cannot be used";
    log("error", "database_url_unusable", { problem: `SENDONCE_DB_URL ${problem}` });
    return null;
  }
}
