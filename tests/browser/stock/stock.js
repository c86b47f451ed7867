// A peer as the protocol's own examples have it: one RTCPeerConnection, plain JSON, nothing else.
//
// `?server=ws://…` and, to dial: `&call=UID` with `&role=offer` (the default) or `&role=request`. Otherwise it waits
// for an offer. It stops loudly over an ERROR and over whatever it does not know.

const wishes = new URLSearchParams(location.search);
const uid = wishes.get("id") ?? `${Math.floor(Math.random() * 9000) + 1000}`;
const socket = new WebSocket(wishes.get("server"));
let connection = null;

function show(state, error = "") {
  Object.assign(document.body.dataset, { state, error });
  document.getElementById("state").textContent = `${state} ${error}`;
}

function fail(why) {
  show("failed", `${why}`);
  socket.close();
  throw new Error(why);
}

const say = (message) => socket.send(JSON.stringify(message));

async function connect() {
  const peer = new RTCPeerConnection();
  connection = peer;
  peer.ontrack = ({ streams: [stream] }) => {
    const video = document.getElementById("far");
    if (video.srcObject !== stream) video.srcObject = stream;
  };
  peer.onicecandidate = ({ candidate }) => {
    if (candidate) say({ ice: candidate });
  };
  peer.onconnectionstatechange = () => show(peer.connectionState);
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  for (const track of stream.getTracks()) peer.addTrack(track, stream);
  return peer;
}

async function offer() {
  const peer = await connect();
  await peer.setLocalDescription(await peer.createOffer());
  say({ sdp: peer.localDescription });
}

async function described({ type, sdp }) {
  if (type === "offer") {
    // The microphone takes a while to open; candidates come meanwhile.
    const peer = new Promise((resolve) => resolve(connect()));
    ready = peer.then(async (made) => {
      await made.setRemoteDescription({ type, sdp });
      await made.setLocalDescription(await made.createAnswer());
      say({ sdp: made.localDescription });
    });
    await ready;
  } else if (type === "answer" && connection) {
    await connection.setRemoteDescription({ type, sdp });
  } else {
    fail(`unknown description: ${type}`);
  }
}

let ready = Promise.resolve();

async function reached(candidate) {
  await ready;
  await connection.addIceCandidate(new RTCIceCandidate(candidate));
}

async function hear(line) {
  if (line === "HELLO") {
    document.body.dataset.uid = uid;
    show("registered");
    if (wishes.has("call")) socket.send(`SESSION ${wishes.get("call")}`);
  } else if (line === "SESSION_OK") {
    show("session");
    if (wishes.get("role") === "request") socket.send("OFFER_REQUEST");
    else await offer();
  } else if (line === "OFFER_REQUEST") {
    await offer();
  } else if (line.startsWith("ERROR")) {
    fail(line);
  } else {
    let message;
    try {
      message = JSON.parse(line);
    } catch {
      fail(`neither a command nor JSON: ${line}`);
    }
    if (message.sdp) await described(message.sdp);
    else if (message.ice) await reached(message.ice);
    else fail(`unknown JSON: ${line}`);
  }
}

socket.onopen = () => socket.send(`HELLO ${uid}`);
socket.onmessage = ({ data }) => hear(data).catch((error) => fail(error.message));
socket.onerror = () => fail("no server");
socket.onclose = () => {
  connection?.close();
  if (document.body.dataset.state !== "failed") show("closed");
};
