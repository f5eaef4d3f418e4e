/**
 * `X-Hub-Signature-256: sha256=<hex>`: HMAC-SHA256 of the raw body under the app secret.
 *
 * It is checked over the bytes as they came. The provider escapes characters in its JSON in its own
 * way, so a body that was parsed and written again has another signature.
 */

const HEADER = /^sha256=([0-9a-f]{64})$/i;
const HMAC = { name: "HMAC", hash: "SHA-256" };

/** Importing a key costs more than checking a small body; there is one secret for each app. */
const keys = new Map<string, Promise<CryptoKey>>();

/** The 32 bytes in the header, or null if it is missing or has another form. */
export function signatureOf(headers: Headers): Uint8Array<ArrayBuffer> | null {
  const hex = HEADER.exec(headers.get("x-hub-signature-256") ?? "")?.[1];
  if (hex === undefined) return null;
  const bytes = new Uint8Array(32);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Whether `signature` is that of `body` under `secret`. WebCrypto compares in constant time. */
export async function isSignedBy(
  secret: string,
  signature: Uint8Array<ArrayBuffer>,
  body: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  return await crypto.subtle.verify(HMAC, await keyFor(secret), signature, body);
}

function keyFor(secret: string): Promise<CryptoKey> {
  let key = keys.get(secret);
  if (key === undefined) {
    key = crypto.subtle.importKey("raw", new TextEncoder().encode(secret), HMAC, false, ["verify"]);
    keys.set(secret, key);
  }
  return key;
}
