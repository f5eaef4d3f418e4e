/**
 * What each request gets. The rule behind the status codes: 200 means "this will not be lost", and
 * every other answer makes the provider send it again, for up to 7 days.
 */

import { BODY_LIMIT, type BodyProblem, readBody } from "./body.ts";
import type { Database } from "./database.ts";
import { describe, log, masked } from "./log.ts";
import { appSecret, appSecretName, isAppName, verifyToken, verifyTokenName } from "./settings.ts";
import { isSignedBy, signatureOf } from "./signature.ts";
import { challengeOf } from "./subscription.ts";
import { type Envelope, readEnvelope, STATUS_LIMIT } from "./whatsapp.ts";

/** Supabase hands the path over without `/functions/v1`; some proxies leave it in. */
const BASE = /^(?:\/functions\/v1)?\/delivery-webhook(?=\/|$)/;

const BODY_ANSWERS: Record<BodyProblem, [number, string]> = {
  too_large: [413, `a body may have up to ${BODY_LIMIT} bytes`],
  too_slow: [408, "the body did not arrive in time"],
  broken_off: [400, "the body broke off"],
};

/** The function that answers requests, over a database that is null where none is configured. */
export function createHandler(database: Database | null): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      return await route(request, database);
    } catch (error) {
      log("error", "request_failed", { error: describe(error) });
      return answer(500, { error: "internal error" });
    }
  };
}

async function route(request: Request, database: Database | null): Promise<Response> {
  // The `Host` header is part of it, and anybody may write there what makes no URL.
  if (!URL.canParse(request.url)) return answer(400, { error: "path and host make no URL" });
  const url = new URL(request.url);
  const base = BASE.exec(url.pathname)?.[0];
  if (base === undefined) return answer(404, { error: "no such path" });

  const [provider = "", app = "", ...rest] = url.pathname.slice(base.length + 1)
    .replace(/\/$/, "").split("/");
  if (app === "" && (provider === "" || provider === "health")) return health(request);
  if (provider !== "whatsapp" || !isAppName(app) || rest.length > 0) {
    return answer(404, { error: "the path is /delivery-webhook/whatsapp/<app>" });
  }
  if (request.method === "GET") return await subscribe(url, app);
  if (request.method === "POST") return await takeReports(request, app, database);
  return notAllowed("GET, POST");
}

/** Says that the function runs, and nothing about anything behind it. */
function health(request: Request): Response {
  return request.method === "GET" ? answer(200, { status: "ok" }) : notAllowed("GET");
}

async function subscribe(url: URL, app: string): Promise<Response> {
  const token = verifyToken(app);
  if (token === null) {
    log("warning", "verify_token_missing", { app: masked(app), set: masked(verifyTokenName(app)) });
    return answer(403, { error: "not subscribed" });
  }
  const challenge = await challengeOf(url.searchParams, token);
  if (challenge === null) {
    log("warning", "subscription_refused", { app });
    return answer(403, { error: "not subscribed" });
  }
  log("info", "subscribed", { app });
  return new Response(challenge, {
    headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  });
}

async function takeReports(
  request: Request,
  app: string,
  database: Database | null,
): Promise<Response> {
  const secret = appSecret(app);
  if (secret === null) {
    log("warning", "app_secret_missing", { app: masked(app), set: masked(appSecretName(app)) });
    return verifyToken(app) === null
      ? answer(404, { error: "no such app" })
      : answer(401, { error: "this app has no secret here" });
  }
  // A request without a well-formed signature is not worth reading.
  const signature = signatureOf(request.headers);
  if (signature === null) {
    log("warning", "signature_missing", { app });
    return answer(401, { error: "X-Hub-Signature-256 is missing or malformed" });
  }
  const body = await readBody(request);
  if (typeof body === "string") {
    const [status, error] = BODY_ANSWERS[body];
    log("warning", `body_${body}`, { app });
    return answer(status, { error });
  }
  if (!await isSignedBy(secret, signature, body)) {
    log("warning", "signature_wrong", { app, bytes: body.byteLength });
    return answer(401, { error: "the signature does not fit the body" });
  }

  const envelope = parse(app, body);
  if (envelope === null) {
    log("error", "body_unreadable", { app, bytes: body.byteLength });
    return answer(400, { error: "the body is not a JSON object with a list of entries" });
  }
  if (envelope.excess > 0) {
    log("error", "too_many_statuses", { app, bytes: body.byteLength, excess: envelope.excess });
    return answer(413, { error: `a body may have up to ${STATUS_LIMIT} statuses` });
  }
  const seen = {
    statuses: envelope.reports.length,
    other_changes: [...envelope.otherChanges.values()].reduce((sum, count) => sum + count, 0),
    unreadable: envelope.unreadable.length,
  };
  if (seen.other_changes > 0) {
    log("info", "other_changes", { app, fields: otherFields(envelope) });
  }
  if (seen.unreadable > 0) {
    log("warning", "parts_unreadable", {
      app,
      count: seen.unreadable,
      parts: [...new Set(envelope.unreadable)],
    });
  }
  if (seen.statuses > 0) {
    if (database === null) {
      log("error", "database_not_configured", { app, set: "SENDONCE_DB_URL" });
      return answer(500, { error: "no database is configured" });
    }
    try {
      await database.ingest("whatsapp", envelope.reports);
    } catch (error) {
      log("error", "post_not_acknowledged", {
        app,
        statuses: seen.statuses,
        error: describe(error),
      });
      return answer(500, { error: "the reports could not be stored; send them again" });
    }
  }
  return answer(200, seen);
}

function parse(app: string, body: Uint8Array): Envelope | null {
  try {
    // Bytes that are no UTF-8 become a visible character. Refusing them would only bring them back.
    return readEnvelope(app, JSON.parse(new TextDecoder().decode(body)));
  } catch {
    return null;
  }
}

function otherFields(envelope: Envelope): Record<string, number> {
  const shown = [...envelope.otherChanges].slice(0, 10);
  return Object.fromEntries(shown.map(([field, count]) => [masked(field.slice(0, 60)), count]));
}

function notAllowed(allowed: string): Response {
  return answer(405, { error: `this path takes ${allowed}` }, { allow: allowed });
}

function answer(
  status: number,
  body: Record<string, unknown>,
  headers: Record<string, string> = {},
): Response {
  return Response.json(body, { status, headers });
}
