/**
 * Why no token was given. `kind` is what to do about it: "refused" (another key is needed), "limited" (wait `wait`
 * milliseconds), "unavailable" (the server cannot say; try again) or "unreachable". `message` is for a person.
 */
export class TokenError extends Error {
  constructor(kind, message, wait = 0) {
    super(message);
    this.kind = kind;
    this.wait = wait;
  }
}

/**
 * POST /auth/token. Answers {token, user, expiresIn (seconds)} or throws a TokenError. A store that does not answer is
 * not a wrong key, and is never told as one.
 */
export async function exchange(key, fetch = globalThis.fetch) {
  let response, body;
  try {
    response = await fetch("/auth/token", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ api_key: key }),
      signal: AbortSignal.timeout(10_000),
      cache: "no-store",
      credentials: "omit",
    });
    body = await response.json().catch(() => ({}));
  } catch {
    throw new TokenError("unreachable", "The server cannot be reached. Is tickerd running?");
  }
  if (response.ok && typeof body.token === "string") {
    return { token: body.token, user: body.user_id, expiresIn: body.expires_in };
  }
  throw refusal(response, body);
}

function refusal(response, body) {
  const wait = retryAfter(response.headers.get("Retry-After"));
  switch (response.status) {
    case 400:
    case 413:
      return new TokenError("refused", "That does not look like an API key.");
    case 401:
      return new TokenError("refused", "This API key is not valid. It may be mistyped, expired or revoked.");
    case 429: {
      const pause = wait || 5_000;
      return new TokenError("limited", `Too many attempts from your address. Please wait ${seconds(pause)}.`, pause);
    }
    case 500:
      return new TokenError("unavailable", "The key cannot be checked: the server’s database does not answer. Your key may be fine; try again in a moment.", wait);
    case 503:
      return new TokenError("unavailable", "The server is not taking anyone in just now. Try again in a moment.", wait);
    default: {
      const said = typeof body.error === "string" ? `: ${body.error}` : "";
      return new TokenError("unavailable", `The server answered with status ${response.status}${said}.`, wait);
    }
  }
}

/** Retry-After is seconds or a date. Answers milliseconds, 0 where there is none. */
export function retryAfter(header, now = Date.now()) {
  if (!header) return 0;
  const wait = /^\s*\d+\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : 0;
}

export function seconds(milliseconds) {
  const n = Math.max(1, Math.ceil(milliseconds / 1_000));
  return n === 1 ? "1 second" : `${n} seconds`;
}
