// Chromium: one process for a file of tests, in it several machines (browser contexts), on each several tabs.

import puppeteer from "puppeteer-core";
import { ear } from "./ear.mjs";
import { Side } from "./side.mjs";
import { eventually } from "./timeline.mjs";

export const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-first-run",
  // Media may use the loopback, so that no packet of a test leaves this machine.
  "--allow-loopback-in-peer-connection",
];
/** How often a button may be missed. */
const MISSES = 3;
const FAKE_DEVICES = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];

export class Chrome {
  /**
   * `fakeDevices: false` leaves microphone and permission prompt as they are; `flags` come on top; what is named in
   * `without` is taken from puppeteer's own flags. `profile` is a folder that outlives the browser, for its `home`.
   */
  static async launch({ fakeDevices = true, flags = [], without = [], env = {}, profile, executable = EXECUTABLE } = {}) {
    const browser = await puppeteer.launch({
      executablePath: executable,
      headless: true,
      userDataDir: profile,
      // Its own end of a socket might be in another network.
      pipe: executable !== EXECUTABLE,
      args: [...FLAGS, ...(fakeDevices ? FAKE_DEVICES : []), ...flags],
      ignoreDefaultArgs: without,
      env: { ...process.env, ...env },
    });
    return new Chrome(browser);
  }

  constructor(browser) {
    this.browser = browser;
  }

  async machine() {
    return new Machine(await this.browser.createBrowserContext());
  }

  /** The profile that is kept on disk. */
  home() {
    return new Machine(this.browser.defaultBrowserContext());
  }

  close() {
    return this.browser.close();
  }

  /** Ends the whole browser without giving it a chance. */
  kill() {
    this.browser.process().kill("SIGKILL");
  }
}

/** A browser profile: its tabs share what is stored, and nobody else does. */
class Machine {
  constructor(context) {
    this.context = context;
    this.tabs = [];
  }

  /** `permissions` that are granted at `origin`; those not named are denied. */
  permit(origin, permissions) {
    return this.context.overridePermissions(origin, permissions);
  }

  /**
   * Opens `url` in a new tab. `tone` and `colour` replace its microphone and camera; `viewport` as in puppeteer.
   * `listen: false` leaves the page wholly untouched; `relayOnly` has its connections go by a TURN server alone.
   */
  async tab(name, url, { tone = 0, colour = [0, 0, 255], viewport = null, listen = true, relayOnly = false } = {}) {
    const page = await this.context.newPage();
    const tab = new Tab(name, page, this);
    this.tabs.push(tab);
    if (viewport) await page.setViewport(viewport);
    if (listen) await tab.listen({ tone, colour, relayOnly });
    await page.goto(url);
    return tab;
  }

  async close() {
    for (const tab of this.tabs) tab.forget();
    // A browser that was killed has closed everything already.
    if (this.context.browser().connected) await this.context.close();
  }
}

export class Tab extends Side {
  constructor(name, page, machine) {
    super(name);
    this.page = page;
    this.machine = machine;
    /** The addresses of everything that the page asked for. */
    this.requests = [];
    page.on("request", (request) => this.requests.push(request.url()));
    // Sockets are told by the protocol alone.
    this.client = page.createCDPSession();
    page.on("console", (message) => this.note("console", { type: message.type(), text: message.text() }));
    page.on("pageerror", (error) => this.note("console", { type: "error", text: error.message }));
    page.on("close", () => this.end("it was closed"));
  }

  note(event, fields) {
    this.push({ at: Date.now(), event, ...fields });
  }

  async listen(settings) {
    const client = await this.client;
    client.on("Network.webSocketCreated", ({ url }) => this.requests.push(url));
    await client.send("Network.enable");
    client.on("Runtime.bindingCalled", ({ name, payload }) => {
      if (name === "twocanTells") this.hear(JSON.parse(payload));
    });
    await client.send("Runtime.enable");
    await client.send("Runtime.addBinding", { name: "twocanTells" });
    await this.page.evaluateOnNewDocument(ear, settings);
  }

