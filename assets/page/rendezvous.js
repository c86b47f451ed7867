// The rendezvous wire, the client's side of it: one text message a line.

export const hello = (uid) => `HELLO ${uid}`;
export const room = (id) => `ROOM ${id}`;
export const peerMessage = (to, text) => `ROOM_PEER_MSG ${to} ${text}`;
export const peerList = () => "ROOM_PEER_LIST";

/** What the server says when a uid is held by a live connection. */
export const UID_TAKEN = "peer uid taken";

/** The longest time that a server may send its clients away for. */
const BACK_IN_LIMIT = 60_000;

/** When a server that stops says it is back, by the reason in its close frame; null if it does not say. */
export function backIn(reason) {
  const seconds = /^back in ([0-9]{1,5}) s$/.exec(reason)?.[1];
  return seconds === undefined ? null : Math.min(Number(seconds) * 1000, BACK_IN_LIMIT);
}

/** What a line from the server says, as an object with a `type`; null if it is not part of the protocol. */
export function parseServerLine(line) {
  const blank = line.indexOf(" ");
  const word = blank < 0 ? line : line.slice(0, blank);
  const rest = blank < 0 ? null : line.slice(blank + 1);
  switch (word) {
    case "HELLO":
      return rest === null ? { type: "hello" } : null;
    case "ROOM_OK":
      return { type: "room", peers: words(rest) };
    case "ROOM_PEER_LIST":
      return { type: "peers", peers: words(rest) };
    case "ROOM_PEER_JOINED":
      return isWord(rest) ? { type: "joined", uid: rest } : null;
    case "ROOM_PEER_LEFT":
      return isWord(rest) ? { type: "left", uid: rest } : null;
    case "ROOM_PEER_MSG":
      return message(rest);
    case "ERROR":
      return { type: "error", text: rest ?? "" };
    default:
      return null;
  }
}

function message(rest) {
  const blank = rest?.indexOf(" ") ?? -1;
  const from = blank < 0 ? rest : rest.slice(0, blank);
  return isWord(from) ? { type: "message", from, text: blank < 0 ? "" : rest.slice(blank + 1) } : null;
}

function words(rest) {
  return (rest ?? "").split(" ").filter((word) => word !== "");
}

function isWord(text) {
  return typeof text === "string" && /^\S{1,256}$/u.test(text);
}
