/**
 * Reads the body of a WhatsApp Cloud API webhook:
 * `{object, entry: [{id, changes: [{field, value: {metadata, statuses: [...]}}]}]}`.
 *
 * One POST can carry many entries, changes and statuses; all are read. A status is handed over in the
 * provider's own words: what it means is decided in SQL, and so is what to do with a strange one. That
 * is why nothing below refuses a status.
 */

import { asText } from "./text.ts";

/** One status of one message, as `public.ingest_delivery_reports` takes it. */
export interface DeliveryReport {
  /** The app named in the URL. */
  app: string;
  /** `metadata.phone_number_id`: which of our numbers sent the message. */
  sender: string | null;
  provider_message_id: string | null;
  status: string | null;
  /** Seconds since 1970, sometimes milliseconds. */
  timestamp: string | null;
  /** `biz_opaque_callback_data`: our own reference, sent along with the message. */
  reference: string | null;
  code: string | null;
  message: string | null;
  category: string | null;
  pricing_type: string | null;
}

/** What was found in one POST. */
export interface Envelope {
  reports: DeliveryReport[];
  /** How many changes were about something else (incoming messages, template updates), by field. */
  otherChanges: Map<string, number>;
  /** How many statuses there were beyond the limit: then none of them is to be handed over. */
  excess: number;
  /** Parts that are not what their place in the envelope asks for, so that no status could be found. */
  unreadable: string[];
}

type JsonObject = Record<string, unknown>;

/**
 * So many statuses a POST may have. One with an id and our reference takes more than 100 bytes, so
 * the provider's 3 MB hold a third of this at most; but two bytes are enough for a status of which
 * nothing fits, and each becomes a report and a row.
 */
export const STATUS_LIMIT = 100_000;

/** Statuses of other products (`page`, `instagram`) sent to the same URL are none of ours. */
const WHATSAPP = "whatsapp_business_account";

/** The envelope in `document`, or null if it is none: not an object, or without a list of entries. */
export function readEnvelope(app: string, document: unknown): Envelope | null {
  if (!isObject(document) || !Array.isArray(document["entry"])) return null;

  const envelope: Envelope = {
    reports: [],
    otherChanges: new Map(),
    excess: 0,
    unreadable: [],
  };
  const product = document["object"];
  // Only a name names another product. What is no name may stand over statuses of ours.
  if (typeof product === "string" && product !== "" && product !== WHATSAPP) {
    pass(envelope, product);
    return envelope;
  }

  for (const entry of document["entry"]) {
    if (!isObject(entry)) {
      envelope.unreadable.push("entry");
      continue;
    }
    for (const change of listed(entry["changes"])) readChange(app, change, envelope);
  }
  return envelope;
}

function readChange(app: string, change: unknown, envelope: Envelope): void {
  if (!isObject(change) || !isObject(change["value"])) {
    envelope.unreadable.push("change");
    return;
  }
  const value = change["value"];
  if (value["statuses"] === undefined || value["statuses"] === null) {
    pass(envelope, asText(change["field"]) ?? "no field");
    return;
  }
  const metadata = value["metadata"];
  const sender = isObject(metadata) ? asText(metadata["phone_number_id"]) : null;
  for (const status of listed(value["statuses"])) {
    if (envelope.reports.length < STATUS_LIMIT) {
      envelope.reports.push(toReport(app, sender, status));
    } else {
      envelope.excess++;
    }
  }
}

function toReport(app: string, sender: string | null, status: unknown): DeliveryReport {
  if (!isObject(status)) {
    // Not a status at all. It is handed over as a report without id, whose message shows what came.
    return { ...emptyReport(app, sender), message: asText(status) };
  }
  const pricing = isObject(status["pricing"]) ? status["pricing"] : {};
  const error = listed(status["errors"])[0];
  return {
    app,
    sender,
    provider_message_id: asText(status["id"]),
    status: asText(status["status"]),
    timestamp: asText(status["timestamp"]),
    reference: asText(status["biz_opaque_callback_data"]),
    code: isObject(error) ? asText(error["code"]) : null,
    message: isObject(error) ? errorMessage(error) : asText(error),
    category: asText(pricing["category"]),
    pricing_type: asText(pricing["type"]),
  };
}

function emptyReport(app: string, sender: string | null): DeliveryReport {
  return {
    app,
    sender,
    provider_message_id: null,
    status: null,
    timestamp: null,
    reference: null,
    code: null,
    message: null,
    category: null,
    pricing_type: null,
  };
}

/** The most telling of the three texts that the provider gives: details, then title, then message. */
function errorMessage(error: JsonObject): string | null {
  const data = error["error_data"];
  const details = isObject(data) ? data["details"] : data;
  return asText(details) || asText(error["title"]) || asText(error["message"]);
}

/** A list as it is; one thing where a list belongs, as a list of one; nothing, as an empty list. */
function listed(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return value === undefined || value === null ? [] : [value];
}

function pass(envelope: Envelope, field: string): void {
  envelope.otherChanges.set(field, (envelope.otherChanges.get(field) ?? 0) + 1);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
