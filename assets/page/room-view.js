// What a person sees of a room. It draws the state it is given, and touches the document only where that changed.

const element = (id) => document.getElementById(id);

/** What counts as silence, in dBFS. */
const SILENCE = -60;

const MEMBERS = { up: "", leaving: "lost its line", connecting: "connecting …", apart: "not connected" };

/** The one line that says how things stand. */
export function stateOf(model) {
  const { line, members } = model;
  if (line.kind === "taken") return "This room is open in another tab. Reload to talk in this one.";
  if (line.kind === "joined") return talkOf(model);
  const isConnected = members.some(({ how }) => how === "up");
  return [...(isConnected ? [talkOf(model)] : []), serverOf(model)].join(" ");
}

function serverOf({ line, complaint }) {
  if (complaint) return `The server says: ${complaint}. Trying again …`;
  return line.backoff.since === null ? "Connecting …" : "The server does not answer. Trying again …";
}

function talkOf({ paused, muted, isFull, counts, members, own }) {
  if (isFull) return `The room is full: ${counts.talking} are in it. You come in as soon as one leaves.`;
  if (members.length === 0) return `${paused ? "Paused, and alone here." : "Alone here."} Give others the link.`;
  if (paused) return "Paused: nobody hears you, and you hear nobody.";
  if (!members.some(({ how }) => how === "up")) return "Connecting …";
  if (!own.sound) return "You hear the others, and send no sound.";
  return muted ? "Your microphone is muted." : "You are live.";
}

/** As many as there are tiles; who waits for a place sees none but its own. */
function peopleOf({ isFull, counts: { talking, waiting }, members }) {
  const count = isFull ? talking : 1 + members.length;
  const people = count === 1 ? "Only you" : `${count} people`;
  return waiting === 0 ? people : `${people}, ${waiting} waiting`;
}

/** What there is to see where the address names no room; `likely` is what may have been meant, or null. */
export function drawNoRoom(likely) {
  set(document.body.dataset, { line: "none" });
  attribute(element("notice"), "data-kind", "obstacle");
  set(element("notice"), { hidden: false });
  text("notice-text", "This address names no room. Write one short word behind “room=” in it, such as “room=tea”.");
  set(element("dismiss"), { hidden: true });
  if (likely === null) return;
  set(element("likely"), { hidden: false, href: `?room=${encodeURIComponent(likely)}`, textContent: `Enter “${likely}”` });
}

export class RoomView {
  /** Calls `act` with what the person did. */
  constructor(act) {
    /** This side's, and the members' by uid. */
    this.own = newTile(() => this.showPictures());
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
    this.own.element.classList.add("own");
    element("tiles").append(this.own.element);
    for (const id of ["copy", "tiles", "controls"]) set(element(id), { hidden: false });
  }

  draw(model) {
    const { room, paused, muted, camera, notice, line, counts, members } = model;
    const connected = members.filter(({ how }) => how === "up").length;
    set(document.body.dataset, { line: line.kind, paused: `${paused}`, connected: `${connected}` });
    set(document.body.dataset, { members: `${counts.talking}`, waiting: `${counts.waiting}` });
    set(document, { title: `${paused ? "" : "● "}${room} · twocan` });
    text("room-name", room);
    text("people", peopleOf(model));
    text("state", stateOf(model));
    set(element("notice"), { hidden: notice === null });
    text("notice-text", notice ?? "");
    const button = element("unpause");
    set(button, { disabled: line.kind === "taken" });
    set(button.dataset, { paused: `${paused}` });
    attribute(button, "aria-pressed", `${!paused}`);
    text("unpause-label", paused ? "Unpause" : "Pause");
    attribute(element("mute"), "aria-pressed", `${muted}`);
    attribute(element("camera"), "aria-pressed", `${camera}`);
    this.drawTiles(model);
  }

  drawTiles({ uid: ownUid, members, paused, muted, own }) {
    const wanted = new Set(members.map(({ uid }) => uid));
    for (const [uid, { element }] of this.tiles) {
      if (wanted.has(uid)) continue;
      element.remove();
      this.tiles.delete(uid);
    }
    for (const { uid, how } of members) {
      const tile = this.tile(uid);
      set(tile.how, { textContent: MEMBERS[how] });
      set(tile.element.dataset, { state: how });
    }
    set(this.own.who, { textContent: `You are ${ownUid}`, title: `Others see you as Guest ${ownUid}` });
    set(this.own.how, { textContent: paused ? "paused" : own.sound ? (muted ? "muted" : "live") : "no sound" });
    set(this.own.element.dataset, { state: paused ? "paused" : "up" });
    attribute(element("tiles"), "data-count", `${1 + this.tiles.size}`);
    this.showPictures();
  }

  tile(uid) {
    const known = this.tiles.get(uid);
    if (known) return known;
    const tile = newTile(() => this.showPictures());
    set(tile.who, { textContent: `Guest ${uid}`, title: `Guest ${uid}` });
    this.tiles.set(uid, tile);
    element("tiles").append(tile.element);
    return tile;
  }

  /** The tile of a member, or of this side by null. */
  tileOf(uid) {
    return uid === null ? this.own : this.tiles.get(uid);
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
    put(this.own.video, track);
    if (!track) this.own.seen = -Infinity;
    this.showPictures();
  }

  /** Whether members are heard and seen. */
  setHeard(heard, refused) {
    this.isHeard = heard;
    for (const { audio } of this.tiles.values()) {
      audio.muted = !heard;
      if (heard && audio.srcObject) audio.play().catch(({ name }) => name === "NotAllowedError" && refused());
    }
    this.showPictures();
  }

  showPictures() {
    for (const { element, video, seen } of [this.own, ...this.tiles.values()]) {
      // What is not laid out at all would show no first picture.
      const isOpen = this.isHeard && video.srcObject !== null;
      set(video, { hidden: !isOpen });
      element.classList.toggle("picture", isOpen && seen > -Infinity);
    }
  }

  /** Takes pictures away that have not changed for so long: nobody sends them any more. */
  hideStill(limit) {
    const oldest = performance.now() - limit;
    for (const tile of [this.own, ...this.tiles.values()]) if (tile.seen < oldest) tile.seen = -Infinity;
    this.showPictures();
  }

  /** `uid` is null for this side. */
  drawLevel(uid, level) {
    const tile = this.tileOf(uid);
    if (!tile) return;
    const bounded = Math.max(SILENCE, Math.min(0, level));
    attribute(tile.level, "aria-valuenow", `${Math.round(bounded)}`);
    const share = (1 - bounded / SILENCE).toFixed(3);
    tile.level.style.setProperty("--level", share);
    tile.element.style.setProperty("--heard", share);
  }
}

/** A tile out of the template; `changed()` hears of its first picture. */
function newTile(changed) {
  const li = element("tile").content.firstElementChild.cloneNode(true);
  const find = (selector) => li.querySelector(selector);
  const tile = {
    ...{ element: li, who: find(".who"), how: find(".how"), level: find(".level") },
    ...{ video: find("video"), audio: find("audio"), seen: -Infinity },
  };
  watch(tile, changed);
  return tile;
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
