// A multi-party client written after the protocol's text, as a page of somebody else's would be: a number for a name,
// plain JSON, the newcomer offers. It gives up on an ERROR and on what it does not know, as stock clients do.
//
// It is one function that refers to nothing outside itself, since its source is what travels.

export function multiparty({ url, room, tone }) {
  const context = new AudioContext({ sampleRate: 48000 });
  const all = new GainNode(context);
  const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  all.connect(analyser);
  const state = { uid: `${1000 + Math.floor(Math.random() * 9000)}`, members: [], quit: null, pictures: {}, joined: false };
  const peers = new Map();
  const socket = new WebSocket(url);
  const oscillator = new OscillatorNode(context, { frequency: tone });
  const gain = new GainNode(context, { gain: 0.5 });
  const destination = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  oscillator.connect(gain).connect(destination);
  oscillator.start();

  function quit(why) {
    state.quit ??= why;
    for (const peer of peers.values()) peer.close();
    socket.close();
  }

  const say = (to, message) => socket.send(`ROOM_PEER_MSG ${to} ${JSON.stringify(message)}`);

  function play(stream, uid) {
    const element = document.createElement("video");
    element.srcObject = stream;
    element.muted = true;
    element.autoplay = true;
    element.onresize = () => (state.pictures[uid] = [element.videoWidth, element.videoHeight]);
    document.body.append(element);
    if (stream.getAudioTracks().length) context.createMediaStreamSource(stream).connect(all);
  }

  function meet(uid) {
    const peer = new RTCPeerConnection();
    peers.get(uid)?.close();
    peers.set(uid, peer);
    for (const track of destination.stream.getTracks()) peer.addTrack(track, destination.stream);
    peer.onicecandidate = ({ candidate }) => candidate && say(uid, { ice: candidate });
    const played = new Set();
    peer.ontrack = ({ track, streams: [stream = new MediaStream([track])] }) => {
      if (played.has(track.id)) return;
      played.add(track.id);
      play(track.kind === "audio" ? new MediaStream([track]) : stream, uid);
    };
    return peer;
  }

  async function offer(uid) {
    const peer = meet(uid);
    // It sees who shows itself, though it shows nothing.
    peer.addTransceiver("video", { direction: "recvonly" });
    await peer.setLocalDescription(await peer.createOffer());
    say(uid, { sdp: peer.localDescription });
  }

  async function hear(uid, text) {
    const message = JSON.parse(text);
    if (message.sdp?.type === "offer") {
      const peer = meet(uid);
      await peer.setRemoteDescription(message.sdp);
      await peer.setLocalDescription(await peer.createAnswer());
      say(uid, { sdp: peer.localDescription });
    } else if (message.sdp) {
      await peers.get(uid).setRemoteDescription(message.sdp);
    } else if (message.ice) {
      await peers.get(uid)?.addIceCandidate(message.ice).catch((error) => (state.candidates = `${error}`));
    } else {
      quit(`unknown JSON: ${text}`);
    }
  }

  async function line(text) {
    const [command, ...words] = text.split(" ");
    const [uid] = words;
    if (command === "HELLO") return socket.send(`ROOM ${room}`);
    if (command === "ROOM_OK") {
      state.members = words.filter(Boolean);
      state.joined = true;
      return Promise.all(state.members.map(offer));
    }
    if (command === "ROOM_PEER_JOINED") return void state.members.push(uid);
    if (command === "ROOM_PEER_LEFT") {
      state.members = state.members.filter((member) => member !== uid);
      peers.get(uid)?.close();
      return void peers.delete(uid);
    }
    if (command === "ROOM_PEER_MSG") return hear(uid, words.slice(1).join(" "));
    quit(`unexpected: ${text}`);
  }

  // One line after the other, as they came.
  let before = Promise.resolve();
  socket.onopen = () => socket.send(`HELLO ${state.uid}`);
  socket.onmessage = ({ data }) => (before = before.then(() => line(data)).catch((error) => quit(`${error.stack}`)));
  socket.onclose = () => (state.quit ??= "the line is closed");

  /** The tones that are played just now, lowest first. */
  state.tones = () => {
    const levels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(levels);
    const loudest = Math.max(...levels.filter(Number.isFinite), -1000);
    const isPeak = (level, at) =>
      level > Math.max(-50, loudest - 25) && [-3, -2, -1, 1, 2, 3].every((aside) => (levels[at + aside] ?? -1000) <= level);
    return [...levels.keys()].filter((at) => isPeak(levels[at], at)).map((at) => (at * 48000) / 8192);
  };
  state.states = () => Object.fromEntries([...peers].map(([uid, peer]) => [uid, peer.connectionState]));
  state.leave = () => quit("left");
  Object.assign(state, { context, peers });
  globalThis.stock = state;
}
