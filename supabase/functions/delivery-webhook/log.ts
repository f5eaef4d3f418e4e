/**
 * Structured log: one JSON object a line on stdout, where both Supabase and a process manager look.
 * Secrets are never handed to it, and phone numbers are masked whatever text they stand in.
 */

export type Level = "info" | "warning" | "error";

/** A phone number has 8 to 15 digits. Ids and times of that length are masked too: no harm done. */
const PHONE_NUMBER = /\d{8,15}/g;

/**
 * JSON leaves these as they are. Some readers end a line at them, and terminals obey them: what a
 * provider wrote could look like an event of ours.
 */
const UNSEEN = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** `text` with every phone number in it shortened to `55119*****01`. */
export function masked(text: string): string {
  return text.replace(PHONE_NUMBER, (digits) => `${digits.slice(0, 5)}*****${digits.slice(-2)}`);
}

/** Writes one event. Texts among `facts` that come from outside must have gone through `masked`. */
export function log(level: Level, event: string, facts: Record<string, unknown> = {}): void {
  const timestamp = new Date().toISOString();
  const line = JSON.stringify({ timestamp, level, event, ...facts });
  console.log(line.replace(UNSEEN, escaped));
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** An error for the log: its code, and its words without phone numbers. */
export function describe(error: unknown): { code: string | null; message: string } {
  if (!(error instanceof Error)) {
    return { code: null, message: masked(String(error)).slice(0, 300) };
  }
  const code = "code" in error && typeof error.code === "string" ? error.code : null;
  return { code, message: masked(error.message).slice(0, 300) };
}
