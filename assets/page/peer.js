// The connection of one call: an RTCPeerConnection, its data channel, and what is sent and received on it.
//
// It connects with no track at all, and never negotiates again: what is sent changes by `replaceTrack` alone.

const CHANNEL = "calling-3.0";
/** How many bytes may wait for a far side that does not read: 64 KiB. */
const UNREAD_LIMIT = 64 * 1024;

/** No STUN and no TURN servers. */
const NO_ICE = { servers: [], current: async () => [] };

/** The key with which this page's calls are secured: made once, ahead of the first call. */
export function makeCertificate() {
  return RTCPeerConnection.generateCertificate({ name: "ECDSA", namedCurve: "P-256" });
}

export class Peer {
  /**
   * `connection` says which one of which call it is, `{ sessid, generation }`. `tell(event)` hears what happens, as the
   * call takes it; `received(kind, track)` gets the far side's tracks, once each. `ice` tells which STUN and TURN servers
   * to use; `refused()` is called when one of the latter does not take its password. Without a channel, as in a room, it
   * tells that it is connected instead of what is said there.
   */
  constructor({ connection, certificate, ice = NO_ICE, tell, received, refused = () => {}, hasChannel = true }) {
    Object.assign(this, { connection, ice, hasChannel });
    this.tell = (type, fields) => tell({ type, ...fields });
    this.received = received;
    this.farTracks = { audio: null, video: null };
    this.senders = { audio: null, video: null };
    this.tracks = { audio: null, video: null };
    this.pc = new RTCPeerConnection({ certificates: certificate ? [certificate] : [], iceServers: ice.servers });
    this.described = new Promise((resolve) => (this.setDescribed = resolve));
    this.pc.onicecandidate = ({ candidate }) => this.found(candidate);
    this.pc.onconnectionstatechange = () => this.connectionChanged();
    this.pc.ondatachannel = ({ channel }) => this.useChannel(channel);
    this.pc.onicecandidateerror = ({ url, errorCode }) => isRefusal(url, errorCode) && refused();
    this.pc.ontrack = ({ receiver, track }) => this.gotTrack(receiver, track);
  }

  /** Whether it is this connection. */
  is({ sessid, generation }) {
    return this.connection.sessid === sessid && this.connection.generation === generation;
  }

  async offer() {
    if (this.hasChannel) this.useChannel(this.pc.createDataChannel(CHANNEL));
    const stream = new MediaStream();
    for (const kind of ["audio", "video"]) this.useSender(this.pc.addTransceiver(kind, { streams: [stream] }));
    await this.attempt(async () => {
      await this.findServers();
      await this.pc.setLocalDescription();
      this.describe();
    });
  }

  async answer(sdp) {
    await this.attempt(async () => {
      await this.pc.setRemoteDescription({ type: "offer", sdp });
      const stream = new MediaStream();
      for (const transceiver of this.pc.getTransceivers()) {
        transceiver.direction = "sendrecv";
        transceiver.sender.setStreams?.(stream);
        this.useSender(transceiver);
      }
      await this.findServers();
      await this.pc.setLocalDescription();
      this.describe();
    });
  }

  /** Passwords run out; so the servers are asked for just before they are used. */
  async findServers() {
    const iceServers = await this.ice.current();
    if (this.pc.signalingState !== "closed") this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
  }

  acceptAnswer(sdp) {
    return this.attempt(() => this.pc.setRemoteDescription({ type: "answer", sdp }));
  }

  addCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    // One bad candidate leaves the others good.
    this.pc.addIceCandidate({ candidate, sdpMid, sdpMLineIndex }).catch(() => {});
  }

  /** Says something on the data channel; nothing to a far side that does not read. */
  send(text) {
    const { readyState, bufferedAmount } = this.channel ?? {};
    if (readyState === "open" && bufferedAmount < UNREAD_LIMIT) this.channel.send(text);
  }

  /** Sends `track` from now on; null sends nothing. */
  async use(kind, track) {
    this.tracks[kind] = track;
    const sender = this.senders[kind];
    if (!sender) return;
    // Sound that follows on sound must not leave a hole: what is sent now goes on until the new one flows.
    if (kind === "audio" && track && sender.track) await flowing(track);
    if (this.tracks[kind] === track) await sender.replaceTrack(track).catch(() => {});
  }

  close() {
    this.tell = () => {};
    this.received = () => {};
    this.pc.close();
  }

  /** What goes wrong in `steps` ends the call. */
  async attempt(steps) {
    try {
      await steps();
    } catch (error) {
      this.tell("failed", { why: error.message });
    }
  }

  describe() {
    const { type: description, sdp } = this.pc.localDescription;
    this.tell("described", { description, sdp: askForShortPackets(sdp) });
    this.setDescribed();
  }

  async found(candidate) {
    if (!candidate?.candidate) return;
    await this.described;
    const { sdpMid, sdpMLineIndex } = candidate;
    this.tell("candidate", { candidate: candidate.candidate, sdpMid, sdpMLineIndex });
  }

  connectionChanged() {
    if (this.pc.connectionState === "connected" && !this.hasChannel) this.tell("connected");
    if (this.pc.connectionState === "disconnected") this.tell("disconnected");
    if (this.pc.connectionState === "failed") this.tell("failed", { why: "the connection was lost" });
  }

  useChannel(channel) {
    if (channel.label !== CHANNEL || this.channel || !this.hasChannel) return;
    this.channel = channel;
    channel.onopen = () => this.tell("dataOpen");
    channel.onmessage = ({ data }) => this.tell("dataText", { text: data });
    channel.onclose = () => this.tell("closed");
    if (channel.readyState === "open") this.tell("dataOpen");
  }

  useSender({ sender, receiver }) {
    const { kind } = receiver.track;
    if (this.senders[kind]) return;
    this.senders[kind] = sender;
    if (this.tracks[kind]) this.use(kind, this.tracks[kind]);
  }

  gotTrack(receiver, track) {
    // Play what arrives at once: this is a conversation, not a film.
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = 0;
    this.received(track.kind, track);
  }
}

/** Whether a TURN server answered, and would not: 401 for a wrong password, 701 only if there was no answer at all. */
function isRefusal(url, code) {
  return /^turns?:/.test(url) && code >= 400 && code < 700;
}

/** Asks the far side for 10 ms of sound a packet, half of what is usual: that much less is waited for. */
function askForShortPackets(sdp) {
  const opus = /^a=rtpmap:(\d+) opus\//im.exec(sdp)?.[1];
  return opus ? sdp.replace(new RegExp(`^a=fmtp:${opus} .*\r\n`, "m"), "$&a=ptime:10\r\n") : sdp;
}

/** How long the first samples of a track are waited for, in milliseconds. */
const FLOW_LIMIT = 500;

/** Resolves when the first samples of `track` are there, which is later than the track itself. */
async function flowing(track) {
  if (!("MediaStreamTrackProcessor" in window)) return;
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  const late = setTimeout(() => reader.cancel(), FLOW_LIMIT);
  const { value } = await reader.read();
  clearTimeout(late);
  value?.close();
  reader.cancel();
}
