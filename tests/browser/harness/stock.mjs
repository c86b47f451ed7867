// A stock GStreamer client, run as a child that tells what it hears; see `tests/stock`.

import { execFileSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { start } from "./native.mjs";
import { Timeline, clock } from "./timeline.mjs";
import { isTone } from "./side.mjs";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** How far each part of a colour may be off. */
const SHADE = 45;

let program;

/** Where the client is; cargo makes it if it is not there, which takes a while. */
export function build() {
  program ??= process.env.STOCK ?? made();
  return program;
}

function made() {
  const args = ["test", "--locked", "--no-run", "--test", "stock", "--message-format=json"];
  const options = { cwd: ROOT, encoding: "utf8", maxBuffer: 2 ** 28, stdio: ["ignore", "pipe", "inherit"] };
  const lines = execFileSync("cargo", args, options).trim().split("\n").map((line) => JSON.parse(line));
  return lines.find(({ executable, target }) => executable && target.name === "stock").executable;
}

export class StockClient extends Timeline {
  /** `args` as `tests/stock` takes them; media stay on the loopback. */
  constructor(name, args) {
    super(name);
    this.child = start(build(), ["speak", "--local", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.errors = "";
    this.child.stderr.on("data", (data) => (this.errors += data));
    createInterface({ input: this.child.stdout }).on("line", (line) => this.hear(JSON.parse(line)));
    this.exited = new Promise((resolve) => this.child.once("close", (code, signal) => resolve({ code, signal })));
    this.exited.then(({ code, signal }) => this.end(`it ended with ${code ?? signal}: ${this.errors.slice(-2000)}`));
  }

  hear({ event, rgb, ...fields }) {
    const [red, green, blue] = rgb ?? [];
    this.push({ at: clock(), event, ...fields, ...(rgb ? { red, green, blue } : {}) }, { last: event });
  }

  /** Hears this tone; from this peer, if one is named. */
  hears(hz, { from = 0, peer, within } = {}) {
    const fits = (tone) => isTone(tone, hz) && (peer === undefined || tone.from === peer);
    return this.wait("tone", fits, { from, within, what: `of ${hz} Hz` });
  }

  sees(colour, { from = 0 } = {}) {
    const fits = ({ red, green, blue }) => [red, green, blue].every((part, at) => Math.abs(part - colour[at]) < SHADE);
    return this.wait("picture", fits, { from, what: `of ${colour}` });
  }

  async takesIn({ hz, colour }, options) {
    await Promise.all([this.hears(hz, options), this.sees(colour, options)]);
  }

  registered() {
    return this.wait("registered");
  }

  kill() {
    this.child.kill("SIGKILL");
    return this.exited;
  }
}
