// The WebSocket to the rendezvous server: at most one, and nothing is heard of one that was given up.

import { newId } from "./ids.js";

/** Under which name the tab keeps what it resumes by. */
const RESUME = "resume";

export class Socket {
  constructor(url, { opened, closed, heard }) {
    this.url = url;
    this.on = { opened, closed, heard };
    this.socket = null;
  }

  connect() {
    this.disconnect();
    const socket = new WebSocket(this.url);
    this.socket = socket;
    const whileCurrent = (tell) => (event) => {
      if (this.socket === socket) tell(event);
    };
    socket.onopen = whileCurrent(() => this.on.opened());
    socket.onmessage = whileCurrent(({ data }) => {
      if (typeof data === "string") this.on.heard(data);
    });
    socket.onclose = whileCurrent(({ reason }) => {
      this.socket = null;
      this.on.closed(reason);
    });
  }

  send(text) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(text);
  }

  disconnect() {
    this.socket?.close();
    this.socket = null;
  }
}

/**
 * Where the server that brought this page listens. The address names a secret of this tab, so that its next connection,
 * or the page after a reload, takes over at once from the last, which the server may still take for alive.
 */
export function socketUrl(page) {
  const url = new URL("ws", page);
  url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
  url.search = `?resume=${resume()}`;
  return url.href;
}

/** The next socket of this tab is another's: what it kept is a copy of what another tab still uses. */
export function forgetResume() {
  sessionStorage.removeItem(RESUME);
}

function resume() {
  try {
    sessionStorage[RESUME] ||= newId();
    return sessionStorage[RESUME];
  } catch {
    return newId(); // A browser that keeps nothing.
  }
}
