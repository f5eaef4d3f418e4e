/** Reads a request's raw body, but never more of it than we are ready to hold, nor for ever. */

/** The provider's bodies have up to 3 MB; the margin is for what it may add. In bytes. */
export const BODY_LIMIT = 4 * 1024 * 1024;

/** How long the sender may take to hand the body over, in milliseconds. */
export const BODY_TIMEOUT = 10_000;

/** Why a body could not be had. */
export type BodyProblem = "too_large" | "too_slow" | "broken_off";

/** The bytes of the body, or why they could not be had. */
export async function readBody(request: Request): Promise<Uint8Array<ArrayBuffer> | BodyProblem> {
  if (Number(request.headers.get("content-length") ?? 0) > BODY_LIMIT) return "too_large";
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array();

  let tooSlow = false;
  const timer = setTimeout(() => {
    tooSlow = true;
    reader.cancel().catch(() => {});
  }, BODY_TIMEOUT);
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (tooSlow) return "too_slow";
      if (done) return joined(chunks, size);
      size += value.byteLength;
      // The length that was announced need not be the one that comes, and chunked bodies have none.
      if (size > BODY_LIMIT) {
        reader.cancel().catch(() => {});
        return "too_large";
      }
      chunks.push(value);
    }
  } catch {
    return tooSlow ? "too_slow" : "broken_off";
  } finally {
    clearTimeout(timer);
  }
}

function joined(chunks: Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const body = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}
