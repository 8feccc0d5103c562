// What a close code tells the client to do: 4000 to 4499 and everything else reconnect, 4500 to 4999 do not.

/**
 * "stop": the server will not have this key again. "renew": get a token and reconnect at once. "now": reconnect at
 * once, because the server announced the close and has spread it. "later": reconnect with backoff.
 */
export function verdict(code, announced) {
  if (code >= 4500 && code <= 4999) return "stop";
  if (code === 4001) return "renew";
  if (code === 1001 && announced) return "now";
  return "later";
}

const REASONS = {
  1001: "The server is restarting.",
  1006: "The connection was lost.",
  1013: "The server is busy.",
  4001: "The session ended and is being renewed.",
  4003: "This page sent too many messages.",
  4004: "The connection did not answer.",
  4500: "This API key was revoked. Please sign in with another.",
  4501: "This API key may no longer see these prices. Please sign in with another.",
};

/** One sentence for a person. `text` is what the server gave as its reason, and is shown where the code is unknown. */
export function reason(code, text = "") {
  if (REASONS[code]) return REASONS[code];
  const said = text ? `, saying “${text}”` : "";
  return `The server closed the connection${said} (code ${code}).`;
}
