// What the person sees. It draws a picture of the state it is given, and touches the document only where that changed.

import { encode } from "./qr.js";

const element = (id) => document.getElementById(id);

/** Blank modules around a QR code: without them it does not scan. */
const QUIET_ZONE = 4;
/** What counts as silence and as full level, in dBFS. */
const SILENCE = -60;

/** Calls `act` with what the person did: `{ type }`, and `on` or `name` where it takes one. */
export function listen(act) {
  const onClick = (id, action) => element(id).addEventListener("click", () => act(action()));
  onClick("unpause", () => ({ type: "toggle" }));
  onClick("mute", () => ({ type: "mute", on: element("mute").getAttribute("aria-pressed") !== "true" }));
  onClick("camera", () => ({ type: "camera", on: element("camera").getAttribute("aria-pressed") !== "true" }));
  onClick("hang-up", () => ({ type: "hangUp" }));
  onClick("take-over", () => ({ type: "takeOver" }));
  onClick("new-code", () => ({ type: "newCode" }));
  onClick("dismiss", () => ({ type: "dismiss" }));
  element("copy").addEventListener("click", copyLink);
  element("sealed").addEventListener("toggle", ({ target }) => target.scrollIntoView({ block: "nearest" }));
  element("code-link").addEventListener("focus", ({ target }) => target.select());
  element("name").addEventListener("change", ({ target }) => act({ type: "name", name: target.value }));
  element("name").addEventListener("keydown", ({ key, target }) => {
    if (key === "Enter" || key === "Escape") target.blur();
  });
  document.addEventListener("keydown", (event) => spaceBar(event, act));
  document.addEventListener("click", leaveButton);
}

/** What was clicked with a pointer does not keep the space bar: who muted thus, and would pause, must not be heard. */
function leaveButton({ detail, target }) {
  if (detail > 0) target.closest("button, summary")?.blur();
}

/** The space bar works wherever it has no work of its own. */
function spaceBar(event, act) {
  const modified = event.ctrlKey || event.altKey || event.metaKey || event.shiftKey;
  if (event.key !== " " || event.repeat || modified) return;
  if (event.target.closest("input, button, a, summary, [contenteditable]") || element("unpause").disabled) return;
  event.preventDefault();
  act({ type: "toggle" });
}

async function copyLink() {
  const link = element("code-link");
  link.select();
  try {
    await navigator.clipboard.writeText(link.value);
  } catch {
    document.execCommand("copy");
  }
  element("copy").textContent = "Copied";
  setTimeout(() => (element("copy").textContent = "Copy link"), 2000);
}

/** Draws `model`; see `picture.js` for what it holds. */
export function draw(model) {
  const { body } = document;
  set(body.dataset, { call: model.call, line: model.line, far: model.farHere ? "here" : "away" });
  set(body.dataset, { farPaused: `${model.farPaused}`, paused: `${model.paused}`, pairing: model.pairing });
  show("code", model.link !== null || model.kept.length > 0 && model.pairing === "unknown");
  show("stage", model.usable);
  show("controls", model.usable || model.link !== null);
  drawCode(model);
  drawControls(model);
  drawNotice(model.notice);
  drawWords(model.words);
  text("state-text", model.state);
  text("state-aside", model.aside && ` ${model.aside}`);
  text("presence-text", model.presence);
  text("own-status", model.ownStatus);
  text("far-status", model.farStatus);
  text("far-name", model.name || "The other side");
  if (document.activeElement !== element("name")) set(element("name"), { value: model.name });
  set(document, { title: model.title });
}

function drawCode({ link, kept }) {
  show("card", link !== null);
  if (link !== null && element("code-link").value !== link) {
    element("code-link").value = link;
    drawQr(element("qr"), encode(link));
  }
  show("kept", kept.length > 0);
  const list = element("kept-list");
  if (list.childElementCount === kept.length) return;
  list.replaceChildren(...kept.map(keptItem));
}

function keptItem({ convo, name }) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `?convoId=${convo}`;
  link.textContent = name || "Unnamed conversation";
  item.append(link);
  return item;
}

function drawQr(svg, code) {
  const size = code.size + 2 * QUIET_ZONE;
  let path = "";
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) {
      if (code.dark(x, y)) path += `M${x + QUIET_ZONE} ${y + QUIET_ZONE}h1v1h-1z`;
    }
  }
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  const modules = document.createElementNS("http://www.w3.org/2000/svg", "path");
  modules.setAttribute("d", path);
  svg.replaceChildren(modules);
}

function drawControls({ paused, muted, camera, call, canUnpause, showOwn, showFar }) {
  const button = element("unpause");
  set(button, { disabled: !canUnpause });
  set(button.dataset, { paused: `${paused}` });
  attribute(button, "aria-pressed", `${!paused}`);
  text("unpause-label", paused ? "Unpause" : "Pause");
  attribute(element("mute"), "aria-pressed", `${muted}`);
  attribute(element("camera"), "aria-pressed", `${camera}`);
  set(element("hang-up"), { disabled: call === "idle" || call === "ending" });
  show("own-video", showOwn);
  show("far-video", showFar);
  element("stage").classList.toggle("picture", showFar);
}

function drawWords(words) {
  show("sealed", words !== null);
  if (words === null) element("sealed").open = false;
  const list = element("safety-words");
  if (list.textContent === (words ?? "")) return;
  const spans = (words ?? "").split(" ").map((word) => Object.assign(document.createElement("span"), { textContent: word }));
  list.replaceChildren(...spans.flatMap((span, at) => (at > 0 ? [" ", span] : [span])));
}

function drawNotice(notice) {
  show("notice", notice !== null);
  text("notice-text", notice?.text ?? "");
  text("notice-aside", notice?.aside ?? "");
  for (const action of ["take-over", "new-code", "start-new", "dismiss"]) show(action, notice?.action === action);
  attribute(element("notice"), "data-kind", notice?.kind ?? "");
}

/** Shows a level in dBFS as the ring of `own` or `far`. */
export function drawLevel(side, level) {
  const meter = element(`${side}-level`);
  const bounded = Math.max(SILENCE, Math.min(0, level));
  attribute(meter, "aria-valuenow", `${Math.round(bounded)}`);
  meter.style.setProperty("--level", `${(1 - bounded / SILENCE).toFixed(3)}`);
}

/** Plays `track` in the element `id`; null takes it away. */
export function play(id, track) {
  const media = element(id);
  if (track === null) media.srcObject = null;
  else if (media.srcObject?.getTracks()[0] !== track) media.srcObject = new MediaStream([track]);
}

/**
 * Whether the sound of the far side is played, and whether it is heard: silently played, it is kept up with. `refused()`
 * hears of a browser that plays nothing before there is a click.
 */
export function setSound({ played, heard }, refused) {
  const audio = element("far-audio");
  set(audio, { muted: !heard });
  if (played && audio.paused) audio.play().catch(({ name }) => name === "NotAllowedError" && refused());
  else if (!played && !audio.paused) audio.pause();
}

function show(id, visible) {
  set(element(id), { hidden: !visible });
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
