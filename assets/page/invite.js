// Links: what one side hands the other, and what stands in the page's own address.

import { parseId } from "./ids.js";
import { parseKey } from "./pairing.js";

/**
 * What an address says: `{ convo, far, key }`, each null where it is silent or not well-formed, and as `broken` the
 * first part that should be there and is not. Other parameters are ignored: links pick up tracking on their way.
 */
export function readAddress(address) {
  const { searchParams, hash } = new URL(address);
  const text = {
    convo: searchParams.get("convoId"),
    far: searchParams.get("farInstanceId"),
    key: new URLSearchParams(hash.slice(1)).get("key"),
  };
  const invites = text.far !== null;
  const convo = parseId(text.convo);
  const far = parseId(text.far);
  const key = invites ? parseKey(text.key) : null;
  const wanted = { convo: text.convo !== null || invites, far: invites, key: invites };
  const found = { convo, far, key };
  const broken = Object.keys(wanted).find((part) => wanted[part] && found[part] === null) ?? null;
  return { ...found, broken };
}

/** The link that lets another side into `convo`: what is behind `#` never reaches a server. */
export function inviteLink(page, { convo, me, key }) {
  const url = bookmark(page, convo);
  url.searchParams.set("farInstanceId", me);
  url.hash = `key=${key}`;
  return url.href;
}

/** The address under which `convo` is found again. */
export function bookmark(page, convo) {
  const url = new URL(page);
  url.search = "";
  url.hash = "";
  url.searchParams.set("convoId", convo);
  return url;
}
