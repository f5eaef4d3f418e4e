/** What the environment says. It is read when it is needed: the platform may set it at any time. */

/** An app's name, as it stands in the URL. Letters, digits, `.`, `_`, `-`; at most 64. */
const APP = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function isAppName(text: string): boolean {
  return APP.test(text);
}

/** The secret with which the provider signs what it sends for this app, or null if there is none. */
export function appSecret(app: string): string | null {
  return read(`WHATSAPP_APP_SECRET_${asVariable(app)}`);
}

/** What we told the provider to show us when it subscribes, or null if there is none. */
export function verifyToken(app: string): string | null {
  return read(`WHATSAPP_VERIFY_TOKEN_${asVariable(app)}`);
}

/** The name that `appSecret` reads, for log lines that say what is missing. */
export function appSecretName(app: string): string {
  return `WHATSAPP_APP_SECRET_${asVariable(app)}`;
}

/** The name that `verifyToken` reads, for log lines that say what is missing. */
export function verifyTokenName(app: string): string {
  return `WHATSAPP_VERIFY_TOKEN_${asVariable(app)}`;
}

/** Where the database is: our own setting, else the one that Supabase gives every function. */
export function databaseUrl(): string | null {
  return read("SENDONCE_DB_URL") ?? read("SUPABASE_DB_URL");
}

/** A certificate (PEM) that the database's own must be signed by, where `sslmode` verifies it. */
export function databaseCertificate(): string | null {
  return read("SENDONCE_DB_CA");
}

/** Where to listen under plain Deno. Null on Supabase, which listens itself. */
export function listenAddress(): { hostname: string; port: number } | null {
  const port = read("PORT");
  if (port === null) return null;
  return { hostname: read("HOST") ?? "127.0.0.1", port: Number(port) };
}

function asVariable(app: string): string {
  return app.toUpperCase().replace(/[^A-Z0-9]/g, "_");
}

/**
 * An empty value is no value: anybody can sign with an empty secret. Blanks at the ends come from
 * files and consoles, never from the provider.
 */
function read(name: string): string | null {
  return Deno.env.get(name)?.trim() || null;
}
