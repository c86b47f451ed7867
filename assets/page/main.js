// Wires the page: the address, what is kept, the conversation, the socket, the media, the view.

import { arrive } from "./arrival.js";
import { Capture } from "./capture.js";
import { Conversation } from "./conversation.js";
import { newId } from "./ids.js";
import { bookmark, inviteLink } from "./invite.js";
import { Meters } from "./meter.js";
import { CODE_LIMIT, newKey, proof, sameProof } from "./pairing.js";
import { Peer, makeCertificate } from "./peer.js";
import { Silence } from "./silence.js";
import { Socket, socketUrl } from "./socket.js";
import * as store from "./store.js";
import { takeConversation } from "./tabs.js";
import { draw, drawLevel, listen, play, setSound } from "./view.js";
import { deviceWords, endingWords, obstacles, offlineWords, stateWords } from "./words.js";

/** How often levels are drawn while something is open, in milliseconds. */
const LEVEL_EVERY = 50;
/** How long the server may be gone before the page says so, in milliseconds. */
const OFFLINE_GRACE = 1500;
/** How often the wait for the server is counted down. */
const COUNT_EVERY = 500;

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
 * How long a pause is filled with silence, in milliseconds. A far side forgets after 2 s what time it was when nothing
 * came any more, so that only who unpauses in the 2 s after this is heard late; nothing at all is sent in a long pause.
 */
const SILENCE_FOR = 30_000;

const now = () => performance.now();

class Page {
  constructor(place) {
    this.place = place;
    this.notice = null;
    this.name = store.asName(place.name);
    this.peer = null;
    this.farTracks = { audio: null, video: null };
    this.meters = new Meters();
    this.meterOf = { own: null, far: null };
    this.silence = new Silence();
    this.capture = new Capture({
      changed: (kind, track) => this.captured(kind, track),
      failed: (kind, error) => {
        this.handle({ type: "equipped", kind, on: false });
        this.warn(deviceWords(kind, error));
      },
    });
    this.timer = null;
  }

  async start() {
    const { convo, me, far, reply, farOfCode, key, made, obstacle } = this.place;
    if (convo) history.replaceState(null, "", bookmark(location.href, convo));
    listen((action) => this.act(action));
    if (obstacle) return this.draw();
    const alone = await this.lock(false);
    const until = now() + made + CODE_LIMIT - Date.now();
    let pairing = { kind: "waiting", until };
    if (far) pairing = { kind: "paired", far, reply };
    else if (farOfCode) {
      pairing = { kind: "accepting", far: farOfCode };
      pairing.accept = await proof(key, "accept", convo, me, farOfCode);
      pairing.accepted = await proof(key, "accepted", convo, farOfCode, me);
    }
    const camera = this.place.camera ?? true;
    this.capture.setCamera(camera);
    this.conversation = new Conversation({ convo, me, pairing, alone, camera });
    this.socket = new Socket(socketUrl(location.href), {
      opened: () => this.handle({ type: "socketOpen" }),
      closed: () => this.handle({ type: "socketClosed" }),
      heard: (text) => this.handle({ type: "line", text }),
    });
    this.watch();
    this.handle({ type: alone ? "wake" : "letGo" });
    this.certificate = await makeCertificate();
  }

  lock(steal) {
    return takeConversation(this.place.convo, { steal, lost: () => this.handle({ type: "letGo" }) });
  }

  watch() {
    addEventListener("online", () => this.handle({ type: "wake" }));
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
    document.addEventListener("visibilitychange", () => document.hidden || this.handle({ type: "wake" }));
    addEventListener("pagehide", () => this.handle({ type: "letGo" }));
    navigator.mediaDevices?.addEventListener("devicechange", () => this.capture.refill());
  }

  // ── in and out of the conversation ──

  handle(input) {
    this.conversation.handle(now(), input);
    for (let output = this.conversation.poll(); output; output = this.conversation.poll()) this.perform(output);
    clearTimeout(this.timer);
    const deadline = this.conversation.deadline();
    if (deadline < Infinity) {
      const wait = Math.min(Math.max(0, deadline - now()), 0x7fffffff);
      this.timer = setTimeout(() => this.handle({ type: "deadline" }), wait);
    }
    this.countDown();
    this.playSound();
    this.draw();
  }

