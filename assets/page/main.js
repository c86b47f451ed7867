// Wires the page: the address, what is kept, the conversation, the socket, the media, the view.

import { arrive } from "./arrival.js";
import { Conversation } from "./conversation.js";
import { newId } from "./ids.js";
import { bookmark } from "./invite.js";
import { KeysUnavailable, loadKeys, makeKeys, saveKeys } from "./keys.js";
import { Media } from "./media.js";
import { watchNetwork } from "./network.js";
import { CODE_LIMIT, newKey } from "./pairing.js";
import { makeCertificate } from "./peer.js";
import { emptyPicture, pictureOf } from "./picture.js";
import { Channel } from "./seal.js";
import { Socket, socketUrl } from "./socket.js";
import * as store from "./store.js";
import { takeConversation } from "./tabs.js";
import { draw, listen } from "./view.js";
import { endingWords, notKept, soundWords, suspicionWords } from "./words.js";

/** How often the wait for the server is counted down. */
const COUNT_EVERY = 500;

const now = () => performance.now();

class Page {
  constructor(place) {
    this.place = place;
    this.notice = null;
    this.name = store.asName(place.name);
    this.media = new Media({
      handle: (input) => this.handle(input),
      warn: (text) => this.warn(text),
      changed: () => this.draw(),
      captured: () => this.unblock(),
      refused: () => this.soundRefused(),
    });
    this.timer = null;
  }

  async start() {
    const { convo, me, far, farOfCode, made, obstacle } = this.place;
    if (convo) history.replaceState(null, "", bookmark(location.href, convo));
    listen((action) => this.act(action));
    if (obstacle) return this.draw();
    const keys = await this.findKeys();
    if (keys === null) return this.draw();
    const alone = await this.lock(false);
    let pairing = { kind: "waiting", until: now() + made + CODE_LIMIT - Date.now() };
    if (far) pairing = { kind: "paired", far };
    else if (farOfCode) pairing = { kind: "accepting", far: farOfCode };
    const camera = this.place.camera ?? true;
    this.media.capture.setCamera(camera);
    this.conversation = new Conversation({ convo, me, pairing, alone, camera });
    this.channel = new Channel({ me, convo, keys, trust: this.trust(), told: (told) => this.handle({ type: "channel", told }) });
    this.socket = new Socket(socketUrl(location.href), {
      opened: () => this.handle({ type: "socketOpen" }),
      closed: (reason) => this.handle({ type: "socketClosed", reason }),
      heard: (text) => this.handle({ type: "line", text }),
    });
    this.watch();
    this.handle({ type: alone ? "wake" : "letGo" });
    if (alone && far) this.resume();
    this.media.ice.current();
    this.media.certificate = await makeCertificate();
  }

  /** This side's keys; null, and the obstacle noted, if they cannot be had. */
  async findKeys() {
    const { convo, far } = this.place;
    try {
      const kept = await loadKeys(convo);
      if (kept !== null) return kept;
      if (far) throw new KeysUnavailable("keyless");
      const keys = await makeKeys();
      await saveKeys(convo, keys);
      return keys;
    } catch (error) {
      if (!(error instanceof KeysUnavailable)) throw error;
      this.place.obstacle = error.obstacle;
      return null;
    }
  }

  /** What is known of the other side. */
  trust() {
    const { far, farKey, spent, farOfCode, key } = this.place;
    if (far) return { kind: "paired", far, key: farKey, spent: spent ?? null };
    if (farOfCode) return { kind: "reader", far: farOfCode, code: key, key: farKey ?? null };
    return { kind: "owner", code: key };
  }

  /**
   * A page that was reloaded goes on as it was: unpaused, muted. One that the browser brings back, out of its history or
   * with its windows, does not: nobody has asked for the microphone there.
   */
  resume() {
    const left = store.takeLeft(this.place.convo);
    const [{ type }] = performance.getEntriesByType("navigation");
    if (left === null || type !== "reload") return;
    if (left.muted) this.act({ type: "mute", on: true });
    if (!left.paused) this.handle({ type: "unpause" });
  }

  lock(steal) {
    return takeConversation(this.place.convo, { steal, lost: () => this.handle({ type: "letGo" }) });
  }

