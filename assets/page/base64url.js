// Bytes as text: base64url without padding, in its one spelling.

export function toBase64url(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes that `text` spells; null if it is not how `toBase64url` would have spelled them. */
export function fromBase64url(text) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  // The last character may hold bits behind the last byte: they must be clear.
  return toBase64url(bytes.subarray(bytes.length - (bytes.length % 3))) === text.slice(text.length - (text.length % 4))
    ? bytes
    : null;
}
