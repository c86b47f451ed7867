// A server that cannot be trusted: it stands between the two sides and a real one, and does as it is told.

import { randomBytes } from "node:crypto";
import http from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { clock, eventually } from "./timeline.mjs";

/** Lets every line pass as it is. */
export const honest = ({ text }) => text;

/** What a frame of two twocans is, by its outer key and step: `KK1`, `XX2`, `sealed`, `refused`. */
export function kindOf(frame) {
  if (frame?.noise) return `${frame.noise.pattern === "KK" ? "KK" : "XX"}${frame.noise.step}`;
  return Object.keys(frame ?? {})[0] ?? null;
}

/** `frame` with its data changed by `change`, which takes and gives bytes. */
export function withData(frame, change) {
  const [[key, fields]] = Object.entries(frame);
  if (typeof fields.data !== "string") return frame;
  return { [key]: { ...fields, data: change(Buffer.from(fields.data, "base64url")).toString("base64url") } };
}

/** The bytes with one bit turned over, at this part of their length. */
export const flip = (part) => (bytes) => {
  const at = Math.min(bytes.length - 1, Math.floor(part * bytes.length));
  bytes[at] ^= 0x10;
  return bytes;
};

/** Frames that nobody's keys made, of every kind. */
export function junk() {
  const id = () => Array.from(randomBytes(13), (byte) => "abcdefghijklmnopqrstuvwxyz234567"[byte % 32]).join("");
  const noise = (pattern, step, size) => ({ noise: { pattern, id: id(), step, data: randomBytes(size).toString("base64url") } });
  const candidate = "candidate:1 1 UDP 2130706431 127.0.0.1 9 typ host";
  return [
    noise("KK", 1, 48),
    noise("KK", 2, 48),
    noise("XXpsk0", 1, 48),
    noise("XXpsk0", 2, 96),
    noise("XXpsk0", 3, 160),
    { sealed: { id: id(), n: 0, data: randomBytes(200).toString("base64url") } },
    { refused: { proof: randomBytes(32).toString("base64url") } },
    { sdp: { type: "offer", sdp: "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" } },
    { ice: { candidate, sdpMid: "0", sdpMLineIndex: 0 } },
    { version: "3.0", type: "SETUP", sessid: id(), resp: false, sdp: "v=0\r\n", props: {} },
    { version: "3.0", type: "CANCEL", sessid: id(), resp: false },
    { version: "3.0", type: "REJECT", sessid: id(), resp: false },
  ];
}

export class Meddler {
  /** Stands before the server at `origin`. */
  static async start(origin) {
    const meddler = new Meddler(origin);
    await new Promise((resolve) => meddler.server.listen(0, "127.0.0.1", resolve));
    meddler.origin = `http://localhost:${meddler.server.address().port}`;
    return meddler;
  }

  constructor(origin) {
    this.behind = new URL(origin);
    /** Takes each line, `{ client, way, text, kind, frame, to }`; gives what becomes of it: a text, several, or null. */
    this.rule = honest;
    this.clients = new Set();
    /** Every frame that a side sent, `{ at, from, to, kind, frame }`, before it was meddled with. */
    this.frames = [];
    this.server = http.createServer((request, response) => this.page(request, response));
    const sockets = new WebSocketServer({ server: this.server });
    sockets.on("connection", (socket, request) => this.connected(socket, request));
  }

  page(request, response) {
    const { url: path, method, headers } = request;
    const onward = http.request({ host: "127.0.0.1", port: this.behind.port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  }

  connected(near, { url, headers }) {
    const onward = Object.fromEntries(["host", "origin"].flatMap((name) => (headers[name] ? [[name, headers[name]]] : [])));
    const far = new WebSocket(`ws://127.0.0.1:${this.behind.port}${url}`, { headers: onward });
    const client = { uid: null, near, far };
    const opened = new Promise((resolve) => far.once("open", resolve));
    this.clients.add(client);
    near.on("message", async (data) => {
      await opened;
      this.pass(client, "up", `${data}`);
    });
    far.on("message", (data) => this.pass(client, "down", `${data}`));
    const over = () => {
      this.clients.delete(client);
      near.terminate();
      far.terminate();
    };
    for (const socket of [near, far]) socket.on("close", over).on("error", over);
  }

  pass(client, way, text) {
    if (way === "up" && text.startsWith("HELLO ")) client.uid = text.slice("HELLO ".length);
    const line = { client, way, text, kind: null, frame: null, to: null };
    const message = /^ROOM_PEER_MSG (\S+) (.*)$/s.exec(text);
    if (message && way === "up") {
      const frame = parse(message[2]);
      Object.assign(line, { to: message[1], frame, kind: kindOf(frame) });
      this.frames.push({ at: clock(), from: client.uid, to: line.to, kind: line.kind, frame });
    }
    const outcome = this.rule(line);
    for (const said of [outcome].flat()) if (said !== null) send(way === "up" ? client.far : client.near, said);
  }

  client(uid) {
    return [...this.clients].reverse().find((client) => client.uid === uid);
  }

  /** Says a line to the side registered as `uid`, as if the server did. */
  tell(uid, text) {
    const client = this.client(uid);
    if (client) send(client.near, text);
  }

  /** Has `uid` get a frame as if `from` had sent it. */
  forge(from, uid, frame) {
    this.tell(uid, `ROOM_PEER_MSG ${from} ${JSON.stringify(frame)}`);
  }

  /** Breaks the line of everybody; they will be back. */
  cut() {
    for (const { near } of [...this.clients]) near.terminate();
  }

  /** The first frame that passes `test`, of those after a cursor (`frames.length` at the time). */
  frame(what, test, from = 0) {
    return eventually(what, () => this.frames.slice(from).find(test));
  }

  stop() {
    for (const { near, far } of this.clients) [near, far].forEach((socket) => socket.terminate());
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A line with another frame in it. */
export const withFrame = ({ to }, frame) => `ROOM_PEER_MSG ${to} ${JSON.stringify(frame)}`;

/** Somebody else who speaks with the server, under any uid. */
export class Stranger {
  static async join(origin, uid) {
    const stranger = new Stranger(new URL(origin), uid);
    await new Promise((resolve, reject) => {
      stranger.socket.once("open", resolve).once("error", reject);
    });
    stranger.say(`HELLO ${uid}`);
    await eventually("the stranger's registration", () => stranger.heard.includes("HELLO"));
    stranger.say(`ROOM ${uid.split(":")[1]}`);
    await eventually("the stranger in the room", () => stranger.heard.find((line) => line.startsWith("ROOM_OK")));
    return stranger;
  }

  constructor({ port }, uid) {
    this.uid = uid;
    this.heard = [];
    this.answer = () => [];
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    this.socket.on("message", (data) => this.hear(`${data}`)).on("error", () => {});
  }

  hear(text) {
    this.heard.push(text);
    const message = /^ROOM_PEER_MSG (\S+) (.*)$/s.exec(text);
    if (!message) return;
    for (const frame of this.answer(parse(message[2]))) this.send(message[1], frame);
  }

  say(text) {
    send(this.socket, text);
  }

  send(to, frame) {
    this.say(`ROOM_PEER_MSG ${to} ${JSON.stringify(frame)}`);
  }

  async leave() {
    const closed = new Promise((resolve) => this.socket.once("close", resolve));
    this.socket.close();
    await closed;
  }
}

function send(socket, text) {
  if (socket.readyState === WebSocket.OPEN) socket.send(text);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
