// The program, run as a child and driven by JSON lines.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Timeline, clock } from "./timeline.mjs";

/** The program under test. */
export const BINARY = process.env.TWOCAN ?? fileURLToPath(new URL("../../../target/debug/twocan", import.meta.url));

/** The test elements that a native takes unless told otherwise. */
const TEST_ENDS = { mic: "test:440", camera: "test:red", speaker: "test", window: "test" };

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** A child whose end kills nobody else, and who does not outlive the tests. */
export function start(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** The command line of `twocan talk`. */
function talkArguments({ what, port, server, state, ends, address, flags }) {
  const where = server ? ["--server", server] : ["--port", `${port}`, "--listen", "127.0.0.1"];
  const devices = Object.entries(ends).flatMap(([end, choice]) => (choice === null ? [] : [`--${end}`, choice]));
  const media = address ? ["--address", address] : [];
  return [what, "--json", "--state", state, ...where, ...devices, ...media, ...flags];
}

export class Native extends Timeline {
  /**
   * Runs `twocan talk`. `ends` overrides mic, camera, speaker and window; null leaves the program's own default.
   */
  constructor(name, { what = name, port, server, state, ends = {}, address = "127.0.0.1", flags = [], env = {} }) {
    super(name);
    this.options = { what, port, server, state, ends: { ...TEST_ENDS, ...ends }, address, flags, env };
    this.spawned = clock();
    this.child = start(BINARY, talkArguments(this.options), { env: { ...process.env, RUST_LOG: "warn", ...env } });
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

  ready() {
    return this.until("being in the room", ({ line }) => line === "joined");
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
    case "tone":
      return { hz: fields.hz };
    default:
      return {};
  }
}
