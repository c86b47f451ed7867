// What there is to be seen, out of what is the case: a plain object that `view.js` draws. It touches nothing.

import { inviteLink } from "./invite.js";
import { farWords, obstacles, offlineWords, stateWords } from "./words.js";

/** How long the server may be gone before the page says so, in milliseconds. */
const OFFLINE_GRACE = 1_500;

/** What a person is told of the line to the server. */
const LINES = {
  idle: "offline",
  connecting: "connecting",
  registering: "connecting",
  joining: "connecting",
  joined: "joined",
  offline: "offline",
  taken: "taken",
};

/**
 * The picture of a `conversation` at the time `now`. `address` and `place` make its link, `notice` is what the page has
 * to say, `pictures` whether there is an own and a far one: `{ own, far }`.
 */
export function pictureOf({ conversation, now, address, place, name, notice, pictures }) {
  const { paused, muted, camera, farHere, farProps, words } = conversation;
  const pairing = conversation.pairing.kind;
  const call = conversation.phase;
  const farPaused = farProps?.paused !== "false";
  const line = LINES[conversation.line.kind];
  const model = { pairing, paused, muted, camera, farHere, farPaused, call, line, name };
  const isUp = call === "connected";
  const far = farWords(isUp ? farProps : null);
  return {
    ...model,
    link: pairing === "waiting" && line !== "taken" ? inviteLink(address, place) : null,
    kept: [],
    usable: (pairing === "paired" || pairing === "accepting") && line !== "taken",
    canUnpause: pairing === "paired" && line !== "taken",
    showOwn: !paused && camera && pictures.own,
    showFar: isUp && !paused && !farPaused && farProps?.videosend === "true" && pictures.far,
    state: [stateWords(model), far.holding].filter(Boolean).join(" "),
    aside: far.behind,
    // Of no use before the two are both there to say them.
    words: pairing === "paired" && line !== "taken" && (farHere || isUp) ? words : null,
    presence: farHere ? (isUp && !farPaused ? "Live" : "Here") : "Away",
    ownStatus: paused ? "paused" : muted ? "muted" : "live",
    farStatus: far.status || (farHere ? (farPaused ? "paused" : "live") : "away"),
    notice: noticeOf(conversation, now, notice),
    title: title(name, paused, call),
  };
}

function noticeOf({ pairing, line }, now, notice) {
  if (line.kind === "taken") return { ...obstacles.taken, kind: "obstacle" };
  if (pairing.kind === "refused" || pairing.kind === "expired") return { ...obstacles[pairing.kind], kind: "obstacle" };
  if (notice) return notice;
  const isLost = line.backoff.since !== null && now - line.backoff.since > OFFLINE_GRACE;
  const seconds = line.kind === "offline" ? Math.round((line.until - now) / 1000) : 0;
  return isLost ? { ...offlineWords(seconds), kind: "warning", action: null } : null;
}

/** The picture where there is no conversation: of the `obstacle`, or of a page that only begins. */
export function emptyPicture({ obstacle, name, kept }) {
  return {
    ...{ pairing: obstacle ?? "starting", paused: true, muted: false, camera: true, farHere: false, farPaused: true },
    ...{ call: "idle", line: "offline", name, link: null, usable: false, canUnpause: false, words: null },
    ...{ showOwn: false, showFar: false, state: "", aside: "", presence: "", ownStatus: "", farStatus: "" },
    kept,
    notice: obstacle ? { ...obstacles[obstacle], kind: "obstacle" } : null,
    title: title(name, true, "idle"),
  };
}

function title(name, paused, call) {
  const state = paused ? "" : call === "connected" ? "● " : "○ ";
  return state + (name ? `${name} · twocan` : "twocan");
}
