// What the browser keeps: for ever of a conversation that is paired, for this tab only of a code that waits.

import { parseId } from "./ids.js";
import { parseKey } from "./pairing.js";

const NAME_LIMIT = 80;

/** How long after a page was left one that is opened in its tab is the same, reloaded; in milliseconds. */
const RELOAD_LIMIT = 5_000;

/**
 * What is kept of `convo`: `{ me, far, farKey, spent, name, camera }`; null if it is not known here, or not readable.
 * `farKey` is missing where the two were paired before calls were sealed.
 */
export function loadConversation(convo) {
  const kept = read(localStorage, convo);
  if (!kept || !parseId(kept.me) || !parseId(kept.far)) return null;
  return { ...kept, farKey: parseKey(kept.farKey), spent: parseKey(kept.spent) };
}

export function saveConversation(convo, kept) {
  write(localStorage, convo, kept);
}

export function forgetConversation(convo) {
  localStorage.removeItem(convo);
}

/** The conversations kept here, by name: `[{ convo, name }]`. */
export function listConversations() {
  const convos = Object.keys(localStorage).filter((key) => parseId(key) === key);
  return convos
    .map((convo) => ({ convo, name: loadConversation(convo)?.name }))
    .filter(({ name }) => typeof name === "string")
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** The code that waits in this tab: `{ me, key, made, name }`, and `far` and maybe `farKey` where it came by a link. */
export function loadCode(convo) {
  const kept = read(sessionStorage, codeKey(convo));
  const whole = kept && parseId(kept.me) && parseKey(kept.key) && Number.isFinite(kept.made);
  return whole && (kept.far === undefined || parseId(kept.far)) ? kept : null;
}

export function saveCode(convo, kept) {
  write(sessionStorage, codeKey(convo), kept);
}

export function eraseCode(convo) {
  sessionStorage.removeItem(codeKey(convo));
}

/** Notes how the page is left, so that it goes on like that if it is reloaded: `{ paused, muted }`. */
export function noteLeft(convo, state) {
  write(sessionStorage, leftKey(convo), { ...state, at: Date.now() });
}

/** What was noted when this page was left a moment ago, once; null if it was not, or long ago. */
export function takeLeft(convo) {
  const left = read(sessionStorage, leftKey(convo));
  sessionStorage.removeItem(leftKey(convo));
  return left && Math.abs(Date.now() - left.at) < RELOAD_LIMIT ? left : null;
}

/** `text` as a name: one line, without blanks around it, not too long. */
export function asName(text) {
  return String(text ?? "").replace(/\s+/g, " ").trim().slice(0, NAME_LIMIT);
}

function leftKey(convo) {
  return `left:${convo}`;
}

function codeKey(convo) {
  return `code:${convo}`;
}

function read(storage, key) {
  try {
    const value = JSON.parse(storage.getItem(key));
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

function write(storage, key, value) {
  storage.setItem(key, JSON.stringify(value));
}
