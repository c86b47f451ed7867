// The page of a room: the address, the line to the server, a connection for each member, the one microphone and camera.

import { Capture } from "./capture.js";
import { IceServers } from "./ice.js";
import { parseRoom } from "./ids.js";
import { Meters } from "./meter.js";
import { watchNetwork } from "./network.js";
import { Peer, makeCertificate } from "./peer.js";
import { Roster, isOn } from "./roster.js";
import { RoomView, drawNoRoom } from "./room-view.js";
import { Silence } from "./silence.js";
import { Socket, forgetResume, socketUrl } from "./socket.js";
import { takeConversation } from "./tabs.js";
import { deviceWords, soundWords, turnRefused } from "./words.js";

/** How often levels are drawn while something is open, in milliseconds. */
const LEVEL_EVERY = 50;
/** How long silence is sent after a pause, in milliseconds: receivers take a short one for delay. */
const SILENCE_FOR = 30_000;
/** A picture that has not changed for so long is taken away, in milliseconds. */
const STILL = 2_000;
/** Under which name the tab keeps what it goes by. */
const UID = "room-uid";

const now = () => performance.now();

/** A number, as some peers read nothing else; six digits are soon said, and one that is taken is drawn anew. */
function number() {
  return `${100_000 + (crypto.getRandomValues(new Uint32Array(1))[0] % 900_000)}`;
}

/** What this tab goes by, for as long as it is there; a copy of a tab that is still open draws anew. */
async function ownUid() {
  try {
    const isKept = UID in sessionStorage;
    sessionStorage[UID] ||= number();
    if ((await isMine(sessionStorage[UID])) || !isKept) return sessionStorage[UID];
    forgetResume();
    return newUid();
  } catch {
    return number(); // A browser that keeps nothing.
  }
}

function newUid() {
  const uid = number();
  try {
    sessionStorage[UID] = uid;
    isMine(uid);
  } catch {
    // It is another after a reload.
  }
  return uid;
}

/** Whether no other tab goes by it; from now on this one does. */
function isMine(uid) {
  return takeConversation(`room ${uid}`, { steal: false, lost: () => {} }).catch(() => true);
}

class RoomPage {
  constructor(room, uid) {
    this.room = room;
    this.paused = true;
    this.muted = false;
    this.camera = true;
    this.notice = null;
    /** By number: the connections, each with `uid`, `audio`, `video`. */
    this.peers = new Map();
    /** By uid: the number of the connection that is played. */
    this.used = new Map();
    /** By uid, and null for this side: meters of what is heard. */
    this.meterOf = new Map();
    this.meters = new Meters();
    this.silence = new Silence();
    this.ice = new IceServers();
    this.capture = new Capture({
      changed: (kind, track) => this.captured(kind, track),
      failed: (kind, error) => this.warn(deviceWords(kind, error)),
    });
    this.view = new RoomView((action) => this.act(action));
    this.roster = new Roster({ uid, room, number: newUid, told: (output) => this.carryOut(output) });
    this.socket = new Socket(socketUrl(location.href), {
      opened: () => this.handle({ type: "opened" }),
      closed: (reason) => this.handle({ type: "closed", reason }),
      heard: (text) => this.handle({ type: "line", text }),
    });
  }