  /** While the server is gone, what is told of it changes with time alone. */
  countDown() {
    const isGone = this.conversation.line.kind === "offline";
    if (!isGone) clearInterval(this.counting);
    this.counting = isGone ? (this.counting ?? setInterval(() => this.draw(), COUNT_EVERY)) : null;
  }

  perform(output) {
    const actions = {
      connect: () => this.socket.connect(),
      disconnect: () => this.socket.disconnect(),
      send: () => this.socket.send(output.text),
      check: () => this.check(output),
      remember: () => this.remember(output),
      offer: () => this.newPeer(output.sessid).offer(),
      answer: () => this.newPeer(output.sessid).answer(output.sdp),
      close: () => this.closePeer(),
      openGate: () => this.openGate(),
      closeGate: () => this.closeGate(),
      takeAnswer: () => this.peer.acceptAnswer(output.sdp),
      addCandidate: () => this.peer.addCandidate(output),
      sendData: () => this.peer.send(output.text),
      forgetKey: () => this.forgetKey(),
      ended: () => this.warn(endingWords(output.reason), output.reason.startsWith("far_") ? "news" : "warning"),
    };
    actions[output.type]();
  }

  async check({ from, proof: theirs }) {
    const { convo, me, key } = this.place;
    const expected = await proof(key, "accept", convo, from, me);
    const reply = await proof(key, "accepted", convo, me, from);
    this.handle({ type: "checked", from, valid: sameProof(theirs, expected), reply });
  }

  remember({ far, reply }) {
    const { convo } = this.place;
    Object.assign(this.place, { far, reply, key: null });
    this.keep();
    store.eraseCode(convo);
    history.replaceState(null, "", bookmark(location.href, convo));
  }

  keep() {
    const { convo, me, far, reply, key, made, farOfCode } = this.place;
    if (far) store.saveConversation(convo, { me, far, reply, name: this.name, camera: this.conversation.camera });
    else if (key) store.saveCode(convo, { me, key, made, far: farOfCode, name: this.name });
  }

  forgetKey() {
    store.eraseCode(this.place.convo);
    this.place.key = null;
  }

  // ── media ──

  newPeer(sessid) {
    this.closePeer();
    const peer = new Peer({
      sessid,
      certificate: this.certificate,
      tell: (told) => this.handle({ type: "media", told }),
      received: (kind, track) => this.received(kind, track),
    });
    this.peer = peer;
    for (const kind of ["audio", "video"]) if (this.capture.tracks[kind]) peer.use(kind, this.capture.tracks[kind]);
    return peer;
  }

  closePeer() {
    this.peer?.close();
    this.peer = null;
    clearTimeout(this.fading);
    for (const kind of ["audio", "video"]) this.received(kind, null);
    this.silence.stop();
  }

  openGate() {
    this.warn(null);
    this.meters.start();
    this.capture.open();
    this.meter("far", this.farTracks.audio);
    this.levels ??= setInterval(() => this.drawLevels(), LEVEL_EVERY);
  }

  closeGate() {
    this.capture.close();
    this.meter("far", null);
    clearInterval(this.levels);
    this.levels = null;
    this.meters.stop();
  }

  captured(kind, track) {
    if (kind === "audio") this.meter("own", track);
    else play("own-video", track);
    if (track) this.handle({ type: "equipped", kind, on: true });
    else this.draw();
    return kind === "audio" ? this.sendSound(track) : this.peer?.use(kind, track);
  }

  /** Sends the microphone's track, or silence when there is none, and after a while nothing. */
  async sendSound(track) {
    const { peer } = this;
    clearTimeout(this.fading);
    if (!peer) return;
    const sound = track ?? this.silence.track;
    if (!track) {
      this.silence.start();
      this.fading = setTimeout(() => this.sendNothing(peer), SILENCE_FOR);
    }
    await peer.use("audio", sound);
    if (track && this.capture.tracks.audio === track) this.silence.stop();
  }

  sendNothing(peer) {
    peer.use("audio", null);
    this.silence.stop();
  }

  received(kind, track) {
    if (this.farTracks[kind] === track) return;
    this.farTracks[kind] = track;
    play(`far-${kind}`, track);
    if (kind === "audio" && !this.conversation.paused) this.meter("far", track);
    this.playSound();
    this.draw();
  }

