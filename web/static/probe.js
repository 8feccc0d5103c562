import { retryAfter } from "./token.js";

/**
 * A browser does not say why a WebSocket was refused. The same request without the upgrade does: 401, 403 and 503 come
 * before the 426 that means "you may, but not like this".
 *
 * Answers "token" (get another one), "forbidden", "unreachable", {wait} in milliseconds for a server that will take
 * nobody just now, or null where it would not tell.
 */
export async function probe(address, token, fetch = globalThis.fetch) {
  let response;
  try {
    response = await fetch(address, {
      headers: { Authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(5_000),
      cache: "no-store",
      credentials: "omit",
    });
  } catch {
    return "unreachable";
  }
  switch (response.status) {
    case 401:
      return "token";
    case 403:
      return "forbidden";
    case 503:
      return { wait: retryAfter(response.headers.get("Retry-After")) };
    default:
      return null;
  }
}