  async start() {
    this.certificate = await makeCertificate().catch(() => null);
    watchNetwork(() => this.handle({ type: "networkChanged" }));
    document.addEventListener("visibilitychange", () => document.hidden || this.handle({ type: "start" }));
    // Whoever leaves is gone at once for the others.
    addEventListener("pagehide", () => this.socket.disconnect());
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.capture.refill());
    for (const kind of ["click", "keydown"]) addEventListener(kind, () => this.unblock());
    this.handle({ type: "start" });
  }

  handle(input) {
    this.roster.handle(now(), input);
    clearTimeout(this.timer);
    const wait = this.roster.deadline() - now();
    if (wait < Infinity) this.timer = setTimeout(() => this.handle({ type: "deadline" }), Math.max(0, wait));
  }

  carryOut(output) {
    const peer = this.peers.get(output.id);
    const actions = {
      connect: () => this.socket.connect(),
      disconnect: () => this.socket.disconnect(),
      send: () => this.socket.send(output.text),
      offer: () => this.newPeer(output).offer(),
      answer: () => this.newPeer(output).answer(output.sdp),
      acceptAnswer: () => peer?.acceptAnswer(output.sdp),
      addCandidate: () => peer?.addCandidate(output),
      use: () => this.use(output.uid, output.id),
      close: () => this.close(output.uid, output.id),
      stopped: () => this.setPaused(true),
      changed: () => this.draw(),
    };
    actions[output.type]();
  }

  // ── connections ──

  newPeer({ id, uid }) {
    const peer = new Peer({
      connection: { sessid: id, generation: 0 },
      certificate: this.certificate,
      ice: this.ice,
      hasChannel: false,
      tell: (event) => this.handle({ type: "media", id, event }),
      received: (kind, track) => this.received(uid, id, kind, track),
      refused: () => this.warn(turnRefused),
    });
    this.peers.set(id, peer);
    for (const kind of ["audio", "video"]) if (this.capture.tracks[kind]) peer.use(kind, this.capture.tracks[kind]);
    return peer;
  }

  received(uid, id, kind, track) {
    const peer = this.peers.get(id);
    peer.farTracks[kind] = track;
    if (this.used.get(uid) === id) this.show(uid, peer);
  }

  /** From now on what comes by this connection is played. */
  use(uid, id) {
    this.used.set(uid, id);
    this.show(uid, this.peers.get(id));
  }

  show(uid, { farTracks }) {
    this.view.play(uid, farTracks, () => this.soundRefused());
    this.meter(uid, this.paused ? null : farTracks.audio);
    this.draw();
  }

  close(uid, id) {
    this.peers.get(id)?.close();
    this.peers.delete(id);
    if (this.used.get(uid) !== id) return;
    this.used.delete(uid);
    this.meter(uid, null);
    this.view.play(uid, { audio: null, video: null });
  }

  // ── the gate ──

  setPaused(paused) {
    if (paused === this.paused || (!paused && this.roster.line.kind === "taken")) return;
    this.paused = paused;
    if (paused) {
      this.capture.close();
      for (const key of [...this.meterOf.keys()]) this.meter(key, null);
      clearInterval(this.levels);
      this.meters.stop();
    } else {
      this.warn(null);
      this.meters.start();
      this.capture.open();
      for (const [uid, id] of this.used) this.meter(uid, this.peers.get(id).farTracks.audio);
      this.levels = setInterval(() => this.drawLevels(), LEVEL_EVERY);
    }
    this.view.setHeard(!paused, () => this.soundRefused());
    this.draw();
  }

  captured(kind, track) {
    if (kind === "audio") this.meter(null, track);
    else this.view.playOwn(track);
    this.draw();
    return kind === "audio" ? this.sendSound(track) : this.send(kind, track);
  }

  send(kind, track) {
    return Promise.all([...this.peers.values()].map((peer) => peer.use(kind, track)));
  }

  /** Sends the microphone's track, or silence when there is none, and after a while nothing. */
  async sendSound(track) {
    clearTimeout(this.fading);
    if (!track) {
      this.silence.start();
      this.fading = setTimeout(() => this.send("audio", null).then(() => this.silence.stop()), SILENCE_FOR);
    }
    await this.send("audio", track ?? this.silence.track);
    if (track && this.capture.tracks.audio === track) this.silence.stop();
  }

  meter(key, track) {
    this.meterOf.get(key)?.close();
    this.meterOf.delete(key);
    if (track) this.meterOf.set(key, this.meters.meter(track));
    else this.view.drawLevel(key, -Infinity);
  }

  drawLevels() {
    for (const [key, meter] of this.meterOf) this.view.drawLevel(key, meter.level());
    this.view.hideStill(STILL);
  }

  /** After a reload a browser lets nothing sound before there is a click. */
  soundRefused() {
    if (!this.paused) this.warn(soundWords);
  }

  unblock() {
    if (this.notice !== soundWords) return;
    this.warn(null);
    this.meters.start();
    this.view.setHeard(!this.paused, () => this.soundRefused());
  }

  // ── the person ──

  act({ type, on }) {
    const actions = {
      toggle: () => this.setPaused(!this.paused),
      mute: () => this.capture.setMuted((this.muted = on)),
      camera: () => this.capture.setCamera((this.camera = on)),
      dismiss: () => this.warn(null),
    };
    actions[type]();
    this.draw();
  }

  warn(text) {
    this.notice = text;
    this.draw();
  }

  draw() {
    const { room, paused, muted, camera, notice, roster } = this;
    const { line, isFull, complaint, counts } = roster;
    const hasTile = (member) => isOn(member) || (member.isHere && !member.isTooMany && !isFull);
    const shown = [...roster.members.values()].filter(hasTile);
    const members = shown.map((member) => ({ uid: member.uid, how: howIs(member, line) }));
    const own = { sound: this.capture.tracks.audio !== null, picture: this.capture.tracks.video !== null };
    const { uid } = roster;
    this.view.draw({ room, uid, paused, muted, camera, notice, line, isFull, complaint, counts, members, own });
  }
}

/** `up`, `leaving`, `connecting`, or `apart` when nothing is tried any more. */
function howIs({ up, next, isHere, isAhead, retryAt }, line) {
  if (up) return isHere ? "up" : "leaving";
  if (next || retryAt) return "connecting";
  return isAhead || line.kind !== "joined" ? "apart" : "connecting";
}

const asked = new URLSearchParams(location.search).get("room") ?? "";
const room = parseRoom(asked);
if (room === null) drawNoRoom(parseRoom(asked.trim().replace(/[\s\p{Cc}]+/gu, "-")));
else new RoomPage(room, await ownUid()).start();
