// The program, run as a child and driven by JSON lines.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Side } from "./side.mjs";
import { clock } from "./timeline.mjs";

/** The program under test. */
export const BINARY = process.env.TWOCAN ?? fileURLToPath(new URL("../../../target/debug/twocan", import.meta.url));

/** The test elements that a native takes unless told otherwise. */
const TEST_ENDS = { mic: "test:440", camera: "test:red", speaker: "test", window: "test" };

/** How much sound one `tone` event is about, in milliseconds. */
const TONE_BLOCK = 20;

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** A child whose end kills nobody else, and who does not outlive the tests. */
export function start(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** The command line that runs `words` in the network namespace `place`, in this one if that is null. */
export function within(place, words) {
  return place === null ? words : ["nsenter", `--net=/run/netns/${place}`, "--", ...words];
}

/** The command line of `twocan talk`, or of another command that calls. */
function talkArguments({ command, what, port, server, state, ends, address, flags }) {
  const here = port ? ["--port", `${port}`, "--listen", "127.0.0.1"] : [];
  const where = server ? ["--server", server] : here;
  const devices = Object.entries(ends).flatMap(([end, choice]) => (choice === null ? [] : [`--${end}`, choice]));
  const media = address ? ["--address", address] : [];
  return [command, ...(what === null ? [] : [what]), "--json", "--state", state, ...where, ...devices, ...media, ...flags];
}

export class Native extends Side {
  /**
   * Runs `twocan talk`, or another `command`; `what` is null for none. `ends` overrides mic, camera, speaker and window; null leaves the program's own default.
   * `place` is the network namespace that it runs in.
   */
  constructor(name, options) {
    super(name);
    const { command: verb = "talk", what = name, port, server, state, ends = {}, address = "127.0.0.1", flags = [] } = options;
    const { env = {}, place = null } = options;
    this.options = { command: verb, what, port, server, state, ends: { ...TEST_ENDS, ...ends }, address, flags, env, place };
    this.spawned = clock();
    const [command, ...args] = within(place, [BINARY, ...talkArguments(this.options)]);
    this.child = start(command, args, { env: { ...process.env, RUST_LOG: "warn", ...env } });
    /** What it wrote on standard error. */
    this.errors = "";
    this.child.stderr.on("data", (data) => (this.errors += data));
    this.child.stdin.on("error", () => {});
    createInterface({ input: this.child.stdout }).on("line", (line) => this.hear(line));
    this.exited = new Promise((resolve) => this.child.once("close", (code, signal) => resolve({ code, signal })));
    this.exited.then(({ code, signal }) => this.end(`it ended with ${code ?? signal}: ${this.errors.slice(-2000)}`));
  }

  hear(line) {
    const event = JSON.parse(line);
    // Every event carries a monotonic time; the first one says which wall clock time that is.
    if (event.event === "started") this.epoch = event.unix_ms - event.t;
    this.push({ ...event, at: this.epoch + event.t, heard: clock() }, fold(event));
  }

  /** Gives a command; returns the wall clock time at which it was given. */
  tell(cmd, fields = {}) {
    const at = clock();
    this.child.stdin.write(`${JSON.stringify({ v: 1, cmd, ...fields })}\n`);
    return at;
  }

  /** The link that pairs, for a browser on this machine. */
  async link() {
    const { link, local } = await this.wait("code");
    return local ?? link;
  }

  /** In the room, paired or not. */
  joined() {
    return this.until("being in the room", ({ line }) => line === "joined");
  }

  /** Its devices are chosen, and its first connection is made ready. */
  prepared() {
    return this.until("its devices", ({ devices }) => devices);
  }

  /** Opens the gate; resolves with `{ at }`, when it was told to. */
  async unpause() {
    const at = this.tell("unpause");
    await this.until("being unpaused", ({ paused }) => paused === false);
    return { at };
  }

  async pause() {
    const at = this.tell("pause");
    await this.until("being paused", ({ paused }) => paused === true);
    return { at };
  }

  async hangUp() {
    return { at: this.tell("hang_up") };
  }

  /** When a sound began, from a cursor on. */
  async firstHeard({ from = 0, within } = {}) {
    const { at } = await this.wait("tone", ({ hz }) => hz !== null, { from, within, what: "of any height" });
    return at;
  }

  lastHeard() {
    const last = this.events.findLast(({ event, hz }) => event === "tone" && hz !== null);
    return last ? last.at + TONE_BLOCK : null;
  }

  /** The times between `since` and `until` in which nothing was heard, as `[from, to]`. */
  holes(since, until) {
    const heard = this.all("tone").filter(({ at, hz }) => hz !== null && at >= since && at <= until);
    const ends = [since, ...heard.map(({ at }) => at + TONE_BLOCK)];
    const begins = [...heard.map(({ at }) => at), until];
    return begins.map((to, at) => [ends[at], to]).filter(([from, to]) => to - from > TONE_BLOCK);
  }

  /** Ends it as a user does. */
  async quit() {
    this.tell("quit");
    return this.exited;
  }

  /** Ends it without giving it a chance. */
  kill(signal = "SIGKILL") {
    this.child.kill(signal);
    return this.exited;
  }

  get pid() {
    return this.child.pid;
  }
}

function fold({ event, v, t, ...fields }) {
  switch (event) {
    case "line":
      return { line: fields.state };
    case "call":
      return { call: fields.state };
    case "far":
      return { far: fields.here };
    case "paused":
      return { paused: fields.paused };
    case "far_props":
      return { farProps: fields };
    case "devices":
      return { devices: fields };
    case "code":
      return { code: fields.link };
    case "code_gone":
      return { code: null };
    case "paired":
      return { paired: true };
    case "started":
      return { call: "idle" };
    case "tone":
      return { hz: fields.hz };
    default:
      return {};
  }
}
