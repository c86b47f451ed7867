// Links: what one side hands the other, and what stands in the page's own address.

import { parseId } from "./ids.js";
import { parseKey } from "./pairing.js";

/**
 * What an address says: `{ convo, far, key }`, each null where the address is silent, or `{ broken }` with the name of
 * the part that is not well-formed. Other parameters are ignored, since links pick up tracking on their way.
 */
export function readAddress(address) {
  const url = new URL(address);
  const fragment = new URLSearchParams(url.hash.slice(1));
  const parts = {
    convo: read(url.searchParams.get("convoId"), parseId),
    far: read(url.searchParams.get("farInstanceId"), parseId),
    key: read(fragment.get("key"), parseKey),
  };
  const broken = Object.keys(parts).find((name) => parts[name] === undefined);
  if (broken) return { broken };
  // A far instance and a key mean nothing without the conversation that they belong to.
  return parts.convo === null && (parts.far !== null || parts.key !== null) ? { broken: "convo" } : parts;
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

function read(text, parse) {
  if (text === null) return null;
  return parse(text) ?? undefined;
}
