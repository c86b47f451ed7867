// Put into every page before its own scripts: hears and sees what the page really plays, and counts what it opens.
//
// It is one function that refers to nothing outside itself, since its source is what travels. It tells by calling
// `twocanTells` with JSON; every time is the wall clock in milliseconds.

/**
 * `tone` in Hz and `colour` as `[red, green, blue]` replace the microphone and the camera by made ones, without any
 * processing; without them the browser's own (fake) devices are used. `relayOnly` lets connections go by a relay alone.
 */
export function ear({ tone, colour, relayOnly = false }) {
  /** What is quieter than this, in dBFS, is silence. */
  const SILENCE = -50;
  /** How long it must be silent to count, in milliseconds: longer than a hole that one lost packet leaves. */
  const HUSH = 60;

  const clock = (time = performance.now()) => performance.timeOrigin + time;
  const tell = (event, fields) => globalThis.twocanTells?.(JSON.stringify({ at: clock(), event, ...fields }));
  const state = { asked: 0, given: [], connections: [], heard: 0 };
  globalThis.twocanEar = state;

  // ── what the page opens ──

  function sound() {
    state.context ??= new AudioContext({ sampleRate: 48000 });
    state.context.resume();
    const oscillator = new OscillatorNode(state.context, { frequency: tone });
    const gain = new GainNode(state.context, { gain: 0.5 });
    const destination = new MediaStreamAudioDestinationNode(state.context, { channelCount: 1 });
    oscillator.connect(gain).connect(destination);
    oscillator.start();
    return destination.stream.getAudioTracks()[0];
  }

  function picture() {
    const track = new MediaStreamTrackGenerator({ kind: "video" });
    const writer = track.writable.getWriter();
    const [width, height] = [320, 240];
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    context.fillStyle = `rgb(${colour.join(" ")})`;
    context.fillRect(0, 0, width, height);
    const timer = setInterval(() => {
      if (track.readyState === "ended") return clearInterval(timer);
      writer.write(new VideoFrame(canvas, { timestamp: performance.now() * 1000 })).catch(() => {});
    }, 66);
    return track;
  }

  function stream({ audio, video }) {
    return new MediaStream([...(audio ? [sound()] : []), ...(video ? [picture()] : [])]);
  }

  /**
   * Before anybody has touched a page, as after a reload, only one that records may play sound; and a made track does
   * not count as a recording. So a real one is made beside it.
   */
  async function make(wanted, open) {
    if (!wanted.audio || navigator.userActivation.hasBeenActive) return stream(wanted);
    const beside = await open({ audio: true });
    const made = stream(wanted);
    const [track] = made.getAudioTracks();
    const { stop } = track;
    track.stop = () => {
      stop.call(track);
      for (const real of beside.getTracks()) real.stop();
    };
    return made;
  }

  const devices = globalThis.MediaDevices?.prototype;
  if (devices) {
    const real = devices.getUserMedia;
    devices.getUserMedia = async function (constraints) {
      state.asked++;
      const wanted = { audio: Boolean(constraints.audio), video: Boolean(constraints.video) };
      tell("asked", { count: state.asked, ...wanted });
      const began = performance.now();
      try {
        const open = (what) => real.call(this, what);
        const given = tone ? await make(wanted, open) : await open(constraints);
        state.given.push(...given.getTracks());
        tell("given", { ...wanted, took: performance.now() - began });
        return given;
      } catch (error) {
        tell("denied", { ...wanted, name: error.name });
        throw error;
      }
    };
  }

  // ── what the page plays ──

  const players = (track) =>
    [...document.querySelectorAll("audio, video")].filter(({ srcObject }) => srcObject?.getTracks().includes(track));
  const isAudible = (track) =>
    track.enabled && players(track).some(({ muted, paused, volume }) => !muted && !paused && volume > 0);
  const isShown = (track) => players(track).some((element) => element.checkVisibility());
  const isPlaying = (track) => players(track).some((element) => !element.paused);

  /** Level in dBFS, where the sound begins in the block, and how often it rises through zero, and when. */
  function measure(samples) {
    let energy = 0;
    let onset = -1;
    const rises = [];
    for (let at = 0; at < samples.length; at++) {
      energy += samples[at] ** 2;
      if (onset < 0 && Math.abs(samples[at]) > 0.01) onset = at;
      if (at > 0 && samples[at - 1] < 0 && samples[at] >= 0) {
        rises.push(at + samples[at - 1] / (samples[at] - samples[at - 1]));
      }
    }
    return { db: 10 * Math.log10(energy / samples.length + 1e-10), onset: Math.max(0, onset), rises };
  }

  async function hear(track) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    const heard = { number: ++state.heard, loud: false, last: 0, rises: 0, span: 0, blocks: 0, arrived: 0 };
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const block = next.value;
      const samples = new Float32Array(block.numberOfFrames);
      block.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      note(heard, track, samples, block.sampleRate);
      block.close();
    }
    if (heard.loud) tell("sound", { on: false, track: heard.number, last: heard.last });
  }

  function note(heard, track, samples, rate) {
    const { db, onset, rises } = measure(samples);
    const now = clock();
    if (db > SILENCE) {
      // Sound that comes in, whether or not the page plays it.
      if (now - heard.arrived > HUSH) tell("arrived", { at: now + (onset / rate) * 1000 });
      heard.arrived = now;
    }
    if (db > SILENCE && isAudible(track)) {
      // A block is handed over when its playing begins.
      if (!heard.loud) tell("sound", { on: true, track: heard.number, at: now + (onset / rate) * 1000, db });
      heard.loud = true;
      heard.last = now + (samples.length / rate) * 1000;
      if (rises.length > 1) {
        heard.rises += rises.length - 1;
        heard.span += (rises.at(-1) - rises[0]) / rate;
      }
      if (++heard.blocks % 5 === 0) {
        tell("tone", { hz: heard.rises / heard.span, db });
        heard.rises = heard.span = 0;
      }
    } else if (heard.loud && now - heard.last > HUSH) {
      tell("sound", { on: false, track: heard.number, last: heard.last });
      Object.assign(heard, { loud: false, rises: 0, span: 0, blocks: 0 });
    }
  }

  async function see(track) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    const canvas = new OffscreenCanvas(4, 4);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    let frames = 0;
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const frame = next.value;
      if (frames++ % 5 === 0) {
        context.drawImage(frame, 0, 0, 4, 4);
        const [red, green, blue] = context.getImageData(1, 1, 1, 1).data;
        const { displayWidth: width, displayHeight: height } = frame;
        tell("picture", { width, height, frames, red, green, blue, shown: isShown(track), playing: isPlaying(track) });
      }
      frame.close();
    }
  }

  function follow(connection) {
    state.connections.push(connection);
    const seen = new Set();
    connection.addEventListener("track", ({ track }) => {
      if (seen.has(track.id)) return;
      seen.add(track.id);
      (track.kind === "audio" ? hear : see)(track).catch((error) => tell("broken", { message: error.message }));
    });
    const changes = { iceconnectionstatechange: "iceConnectionState", connectionstatechange: "connectionState" };
    for (const [name, property] of Object.entries(changes)) {
      connection.addEventListener(name, () => tell("connection", { [property]: connection[property] }));
    }
    connection.addEventListener("datachannel", ({ channel }) => tell("channel", { label: channel.label }));
  }

  const Real = globalThis.RTCPeerConnection;
  if (Real) {
    globalThis.RTCPeerConnection = class RTCPeerConnection extends Real {
      constructor(settings = {}) {
        super(relayOnly ? { ...settings, iceTransportPolicy: "relay" } : settings);
        tell("connection", { connectionState: "new" });
        follow(this);
      }
      createDataChannel(...settings) {
        const channel = super.createDataChannel(...settings);
        channel.addEventListener("open", () => tell("channel", { label: channel.label, open: true }));
        return channel;
      }
    };
  }

  // ── what the page says, and what is done to it ──

  function look() {
    const text = (id) => {
      const element = document.getElementById(id);
      return element?.checkVisibility() ? element.textContent.trim().replace(/\s+/g, " ") : "";
    };
    const link = document.getElementById("code-link");
    tell("look", {
      ...document.body.dataset,
      address: location.href,
      state: text("state"),
      notice: text("notice-text"),
      presence: text("presence-text"),
      code: link?.checkVisibility() ? link.value : "",
    });
  }

  for (const kind of ["pointerdown", "click", "keydown"]) {
    const target = ({ target }) => target.closest?.("[id]")?.id ?? "";
    const pressed = (event) => tell("pressed", { kind, target: target(event), at: clock(event.timeStamp), handled: clock() });
    addEventListener(kind, pressed, { capture: true });
  }
  document.addEventListener("DOMContentLoaded", () => {
    look();
    new MutationObserver(look).observe(document.body, {
      ...{ subtree: true, childList: true, characterData: true, attributes: true },
      attributeFilter: ["hidden", "disabled", "aria-pressed", ...Object.keys(document.body.dataset).map(attributeName)],
    });
  });
  const attributeName = (key) => `data-${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

  // ── what the tests ask ──

  /** The statistics of the newest connection, one object for each direction and kind. */
  state.stats = async () => {
    const connection = state.connections.at(-1);
    if (!connection) return {};
    const all = [...(await connection.getStats()).values()];
    const of = (type, kind) => all.find((entry) => entry.type === type && entry.kind === kind) ?? null;
    const transport = all.find(({ type }) => type === "transport") ?? null;
    const pair = all.find(({ id }) => id === transport?.selectedCandidatePairId);
    return {
      path: [pair?.localCandidateId, pair?.remoteCandidateId].map((id) => all.find((entry) => entry.id === id) ?? null),
      in: { audio: of("inbound-rtp", "audio"), video: of("inbound-rtp", "video") },
      out: { audio: of("outbound-rtp", "audio"), video: of("outbound-rtp", "video") },
      transport,
    };
  };
  /** How many of the tracks that the page was given are still open. */
  state.open = () => state.given.filter(({ readyState }) => readyState === "live").length;
}
