// The WebSocket to the rendezvous server: at most one, and nothing is heard of one that was given up.

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
    socket.onclose = whileCurrent(() => {
      this.socket = null;
      this.on.closed();
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

/** Where the server that brought this page listens. */
export function socketUrl(page) {
  const url = new URL("ws", page);
  url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
  return url.href;
}
