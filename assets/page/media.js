// The media of a conversation: its connections, microphone and camera, what is played and how loud it is.

import { Capture } from "./capture.js";
import { IceServers } from "./ice.js";
import { Meters } from "./meter.js";
import { Peer } from "./peer.js";
import { Silence } from "./silence.js";
import { drawLevel, play, setSound } from "./view.js";
import { deviceWords, turnRefused } from "./words.js";

/** How often levels are drawn while something is open, in milliseconds. */
const LEVEL_EVERY = 50;

/**
 * How long a pause is filled with silence, in milliseconds. A far side forgets after 2 s what time it was when nothing
 * came any more, so that only who unpauses in the 2 s after this is heard late; nothing at all is sent in a long pause.
 */
const SILENCE_FOR = 30_000;

export class Media {
  /**
   * `handle(input)` hears what the conversation has to know, `warn(text)` what a person has to, `changed()` that there
   * is something else to see, `captured()` that a device is open, `refused()` that the browser plays nothing yet.
   */
  constructor(on) {
    this.on = on;
    /** The connection that sends and plays, and the one that is to take its place. */
    this.peer = null;
    this.next = null;
    this.farTracks = { audio: null, video: null };
    /** Whether the gate is: this side is unpaused, and hears. */
    this.isOpen = false;
    this.farSpeaks = false;
    this.meters = new Meters();
    this.meterOf = { own: null, far: null };
    this.silence = new Silence();
    this.ice = new IceServers();
    this.capture = new Capture({
      changed: (kind, track) => this.captured(kind, track),
      failed: (kind, error) => {
        on.handle({ type: "equipped", kind, on: false });
        on.warn(deviceWords(kind, error));
      },
    });
    /** The certificate of every connection of this page; until it is made, each gets its own. */
    this.certificate = null;
  }

  /** Whether there are pictures to see. */
  get pictures() {
    return { own: this.capture.tracks.video !== null, far: this.farTracks.video !== null };
  }

  // ── connections ──

  /** Does to a connection what the conversation commands. */
  connect({ connection, command, ...fields }) {
    const peer = [this.peer, this.next].find((peer) => peer?.is(connection));
    const commands = {
      offer: () => this.newPeer(connection).offer(),
      answer: () => this.newPeer(connection).answer(fields.sdp),
      takeAnswer: () => peer?.acceptAnswer(fields.sdp),
      addCandidate: () => peer?.addCandidate(fields),
      sendData: () => peer?.send(fields.text),
      close: () => peer && this.closePeer(peer),
    };
    commands[command]();
  }

  /** A connection beside the one that the call has, if it has one. */
  newPeer(connection) {
    const peer = new Peer({
      connection,
      certificate: this.certificate,
      ice: this.ice,
      tell: (event) => this.on.handle({ type: "media", connection, event }),
      received: (kind, track) => this.received(peer, kind, track),
      refused: () => this.on.warn(turnRefused),
    });
    if (this.peer && connection.generation > 0) this.next = peer;
    else this.usePeer(peer);
    for (const kind of ["audio", "video"]) if (this.capture.tracks[kind]) peer.use(kind, this.capture.tracks[kind]);
    return peer;
  }

  /** From now on what comes by `peer` is shown and played; null: nothing is. */
  usePeer(peer) {
    this.peer = peer;
    for (const kind of ["audio", "video"]) this.show(kind, peer?.farTracks[kind] ?? null);
  }

  closePeer(peer) {
    peer.close();
    if (peer === this.next) {
      this.next = null;
      return;
    }
    this.usePeer(this.next);
    this.next = null;
    if (this.peer) return;
    clearTimeout(this.fading);
    this.silence.stop();
  }

  // ── what is sent ──

  openGate() {
    this.isOpen = true;
    this.meters.start();
    this.capture.open();
    this.meter("far", this.farTracks.audio);
    this.levels ??= setInterval(() => this.drawLevels(), LEVEL_EVERY);
  }

  closeGate() {
    this.isOpen = false;
    this.capture.close();
    this.meter("far", null);
    clearInterval(this.levels);
    this.levels = null;
    this.meters.stop();
  }

  captured(kind, track) {
    if (track) this.on.captured();
    if (kind === "audio") this.meter("own", track);
    else play("own-video", track);
    if (track) this.on.handle({ type: "equipped", kind, on: true });
    else this.on.changed();
    return kind === "audio" ? this.sendSound(track) : this.send(kind, track);
  }

  /** Sends `track` on every connection. */
  send(kind, track) {
    return Promise.all([this.peer, this.next].map((peer) => peer?.use(kind, track)));
  }

  /** Sends the microphone's track, or silence when there is none, and after a while nothing. */
  async sendSound(track) {
    clearTimeout(this.fading);
    if (!this.peer) return;
    const sound = track ?? this.silence.track;
    if (!track) {
      this.silence.start();
      this.fading = setTimeout(() => this.sendNothing(), SILENCE_FOR);
    }
    await this.send("audio", sound);
    if (track && this.capture.tracks.audio === track) this.silence.stop();
  }

  sendNothing() {
    this.send("audio", null);
    this.silence.stop();
  }

  // ── what is played ──

  received(peer, kind, track) {
    peer.farTracks[kind] = track;
    if (peer === this.peer) this.show(kind, track);
  }

  show(kind, track) {
    if (this.farTracks[kind] === track) return;
    this.farTracks[kind] = track;
    play(`far-${kind}`, track);
    if (kind === "audio" && this.isOpen) this.meter("far", track);
    this.playSound();
    this.on.changed();
  }

  /** Whether the far side speaks as far as it tells. */
  setFarSpeaks(farSpeaks) {
    this.farSpeaks = farSpeaks;
    this.playSound();
  }

  /** Nothing is played while both are paused; while only this side is, the far side's sound is kept up with, unheard. */
  playSound() {
    const { isOpen, farSpeaks, farTracks } = this;
    setSound({ heard: isOpen, played: farTracks.audio !== null && (isOpen || farSpeaks) }, () => this.on.refused());
  }

  /** Somebody has touched the page: it may sound now. */
  unblock() {
    if (this.isOpen) this.meters.start();
    this.playSound();
  }

  // ── how loud it is ──

  meter(side, track) {
    this.meterOf[side]?.close();
    this.meterOf[side] = track ? this.meters.meter(track) : null;
    if (!track) drawLevel(side, -Infinity);
  }

  drawLevels() {
    for (const [side, meter] of Object.entries(this.meterOf)) if (meter) drawLevel(side, meter.level());
  }
}
