/**
 * The one call into SQL, and what is done while the database is slow, frozen or away.
 *
 * Each lane is a client of its own with one connection, and runs one call at a time. After any
 * failure the lane gets a new client: a connection that failed once is never trusted again, and a
 * restarted database is found by the very next call, without a back-off. Nothing is repeated here:
 * the provider repeats what we did not acknowledge, and SQL is idempotent.
 */

import postgres from "postgres";
import type { DeliveryReport } from "./whatsapp.ts";

/** What SQL did with the reports of one call. */
export interface IngestCounts {
  /** How many reports it was handed; each of them is in the log now. */
  taken: number;
  /** Found their entry. */
  applied: number;
  /** Found none yet. */
  waiting: number;
  /** Contradict what is known, or are strange; listed for a person. */
  refused: number;
  /** Say nothing about sending. */
  ignored: number;
}

/** How many calls run at once; as many connections are held at most. */
const LANES = 4;

/** In seconds. The start of TLS and the login count, too. */
const CONNECT_TIMEOUT = 2;

/** From taking a call in to giving it up, in milliseconds: waiting for a lane, connecting, running. */
const DEADLINE = 5_000;

/** Connections unused for so long are closed, before a firewall forgets them silently. In seconds. */
const IDLE_TIMEOUT = 30;

/** How long a client that is no longer trusted may take to end in good order, in seconds. */
const FAREWELL = 1;

/**
 * Parameters in the URL that the server understands. All others are for other clients (`pgbouncer`,
 * `sslrootcert`, …), and a server refuses a connection that names a parameter it does not know.
 */
const SERVER_PARAMETERS = new Set(["application_name", "options", "statement_timeout"]);

/** The call was given up because its time was over. */
export class DeadlineExceeded extends Error {
  override name = "DeadlineExceeded";
  readonly code = "DEADLINE_EXCEEDED";
}

/** The setting cannot be used. The message never contains it: it holds a password. */
export class UnusableDatabaseUrl extends Error {
  override name = "UnusableDatabaseUrl";
  readonly code = "UNUSABLE_DATABASE_URL";
}

interface Lane {
  client: postgres.Sql;
}

export class Database {
  readonly #connect: () => postgres.Sql;
  readonly #lanes: Lane[] = [];
  readonly #free: Lane[] = [];
  readonly #waiting: ((lane: Lane) => void)[] = [];

  /**
   * @param url `postgresql://user:password@host:port/database?sslmode=…`; a pooler in transaction
   * mode will do. Nothing is connected before the first call.
   * @param certificate PEM of the authority that signed the server's certificate, if it is a private
   * one.
   * @throws UnusableDatabaseUrl
   */
  constructor(url: string, certificate: string | null) {
    this.#connect = connector(url, certificate);
    for (let i = 0; i < LANES; i++) this.#lanes.push({ client: this.#connect() });
    this.#free.push(...this.#lanes);
  }

  /**
   * Hands `reports` over, in one statement and so in one transaction. Returns once it is committed.
   *
   * @throws DeadlineExceeded after 5 seconds; the statement is cancelled then.
   * @throws Error with a `code` if the database refused or could not be reached.
   */
  async ingest(provider: string, reports: DeliveryReport[]): Promise<IngestCounts> {
    const deadline = performance.now() + DEADLINE;
    const lane = await this.#take(deadline);
    try {
      return await call(lane.client, provider, reports, deadline);
    } catch (error) {
      const distrusted = lane.client;
      lane.client = this.#connect();
      distrusted.end({ timeout: FAREWELL }).catch(() => {});
      throw error;
    } finally {
      this.#giveBack(lane);
    }
  }

  /** Lets running calls finish and closes all connections. */
  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.client.end({ timeout: DEADLINE / 1000 })));
  }

  #take(deadline: number): Promise<Lane> {
    const lane = this.#free.pop();
    if (lane !== undefined) return Promise.resolve(lane);
    return new Promise((resolve, reject) => {
      const turn = (lane: Lane): void => {
        clearTimeout(timer);
        resolve(lane);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(new DeadlineExceeded("every connection was busy"));
      }, deadline - performance.now());
      this.#waiting.push(turn);
    });
  }

  #giveBack(lane: Lane): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(lane);
    else next(lane);
  }
}

/**
 * Runs the statement until `deadline`. The driver answers when the server is ready for the next
 * query, which is after the commit, and an error in the commit itself is an error here (releases of
 * `postgres` before 3.4.8 answered earlier and lost such errors).
 */
async function call(
  client: postgres.Sql,
  provider: string,
  reports: DeliveryReport[],
  deadline: number,
): Promise<IngestCounts> {
  const remaining = deadline - performance.now();
  if (remaining <= 0) throw new DeadlineExceeded("every connection was busy");
  const query = client<{ counts: IngestCounts }[]>`
    select public.ingest_delivery_reports(${provider}, ${
    client.json(reports as unknown as postgres.JSONValue)
  }) as counts`;

  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeIsOver = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new DeadlineExceeded("the database did not answer in time"));
      query.cancel();
    }, remaining);
  });
  try {
    const [row] = await Promise.race([query, timeIsOver]);
    if (row === undefined) throw new Error("ingest_delivery_reports returned no row");
    return row.counts;
  } finally {
    clearTimeout(timer);
  }
}

function connector(url: string, certificate: string | null): () => postgres.Sql {
  let target: URL;
  try {
    target = new URL(url);
    decodeURIComponent(target.username + target.password);
  } catch {
    throw new UnusableDatabaseUrl("is not a URL; special characters in the password need %XX");
  }
  if (target.protocol !== "postgresql:" && target.protocol !== "postgres:") {
    throw new UnusableDatabaseUrl("does not start with postgresql://");
  }
  const ssl = encryption(target.searchParams.get("sslmode"), certificate);
  for (const name of [...target.searchParams.keys()]) {
    if (!SERVER_PARAMETERS.has(name)) target.searchParams.delete(name);
  }
  return () =>
    postgres(target.href, {
      max: 1,
      ssl,
      connect_timeout: CONNECT_TIMEOUT,
      idle_timeout: IDLE_TIMEOUT,
      // Named prepared statements do not survive a pooler in transaction mode.
      prepare: false,
      fetch_types: false,
      connection: { application_name: "sendonce delivery-webhook" },
      onnotice: () => {},
    });
}

/**
 * `sslmode` with libpq's meanings, and its default: encrypted where the server can. `verify-ca` is as
 * strict as `verify-full` here.
 */
function encryption(
  mode: string | null,
  certificate: string | null,
): false | "prefer" | "require" | { rejectUnauthorized: true; ca?: string } {
  switch (mode) {
    case "disable":
      return false;
    case null:
    case "allow":
    case "prefer":
      return "prefer";
    case "require":
      return "require";
    case "verify-ca":
    case "verify-full":
      return { rejectUnauthorized: true, ...(certificate === null ? {} : { ca: certificate }) };
    default:
      throw new UnusableDatabaseUrl(
        "has an sslmode other than disable, allow, prefer, require, verify-ca, verify-full",
      );
  }
}
