/**
 * The call into SQL, and what is done while the database is slow, frozen or away.
 *
 * A POST waits until one of a few lanes is free; what waits together then goes in one call, because
 * most POSTs carry one status and a commit costs the same for a hundred. Under light load nothing
 * waits and every POST is a call of its own. A POST is split only where it has more reports than any
 * of the provider's: otherwise all of it is in one transaction.
 *
 * Each lane is a client of its own with one connection. After any failure the lane gets a new client:
 * a connection that failed once is never trusted again, and a restarted database is found by the very
 * next call, without a back-off. Nothing that may have been stored is sent again from here: the
 * provider repeats what we did not acknowledge, and SQL is idempotent.
 */

import { isIP } from "node:net";
import postgres from "postgres";
import { describe, log } from "./log.ts";
import type { DeliveryReport } from "./whatsapp.ts";

/** What SQL did with the reports of one call. */
interface IngestCounts {
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

/**
 * How many calls run at once; as many connections are held at most. Reports of one campaign wait for
 * each other in the database, so more lanes would only make smaller calls.
 */
const LANES = 2;

/** POSTs are put together up to so many reports. A larger POST goes by itself. */
const REPORTS_PER_CALL = 250;

/**
 * A POST of more reports than this takes several calls, one after the other. The provider's 3 MB hold
 * fewer; what has more shall neither hold a lane for long nor fail at the deadline for ever.
 */
const REPORTS_PER_TRANSACTION = 10_000;

/** In seconds. The start of TLS and the login count, too. */
const CONNECT_TIMEOUT = 2;

/** How long a POST waits for a commit, in milliseconds: for a lane, connecting, running. */
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

/** The reports of one POST on their way. */
interface Parcel {
  provider: string;
  reports: DeliveryReport[];
  /** On the clock of `performance.now()`. */
  deadline: number;
  /** Whether a call with others failed, and this one is tried by itself. */
  alone: boolean;
  stored: () => void;
  failed: (error: unknown) => void;
}

export class Database {
  readonly #connect: () => postgres.Sql;
  readonly #lanes: Lane[] = [];
  readonly #free: Lane[] = [];
  #waiting: Parcel[] = [];

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
   * Hands the reports of one POST over. Returns once they are committed. After an error a part may be:
   * the provider repeats the whole, and what is there already changes nothing.
   *
   * @throws DeadlineExceeded after 5 seconds.
   * @throws Error with a `code` if the database refused or could not be reached.
   */
  async ingest(provider: string, reports: DeliveryReport[]): Promise<void> {
    for (let start = 0; start < reports.length; start += REPORTS_PER_TRANSACTION) {
      const part = reports.slice(start, start + REPORTS_PER_TRANSACTION);
      await this.#ingestTogether(provider, part);
    }
  }

  /** Hands reports over that are stored all or none. */
  async #ingestTogether(provider: string, reports: DeliveryReport[]): Promise<void> {
    const deadline = performance.now() + DEADLINE;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await new Promise<void>((stored, failed) => {
        const parcel = { provider, reports, deadline, alone: false, stored, failed };
        timer = setTimeout(() => {
          this.#waiting = this.#waiting.filter((other) => other !== parcel);
          failed(new DeadlineExceeded("the database did not answer in time"));
        }, DEADLINE);
        this.#waiting.push(parcel);
        this.#dispatch();
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets running calls finish and closes all connections. */
  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.client.end({ timeout: DEADLINE / 1000 })));
  }

  /** Gives what waits to the lanes that are free. */
  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const lane = this.#free.pop();
      if (lane === undefined) return;
      this.#run(lane, this.#nextParcels()).then(() => {
        this.#free.push(lane);
        this.#dispatch();
      });
    }
  }

  /** Takes the parcels of the next call from the front of the queue: at least one. */
  #nextParcels(): Parcel[] {
    const [first] = this.#waiting;
    let count = 0;
    let size = 0;
    for (const parcel of this.#waiting) {
      size += parcel.reports.length;
      const fits = parcel.provider === first?.provider && size <= REPORTS_PER_CALL;
      if (count > 0 && (!fits || parcel.alone || first?.alone)) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  /** Runs one call and tells every parcel how it ended. Never throws. */
  async #run(lane: Lane, parcels: Parcel[]): Promise<void> {
    const started = performance.now();
    const reports = parcels.flatMap((parcel) => parcel.reports);
    const facts = { posts: parcels.length, reports: reports.length };
    try {
      // Worth finishing for as long as anybody waits for it.
      const deadline = Math.max(...parcels.map((parcel) => parcel.deadline));
      const counts = await call(lane.client, parcels[0]?.provider ?? "", reports, deadline);
      for (const parcel of parcels) parcel.stored();
      log(counts.refused > 0 ? "warning" : "info", "reports_stored", {
        ...facts,
        ...counts,
        milliseconds: Math.round(performance.now() - started),
      });
    } catch (error) {
      const distrusted = lane.client;
      lane.client = this.#connect();
      distrusted.end({ timeout: FAREWELL }).catch(() => {});
      log("error", "reports_not_stored", {
        ...facts,
        error: describe(error),
        milliseconds: Math.round(performance.now() - started),
      });
      if (parcels.length > 1 && error instanceof postgres.PostgresError) {
        // The server refused and stored nothing. What is wrong with one must not hold up the others.
        const now = performance.now();
        const again = parcels.filter((parcel) => parcel.deadline > now);
        for (const parcel of again) parcel.alone = true;
        this.#waiting.unshift(...again);
      } else {
        for (const parcel of parcels) parcel.failed(error);
      }
    }
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
  if (remaining <= 0) throw new DeadlineExceeded("the database did not answer in time");
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
  if (typeof ssl === "object" && isIP(target.hostname.replace(/^\[|\]$/g, "")) !== 0) {
    // The driver would look for "localhost" in the certificate.
    throw new UnusableDatabaseUrl(
      "verifies a certificate, which needs the host's name, not its IP",
    );
  }
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