  /** Nothing is played while both are paused; while only this side is, the far side's sound is kept up with, unheard. */
  playSound() {
    const heard = !this.conversation.paused;
    const speaks = this.conversation.farProps?.get("paused") === "false";
    setSound({ heard, played: this.farTracks.audio !== null && (heard || speaks) });
  }

  meter(side, track) {
    this.meterOf[side]?.close();
    this.meterOf[side] = track ? this.meters.meter(track) : null;
    if (!track) drawLevel(side, -Infinity);
  }

  drawLevels() {
    for (const [side, meter] of Object.entries(this.meterOf)) if (meter) drawLevel(side, meter.level());
  }

  // ── the person ──

  act({ type, on, name }) {
    if (!this.conversation && type !== "newCode") return;
    switch (type) {
      case "toggle":
        return this.handle({ type: this.conversation.paused ? "unpause" : "pause" });
      case "mute":
        this.capture.setMuted(on);
        return this.handle({ type, on });
      case "camera":
        this.capture.setCamera(on);
        this.handle({ type, on });
        return this.keep();
      case "hangUp":
        return this.handle({ type });
      case "takeOver":
        return this.lock(true).then(() => this.handle({ type }));
      case "newCode":
        return this.newCode();
      case "name":
        this.name = store.asName(name);
        this.keep();
        return this.draw();
      case "dismiss":
        return this.warn(null);
    }
  }

  newCode() {
    const code = { me: newId(), key: newKey(), made: Date.now(), name: this.name };
    store.saveCode(this.place.convo, code);
    location.reload();
  }

  warn(text, kind = "warning") {
    this.notice = text && { text, kind, action: "dismiss" };
    this.draw();
  }

  // ── the picture ──

  draw() {
    draw(this.picture());
  }

  picture() {
    const { conversation, name, place } = this;
    if (!conversation) return emptyPicture(place, name);
    const { paused, muted, camera, farHere, farProps } = conversation;
    const pairing = conversation.pairing.kind;
    const call = conversation.call.phase;
    const farPaused = farProps?.get("paused") !== "false";
    const line = LINES[conversation.line.kind];
    const model = { pairing, paused, muted, camera, farHere, farPaused, call, line, name };
    const live = call === "connected" && !paused;
    return {
      ...model,
      link: pairing === "waiting" && line !== "taken" ? inviteLink(location.href, place) : null,
      kept: [],
      usable: (pairing === "paired" || pairing === "accepting") && line !== "taken",
      canUnpause: pairing === "paired" && line !== "taken",
      showOwn: !paused && camera && this.capture.tracks.video !== null,
      showFar: live && !farPaused && farProps?.get("videosend") === "true" && this.farTracks.video !== null,
      state: stateWords(model),
      presence: farHere ? (call === "connected" && !farPaused ? "Live" : "Here") : "Away",
      ownStatus: paused ? "paused" : muted ? "muted" : "live",
      farStatus: farHere ? (farPaused ? "paused" : "live") : "away",
      notice: this.noticeNow(),
      title: title(name, paused, call),
    };
  }

  noticeNow() {
    const { pairing, line, backoff } = this.conversation;
    if (line.kind === "taken") return { ...obstacles.taken, kind: "obstacle" };
    if (pairing.kind === "refused" || pairing.kind === "expired") return { ...obstacles[pairing.kind], kind: "obstacle" };
    if (this.notice) return this.notice;
    const isLost = backoff.since !== null && now() - backoff.since > OFFLINE_GRACE;
    const seconds = line.kind === "offline" ? Math.round((line.until - now()) / 1000) : 0;
    return isLost ? { ...offlineWords(seconds), kind: "warning", action: null } : null;
  }
}

function emptyPicture({ obstacle, convo }, name) {
  return {
    ...{ pairing: obstacle ?? "starting", paused: true, muted: false, camera: true, farHere: false, farPaused: true },
    ...{ call: "idle", line: "offline", name, link: null, usable: false, canUnpause: false },
    ...{ showOwn: false, showFar: false, state: "", presence: "", ownStatus: "", farStatus: "" },
    kept: store.listConversations().filter((kept) => kept.convo !== convo),
    notice: obstacle ? { ...obstacles[obstacle], kind: "obstacle" } : null,
    title: title(name, true, "idle"),
  };
}

function title(name, paused, call) {
  const state = paused ? "" : call === "connected" ? "● " : "○ ";
  return state + (name ? `${name} · twocan` : "twocan");
}

new Page(arrive()).start();
