// What the browser keeps: for ever of a conversation that is paired, for this tab only of a code that waits.

import { parseId } from "./ids.js";
import { parseKey } from "./pairing.js";

const NAME_LIMIT = 80;

/** What is kept of `convo`: `{ me, far, reply, name, camera }`; null if it is not known here, or not readable. */
export function loadConversation(convo) {
  const kept = read(localStorage, convo);
  return kept && parseId(kept.me) && parseId(kept.far) ? kept : null;
}

export function saveConversation(convo, kept) {
  write(localStorage, convo, kept);
}

/** The conversations kept here, by name: `[{ convo, name }]`. */
export function listConversations() {
  const convos = Object.keys(localStorage).filter((key) => parseId(key) === key);
  return convos
    .map((convo) => ({ convo, name: loadConversation(convo)?.name }))
    .filter(({ name }) => typeof name === "string")
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** The code that waits in this tab: `{ me, key, made, name }`, and `far` where this side came by a link. */
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

/** `text` as a name: one line, without blanks around it, not too long. */
export function asName(text) {
  return String(text ?? "").replace(/\s+/g, " ").trim().slice(0, NAME_LIMIT);
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