  hear(event) {
    this.push(event, fold(event));
  }

  /**
   * Presses the large button; resolves with the times of that: `{ at, handled }`. Of the tabs of one machine, one at
   * a time can be pressed: a browser shows one only.
   */
  async press(selector = "#unpause") {
    if (this.machine.tabs.length > 1) await this.page.bringToFront();
    const hit = (button, target) => button.id === target || button.contains(document.getElementById(target));
    for (let misses = 0; ; misses++) {
      const from = this.cursor;
      await this.page.click(selector);
      const pressed = await this.wait("pressed", ({ kind }) => kind === "click", { from });
      // A page that is still being laid out may have moved it from under the mouse.
      if (await this.page.$eval(selector, hit, pressed.target)) return pressed;
      if (misses === MISSES) throw new Error(`${this.name}: "${pressed.target}" was hit rather than ${selector}`);
    }
  }

  /** Presses a key; resolves with the times of that. */
  async key(name) {
    const from = this.cursor;
    await this.page.keyboard.press(name);
    return this.wait("pressed", ({ kind }) => kind === "keydown", { from });
  }

  async unpause() {
    const press = await this.press();
    await this.until("being unpaused", ({ paused }) => paused === false);
    return press;
  }

  async pause() {
    const press = await this.press();
    await this.until("being paused", ({ paused }) => paused === true);
    return press;
  }

  async hangUp() {
    return this.press("#hang-up");
  }

  /** The times between `since` and `until` in which nothing was heard, as `[from, to]`. */
  holes(since, until) {
    const sounds = [];
    for (const { on, at, last, track } of this.all("sound")) {
      if (on) sounds.push({ track, from: at, to: until });
      else Object.assign(sounds.findLast((sound) => sound.track === track), { to: last });
    }
    const holes = [];
    let heard = since;
    for (const { from, to } of sounds.sort((one, other) => one.from - other.from)) {
      if (from > heard) holes.push([heard, Math.min(from, until)]);
      heard = Math.max(heard, to);
    }
    return [...holes, [heard, until]].filter(([from, to]) => from < to && from < until);
  }

  /** When a sound began, from a cursor on. */
  async firstHeard({ from = 0, within } = {}) {
    const { at } = await this.wait("sound", ({ on }) => on, { from, within, what: "of any height" });
    return at;
  }

  lastHeard() {
    const last = this.events.findLast(({ event, on }) => event === "tone" || (event === "sound" && !on));
    return last?.last ?? last?.at ?? null;
  }

  /** The page's own link for the other side. */
  async link() {
    const { code } = await this.until("showing a code", ({ code }) => code);
    return code;
  }

  /** How often getUserMedia was called. */
  asked() {
    return this.page.evaluate(() => globalThis.twocanEar.asked);
  }

  /** How many microphones and cameras are open. */
  open() {
    return this.page.evaluate(() => globalThis.twocanEar.open());
  }

  /** No microphone and no camera is open any more. */
  letsGo() {
    return eventually(`${this.name} to let go of its devices`, async () => (await this.open()) === 0, { within: 2000 });
  }

  stats() {
    return this.page.evaluate(() => globalThis.twocanEar.stats());
  }

  /** What the browser said that a developer would call an error. */
  get complaints() {
    return this.all("console").filter(({ type }) => type === "error" || type === "warn" || type === "warning");
  }

  reload() {
    return this.page.reload();
  }

  /** Tells the page that this machine has no network, or has one again; what is connected stays so. */
  async emulateOffline(offline) {
    const client = await this.client;
    await client.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  }

  async close() {
    await this.page.close();
    this.forget();
  }
}

function fold({ event, at, ...fields }) {
  if (event !== "look") return {};
  const { paused, far, farPaused, pairing } = fields;
  const said = { paused: paused === "true", far: far === "here", farPaused: farPaused === "true" };
  return { ...fields, ...said, paired: pairing === "paired" };
}
