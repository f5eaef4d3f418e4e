/**
 * Turns whatever a provider wrote into text that PostgreSQL can store.
 *
 * Neither `text` nor `jsonb` holds a NUL character, and neither holds half of a surrogate pair. One
 * such character would fail the whole POST, for as long as the provider repeats it. So both are
 * replaced by something that a person can see: `␀` and `�`.
 */

const NUL = "\0";
const VISIBLE_NUL = "\u2400";

/** Half of a surrogate pair that stands alone. With the `u` flag whole pairs do not match. */
const LONE_SURROGATE = /[\ud800-\udfff]/gu;
const REPLACEMENT_CHARACTER = "\ufffd";

/**
 * So much of a text is handed over, counted as JavaScript counts. The database judges and keeps less of
 * each, so nothing changes for it. But one long sender stands in every report of its change, and
 * would make gigabytes of 3 MB.
 */
const LENGTH_LIMIT = 1_200;

/** `text` without the characters that PostgreSQL refuses, each replaced by a visible one. */
export function storable(text: string): string {
  const withoutNul = text.includes(NUL) ? text.replaceAll(NUL, VISIBLE_NUL) : text;
  return withoutNul.replace(LONE_SURROGATE, REPLACEMENT_CHARACTER);
}

/**
 * Any JSON value as text: strings as they are, numbers and booleans as JSON writes them, objects and
 * arrays as their JSON, the beginning of each. Only `null` and `undefined` are no text.
 */
export function asText(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") return handedOver(value);
  if (typeof value === "object") return handedOver(asJson(value));
  return String(value);
}

/** Cut before halves of pairs are replaced, because cutting may leave one. */
function handedOver(text: string): string {
  return storable(text.slice(0, LENGTH_LIMIT));
}

function asJson(value: object): string {
  try {
    return JSON.stringify(value);
  } catch {
    // JSON.parse reads any depth; in older runtimes JSON.stringify runs out of stack.
    return "(nested too deeply to be shown)";
  }
}
