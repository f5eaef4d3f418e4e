/**
 * The handshake with which WhatsApp asks, once, whether a URL wants its webhooks:
 * `GET ?hub.mode=subscribe&hub.verify_token=<token>&hub.challenge=<text>`.
 */

/** The challenge to answer with, or null if the request is not a subscription with our token. */
export async function challengeOf(query: URLSearchParams, token: string): Promise<string | null> {
  const sameToken = await isSame(query.get("hub.verify_token") ?? "", token);
  if (query.get("hub.mode") !== "subscribe" || !sameToken) return null;
  return query.get("hub.challenge");
}

/**
 * Compares two texts in a time that tells nothing about where they differ. Digests have one length,
 * whatever was sent, so the length of the token is not told either.
 */
async function isSame(given: string, expected: string): Promise<boolean> {
  const [a, b] = await Promise.all([digest(given), digest(expected)]);
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
