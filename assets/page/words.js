// What the page says, in plain words.

/** One sentence on where the conversation stands. */
export function stateWords({ pairing, paused, farHere, farPaused, call, line }) {
  if (pairing === "waiting") return "Waiting for the other side to scan the code.";
  if (pairing === "accepting") {
    return farHere ? "Pairing…" : "Waiting for the side that shows the code. Keep both open.";
  }
  if (call === "ending") return "Hanging up…";
  if (call === "reconnecting") {
    const lost = farHere ? "The connection is lost, and is made anew." : "The other side is gone. The call goes on when it is back.";
    return `${lost} ${paused ? "You are paused." : "You are unpaused, and will be heard then."}`;
  }
  if (call === "calling" || call === "connecting") {
    return paused ? "The other side is connecting. You are paused." : "Connecting…";
  }
  if (call === "connected") return connectedWords(paused, farPaused);
  if (line !== "joined") return paused ? "Paused. Looking for the server…" : "Unpaused. Looking for the server…";
  if (farHere) return paused ? "Ready. Unpause to talk." : "Connecting…";
  return paused ? "Paused. The other side is away." : "Unpaused. You will be heard when the other side comes.";
}

function connectedWords(paused, farPaused) {
  if (paused) return farPaused ? "Both of you are paused." : "The other side is talking to you. Unpause to answer.";
  return farPaused ? "You are live. The other side is paused." : "You are talking.";
}

/**
 * What the other side does with what it is told, by what it tells of itself; empty where it plays it at once.
 * `holding` seldom changes; `behind` and the short `status` change every second.
 */
export function farWords(props) {
  const holding = props?.holding === "true" ? "The other side keeps what you say while speaking." : "";
  const seconds = /^\d{1,4}$/.test(props?.behind ?? "") ? Number(props.behind) : 0;
  if (seconds === 0) return { holding, behind: "", status: "" };
  return { holding, behind: `${holding ? "It" : "The other side"} is ${seconds} s behind.`, status: `${seconds} s behind` };
}

const ENDINGS = {
  far_hung_up: "The other side hung up.",
  no_answer: "The other side did not answer. Unpause to try again.",
  no_connection: "Could not connect the two of you. A firewall may be in the way. Unpause to try again.",
  far_gone: "The other side is gone.",
  far_closed: "The other side has left.",
  far_failed: "The other side could not take the call. Unpause to try again.",
  failed: "The call broke off. Unpause to try again.",
};

/** Why a call ended, where that needs saying. */
export function endingWords(reason) {
  return ENDINGS[reason] ?? null;
}

const SUSPICIONS = {
  forged: "Something came in the other side's name that it did not send. It was thrown away: somebody on the way meddles, and learns nothing.",
  silent: "Somebody is there under the other side's name, and does not prove to be it. Nothing is sent there. If this lasts, pair once more.",
};

/** What is not as it should be, and what comes of it. */
export function suspicionWords(why) {
  return SUSPICIONS[why];
}

/** The far side's sound is there, and not played. */
export const soundWords = "This browser plays no sound here yet. Click anywhere, or press a key.";

const DEVICES = { audio: "microphone", video: "camera" };

/** Why a device does not open, and what goes on without it. */
export function deviceWords(kind, { name }) {
  const device = DEVICES[kind];
  const without = kind === "audio" ? "You hear, but are not heard." : "You go on with sound alone.";
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return `This page may not use the ${device}. Allow it in the browser's address bar, then pause and unpause. ${without}`;
    case "NotFoundError":
    case "OverconstrainedError":
      return `No ${device} was found. ${without}`;
    case "NotReadableError":
    case "AbortError":
      return `The ${device} is in use by another program. Close that, then pause and unpause. ${without}`;
    case "DeviceLost":
      return `The ${device} was unplugged. It is used again when it is back. ${without}`;
    default:
      return `The ${device} did not open. ${without}`;
  }
}

/** That the browser does not store what has to last. */
export const notKept = "This browser does not store this conversation: it is gone when the page is closed. Make room, then reload.";

/** What stands in the way of using this page at all: `{ text, action }`. */
export const obstacles = {
  insecure: {
    text: "This page was not opened over https, so the browser keeps the microphone from it. Open the https address.",
  },
  broken: {
    text: "This link is broken: a part of it is missing or was changed on the way. Ask for it again, or start a new conversation.",
    action: "start-new",
  },
  unknown: {
    text: "This browser does not know this conversation. Open the bookmark where you paired, or ask the other side for a new code.",
    action: "start-new",
  },
  refused: {
    text: "This code was used already: it lets in one device only. Ask the other side for a new one.",
    action: "start-new",
  },
  expired: { text: "The code was not used for a day, and is erased.", action: "new-code" },
  storage: {
    text: "This browser keeps no keys for this page, as some do in a private window. Open it in an ordinary window, and let it store data.",
  },
  keyless: {
    text: "This browser has no key for this conversation: it is of an older version, or was cleared. Pair once more, by a new code.",
    action: "new-code",
  },
  old: { text: "This browser is too old to seal what you say. Update it, or use another." },
  taken: { text: "This conversation is open in another tab or window.", action: "take-over" },
};

/** That the server does not answer; `aside`, which is not read out at every change, says when it is tried again. */
export function offlineWords(seconds) {
  return { text: "The server does not answer. Trying again", aside: seconds > 0 ? ` in ${seconds} s.` : "…" };
}

/** What to say when no relay is to be had. */
export const turnRefused =
  "The relay (TURN server) does not take this server's password, so some networks cannot be crossed. Whoever runs the server has to correct its turn-secret-file.";
