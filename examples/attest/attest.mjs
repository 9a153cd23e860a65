// Lets a Worker prove which credential it runs with, to somebody who knows that
// credential, and to nobody else. The protocol, and why this is safe on a public
// address: docs/decisions/0002-attest.md. No dependency but WebCrypto.

export const path = "/.well-known/attest";

const domain = "secret-rotation/attest/v1";
const maxAge = 300; // seconds that a request's time may be off
const text = new TextEncoder();

/**
 * Answers a request for the path above, and nothing (undefined) for any other.
 *
 * @param {Request} request
 * @param {Record<string, string[]>} credentials name of the secret in the
 *   catalog -> its values as the Worker runs with them, all of them, in the order
 *   of the catalog's entries
 * @returns {Promise<Response | undefined>}
 */
export async function attest(request, credentials) {
  const url = new URL(request.url);
  if (url.pathname !== path) return undefined;
  const name = url.searchParams.get("name") ?? "";
  const nonce = url.searchParams.get("nonce") ?? "";
  const time = url.searchParams.get("time") ?? "";
  const mac = request.headers.get("Attest-Mac") ?? "";
  if (request.method !== "GET" || !wellFormed(name, nonce, time, mac)) return refusal();
  // A name that is not known is tried too, and takes about as long.
  const values = Object.hasOwn(credentials, name) ? credentials[name] : [];
  const known = values.length > 0 && values.every((v) => typeof v === "string" && v !== "");
  const key = await derive(known ? values : []);
  // verify compares in constant time.
  const right = await crypto.subtle.verify("HMAC", key, fromHex(mac), message("req", name, nonce, time));
  const fresh = Math.abs(Date.now() / 1000 - Number(time)) <= maxAge;
  if (!known || !right || !fresh) return refusal();
  const answer = await crypto.subtle.sign("HMAC", key, message("resp", name, nonce));
  return new Response(JSON.stringify({ name, nonce, mac: toHex(answer) }), {
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store" },
  });
}

// refusal is the same for every reason.
function refusal() {
  return new Response("404 page not found\n", { status: 404, headers: { "Cache-Control": "no-store" } });
}

// wellFormed also keeps NUL, the separator, out of what is signed.
function wellFormed(name, nonce, time, mac) {
  return /^[a-z0-9-]{1,64}$/.test(name) && /^[0-9a-f]{32}$/.test(nonce) &&
    /^(0|[1-9][0-9]{0,14})$/.test(time) && /^[0-9a-f]{64}$/.test(mac);
}

// derive makes K of all values: HMAC under the domain's name over their number
// and each with its length, so that neither half a pair nor a shifted border
// between two values gives the same key.
async function derive(values) {
  const parts = values.map((v) => text.encode(v));
  const whole = new Uint8Array(8 + parts.reduce((sum, p) => sum + 8 + p.length, 0));
  const view = new DataView(whole.buffer);
  view.setBigUint64(0, BigInt(parts.length));
  let at = 8;
  for (const part of parts) {
    view.setBigUint64(at, BigInt(part.length));
    whole.set(part, at + 8);
    at += 8 + part.length;
  }
  const k = await crypto.subtle.sign("HMAC", await hmacKey(text.encode(domain)), whole);
  return hmacKey(k);
}

function hmacKey(raw) {
  return crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
}

function message(...parts) {
  return text.encode(parts.join("\0"));
}

function fromHex(hex) {
  return Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));
}

function toHex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
