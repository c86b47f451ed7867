// What a person sees of a room. It draws the state it is given, and touches the document only where that changed.

const element = (id) => document.getElementById(id);

/** What counts as silence, in dBFS. */
const SILENCE = -60;

const LINES = {
  idle: "Connecting …",
  connecting: "Connecting …",
  registering: "Connecting …",
  joining: "Connecting …",
  offline: "No connection to the server. Trying again …",
  full: "The room is full: eight are in it. This page goes in as soon as there is a place.",
};

/** The one line that says how things stand. */
export function stateOf({ line, paused, muted, count, members, own }) {
  if (line.kind === "refused") return `The server says: ${line.text}`;
  if (line.kind !== "joined") return LINES[line.kind];
  if (count === 1) return `${paused ? "Paused, and alone here." : "Alone here."} Give others the link.`;
  if (paused) return "Paused: nobody hears you, and you hear nobody.";
  if (!members.some(({ isUp }) => isUp)) return "Connecting …";
  if (!own.sound) return "You hear the others, and send no sound.";
  return muted ? "Your microphone is muted." : "You are live.";
}

export class RoomView {
  /** Calls `act` with what the person did. */
  constructor(act) {
    this.tiles = new Map();
    this.isHeard = false;
    const onClick = (id, action) => element(id).addEventListener("click", () => act(action()));
    const isPressed = (id) => element(id).getAttribute("aria-pressed") === "true";
    onClick("unpause", () => ({ type: "toggle" }));
    onClick("mute", () => ({ type: "mute", on: !isPressed("mute") }));
    onClick("camera", () => ({ type: "camera", on: !isPressed("camera") }));
    onClick("dismiss", () => ({ type: "dismiss" }));
    element("copy").addEventListener("click", copyLink);
    document.addEventListener("keydown", (event) => spaceBar(event, act));
    // What was clicked with a pointer does not keep the space bar.
    document.addEventListener("click", ({ detail, target }) => detail > 0 && target.closest("button")?.blur());
    const own = this.tile("own");
    own.element.classList.add("own");
    own.who.textContent = "You";
  }

  draw(model) {
    const { room, paused, muted, camera, notice, line, count, members } = model;
    const connected = members.filter(({ isUp }) => isUp).length;
    set(document.body.dataset, { line: line.kind, paused: `${paused}`, members: `${count}`, connected: `${connected}` });
    set(document, { title: `${paused ? "" : "● "}${room} · twocan` });
    text("room-name", room);
    text("people", count === 1 ? "Only you" : `${count} people`);
    text("state", stateOf(model));
    set(element("notice"), { hidden: notice === null });
    text("notice-text", notice ?? "");
    const button = element("unpause");
    set(button.dataset, { paused: `${paused}` });
    attribute(button, "aria-pressed", `${!paused}`);
    text("unpause-label", paused ? "Unpause" : "Pause");
    attribute(element("mute"), "aria-pressed", `${muted}`);
    attribute(element("camera"), "aria-pressed", `${camera}`);
    this.drawTiles(model);
  }

  drawTiles({ members, paused, muted, own }) {
    const wanted = new Set(["own", ...members.map(({ uid }) => uid)]);
    for (const [uid, { element }] of this.tiles) {
      if (wanted.has(uid)) continue;
      element.remove();
      this.tiles.delete(uid);
    }
    for (const { uid, isUp, isHere } of members) {
      const tile = this.tile(uid);
      set(tile.who, { textContent: `Guest ${uid}` });
      set(tile.how, { textContent: isUp ? (isHere ? "" : "lost its line") : "connecting …" });
      set(tile.element.dataset, { state: isUp ? "up" : "connecting" });
    }
    const mine = this.tiles.get("own");
    set(mine.how, { textContent: paused ? "paused" : own.sound ? (muted ? "muted" : "live") : "no sound" });
    set(mine.element.dataset, { state: paused ? "paused" : "up" });
    attribute(element("tiles"), "data-count", `${this.tiles.size}`);
    this.showPictures();
  }

