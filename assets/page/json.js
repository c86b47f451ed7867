// Texts from elsewhere, read with suspicion: nothing here throws on them.

/** The longest text that is looked at: 64 KiB, as much as the server relays. */
const TEXT_LIMIT = 64 * 1024;

/** The object that `text` is as JSON; null if it is none, or too long. */
export function parseObject(text) {
  if (typeof text !== "string" || isLonger(text, TEXT_LIMIT)) return null;
  try {
    const value = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Whether `text` has more than `limit` bytes. */
export function isLonger(text, limit) {
  return text.length > limit || new TextEncoder().encode(text).length > limit;
}

/** Whether `value` has fields by name. */
export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