  watch() {
    watchNetwork(() => this.handle({ type: "networkChanged" }));
    addEventListener("pageshow", ({ persisted }) => persisted && this.returned());
    document.addEventListener("visibilitychange", () => document.hidden || this.handle({ type: "wake" }));
    addEventListener("pagehide", () => this.leave());
    for (const kind of ["click", "keydown"]) addEventListener(kind, () => this.unblock());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.media.capture.refill());
  }

  /** Back out of the history, as it was left: it begins anew, paused. */
  returned() {
    store.takeLeft(this.place.convo);
    location.reload();
  }

  /** The page is closed or reloaded, nobody knows which: what is noted is only good for a moment. */
  leave() {
    const { paused, muted, pairing } = this.conversation;
    if ((!paused || muted) && pairing.kind === "paired") store.noteLeft(this.place.convo, { paused, muted });
    this.handle({ type: "letGo" });
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
    // The next call makes the end of the last one old news.
    if (this.notice?.isEnding && this.conversation.phase !== "idle") this.notice = null;
    this.countDown();
    this.media.setFarSpeaks(this.conversation.farProps?.paused === "false");
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
      channel: () => this.toChannel(output.input),
      learned: () => this.learned(output.key),
      remember: () => this.remember(output),
      media: () => this.media.connect(output),
      openGate: () => this.openGate(),
      closeGate: () => this.media.closeGate(),
      forgetKey: () => this.forgetKey(),
      ended: () => this.ended(output.reason),
      sealed: () => this.notice?.isOverWhenMet && this.warn(null),
      suspicious: () => this.suspect(output.why),
    };
    actions[output.type]();
  }

  async toChannel(input) {
    await this.channel.handle(now(), input).catch((error) => console.error(error));
    clearTimeout(this.channelTimer);
    const wait = this.channel.deadline() - now();
    if (wait === Infinity) return;
    this.channelTimer = setTimeout(() => this.toChannel({ type: "deadline" }), Math.max(0, wait));
  }

  /** Why a call is over is told when it does not go on by itself; that it does is told by the state. */
  ended(reason) {
    if (this.conversation.goesOn) return;
    this.warn(endingWords(reason), reason.startsWith("far_") ? "news" : "warning");
    if (this.notice) this.notice.isEnding = true;
  }

  suspect(why) {
    this.warn(suspicionWords(why));
    // Meeting anew does not undo a forgery; who tampers may bring that about at once.
    this.notice.isOverWhenMet = why === "silent";
  }

  learned(key) {
    this.place.farKey = key;
    this.keep();
  }

  remember({ far, key, spent }) {
    const { convo } = this.place;
    Object.assign(this.place, { far, farKey: key, spent, key: null });
    this.keep();
    store.eraseCode(convo);
    history.replaceState(null, "", bookmark(location.href, convo));
  }

  keep() {
    const { convo, me, far, farKey, spent, key, made, farOfCode } = this.place;
    const { name } = this;
    try {
      if (far) store.saveConversation(convo, { me, far, farKey, spent, name, camera: this.conversation.camera });
      else if (key) store.saveCode(convo, { me, key, made, far: farOfCode, farKey, name });
    } catch {
      // Full, or turned off since the page was opened.
      this.warn(notKept);
    }
  }

  openGate() {
    this.warn(null);
    this.media.openGate();
  }

  forgetKey() {
    store.eraseCode(this.place.convo);
    this.place.key = null;
  }

  // ── what the browser lets sound ──

  /** After a reload a browser lets nothing sound before there is a click, or a microphone is open. */
  soundRefused() {
    if (this.notice?.isRefusal) return;
    const before = this.notice;
    this.warn(soundWords);
    Object.assign(this.notice, { isRefusal: true, before });
  }

  unblock() {
    if (this.notice?.isRefusal) this.notice = this.notice.before;
    this.media.unblock();
    this.draw();
  }

  // ── the person ──

  act({ type, on, name }) {
    if (!this.conversation && type !== "newCode") return;
    switch (type) {
      case "toggle":
        return this.handle({ type: this.conversation.paused ? "unpause" : "pause" });
      case "mute":
        this.media.capture.setMuted(on);
        return this.handle({ type, on });
      case "camera":
        this.media.capture.setCamera(on);
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
    // Of no use without the key that it was paired by.
    if (this.place.obstacle === "keyless") store.forgetConversation(this.place.convo);
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
    const { conversation, place, name, notice } = this;
    if (!conversation) {
      const kept = store.listConversations().filter(({ convo }) => convo !== place.convo);
      return emptyPicture({ obstacle: place.obstacle, name, kept });
    }
    const { pictures } = this.media;
    return pictureOf({ conversation, now: now(), address: location.href, place, name, notice, pictures });
  }
}

new Page(arrive()).start();