  tile(uid) {
    const known = this.tiles.get(uid);
    if (known) return known;
    const li = element("tile").content.firstElementChild.cloneNode(true);
    const find = (selector) => li.querySelector(selector);
    const tile = {
      ...{ element: li, who: find(".who"), how: find(".how"), level: find(".level") },
      ...{ video: find("video"), audio: find("audio"), seen: -Infinity },
    };
    li.dataset.uid = uid;
    watch(tile, () => this.showPictures());
    this.tiles.set(uid, tile);
    element("tiles").append(li);
    return tile;
  }

  /** Plays what comes from a member; `refused()` hears of a browser that plays nothing before there is a click. */
  play(uid, { audio, video }, refused = () => {}) {
    const tile = this.tiles.get(uid) ?? (audio || video ? this.tile(uid) : null);
    if (!tile) return;
    put(tile.audio, audio);
    put(tile.video, video);
    if (!video) tile.seen = -Infinity;
    tile.audio.muted = !this.isHeard;
    // Muted it goes on as well: what is not played piles up.
    if (audio) tile.audio.play().catch(({ name }) => name === "NotAllowedError" && refused());
  }

  playOwn(track) {
    const tile = this.tiles.get("own");
    put(tile.video, track);
    if (!track) tile.seen = -Infinity;
    this.showPictures();
  }

  /** Whether members are heard and seen. */
  setHeard(heard, refused) {
    this.isHeard = heard;
    for (const [uid, { audio }] of this.tiles) {
      if (uid === "own") continue;
      audio.muted = !heard;
      if (heard && audio.srcObject) audio.play().catch(({ name }) => name === "NotAllowedError" && refused());
    }
    this.showPictures();
  }

  showPictures() {
    for (const { element, video, seen } of this.tiles.values()) {
      // What is not laid out at all would show no first picture.
      const isOpen = this.isHeard && video.srcObject !== null;
      set(video, { hidden: !isOpen });
      element.classList.toggle("picture", isOpen && seen > -Infinity);
    }
  }

  /** Takes pictures away that have not changed for so long: nobody sends them any more. */
  hideStill(limit) {
    const oldest = performance.now() - limit;
    for (const tile of this.tiles.values()) if (tile.seen < oldest) tile.seen = -Infinity;
    this.showPictures();
  }

  drawLevel(uid, level) {
    const meter = this.tiles.get(uid)?.level;
    if (!meter) return;
    const bounded = Math.max(SILENCE, Math.min(0, level));
    attribute(meter, "aria-valuenow", `${Math.round(bounded)}`);
    const share = (1 - bounded / SILENCE).toFixed(3);
    meter.style.setProperty("--level", share);
    this.tiles.get(uid).element.style.setProperty("--heard", share);
  }
}

/** Takes note of every new picture; the first is told. */
function watch(tile, changed) {
  const { video } = tile;
  const note = () => {
    const isFirst = tile.seen === -Infinity;
    tile.seen = performance.now();
    if (isFirst) changed();
  };
  if (!("requestVideoFrameCallback" in video)) {
    video.addEventListener("timeupdate", note);
    return;
  }
  const next = () => {
    note();
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
}

function put(media, track) {
  if (!track) set(media, { srcObject: null });
  else if (media.srcObject?.getTracks()[0] !== track) media.srcObject = new MediaStream([track]);
}

/** The space bar works wherever it has no work of its own. */
function spaceBar(event, act) {
  const modified = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
  if (event.key !== " " || event.repeat || modified || event.target.closest("input, button, a")) return;
  event.preventDefault();
  act({ type: "toggle" });
}

async function copyLink() {
  const button = element("copy");
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copy the address above";
  }
  setTimeout(() => (button.textContent = "Copy link"), 2000);
}

function text(id, value) {
  set(element(id), { textContent: value });
}

function attribute(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

function set(object, values) {
  for (const [name, value] of Object.entries(values)) if (object[name] !== value) object[name] = value;
}
