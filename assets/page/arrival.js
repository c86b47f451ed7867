// Where a page stands when it is opened: decided once, from its address and from what is kept.

import { newId } from "./ids.js";
import { readAddress } from "./invite.js";
import { CODE_LIMIT, newKey } from "./pairing.js";
import * as store from "./store.js";

/**
 * Where this page stands: `{ convo, me, name }`, with `far` if it is paired, with `key` and `made` if it shows a code,
 * and with `farOfCode` too if it came by one; or `{ obstacle }`, the name of what stands in the way.
 */
export function arrive() {
  const { convo, far, key, broken } = readAddress(location.href);
  // The key must not stay in the address bar, nor in the history.
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (!window.isSecureContext) return { obstacle: "insecure" };
  if (convo === null) return broken ? { obstacle: "broken" } : begin();
  const kept = store.loadConversation(convo);
  if (kept?.farKey) return { convo, ...kept };
  const code = store.loadCode(convo);
  // A link to another code than the one that waits here is a newer one: the other side has forgotten the last.
  const isInvited = far !== null && !broken && far !== code?.me && key !== code?.key;
  if (isInvited) return accept(convo, far, key, (code ?? kept)?.name ?? "");
  if (code) return resume(convo, code);
  // Paired before calls were sealed: the two have to do it once more.
  if (kept) return { convo, name: kept.name, obstacle: "keyless" };
  return broken ? { obstacle: "broken" } : { convo, obstacle: "unknown" };
}

function begin() {
  const convo = newId();
  const code = { me: newId(), key: newKey(), made: Date.now(), name: "" };
  store.saveCode(convo, code);
  return { convo, ...code };
}

function resume(convo, code) {
  if (Date.now() - code.made < CODE_LIMIT) return { convo, ...code, farOfCode: code.far, far: undefined };
  store.eraseCode(convo);
  return { convo, name: code.name, obstacle: code.far ? "refused" : "expired" };
}

function accept(convo, far, key, name) {
  const code = { me: newId(), far, key, made: Date.now(), name };
  store.saveCode(convo, code);
  return { convo, ...code, farOfCode: far, far: undefined };
}
