// Sound devices and a display without hardware: PulseAudio with a null sink and a tone for a microphone, and Xvfb.

import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { start } from "./native.mjs";
import { eventually } from "./timeline.mjs";

/** The programs that this needs and that are not there. */
export function missing() {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const isThere = (name) => folders.some((folder) => fs.existsSync(path.join(folder, name)));
  return ["pulseaudio", "pactl", "parec", "Xvfb", "xwininfo"].filter((name) => !isThere(name));
}

/** A sound server of its own, whose only microphone hums at `hz`; what is played ends in nothing. */
export class SoundServer {
  static async start(folder, hz) {
    fs.mkdirSync(folder, { mode: 0o700 });
    const socket = path.join(folder, "native.sock");
    const modules = [
      `module-native-protocol-unix auth-anonymous=1 socket=${socket}`,
      "module-null-sink sink_name=loudspeaker rate=48000",
      "module-null-sink sink_name=room rate=48000",
      "module-remap-source source_name=humming master=room.monitor",
      `module-sine sink=room frequency=${hz}`,
    ];
    const flags = ["--daemonize=no", "--exit-idle-time=-1", "--disallow-exit", "--realtime=no", "--use-pid-file=no"];
    const load = modules.flatMap((module) => ["-L", module]);
    const env = { HOME: folder, XDG_RUNTIME_DIR: folder, PULSE_SERVER: `unix:${socket}` };
    const stdio = ["ignore", "ignore", "ignore"];
    const child = start("pulseaudio", ["-n", ...flags, ...load], { env: { ...process.env, ...env }, stdio });
    const server = new SoundServer(child, env);
    await eventually("the sound server", () => server.answers());
    server.control("set-default-sink", "loudspeaker");
    server.control("set-default-source", "humming");
    return server;
  }

  constructor(child, env) {
    this.child = child;
    /** What a program needs in its environment to use this server. */
    this.env = env;
  }

  control(...args) {
    const env = { ...process.env, ...this.env };
    return execFileSync("pactl", args, { env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  }

  answers() {
    try {
      return this.control("info") !== "";
    } catch {
      return false;
    }
  }

  /** How many streams the process `pid` has open: `{ recording, playing }`. */
  streams(pid) {
    const count = (kind) => this.control("list", kind).split(`application.process.id = "${pid}"`).length - 1;
    return { recording: count("source-outputs"), playing: count("sink-inputs") };
  }

  /** Listens to the loudspeaker: `level(hz)` is how loud this tone was in the last tenth of a second, in dBFS. */
  listen() {
    const format = ["--device=loudspeaker.monitor", "--format=float32le", "--rate=48000", "--channels=1", "--latency-msec=20"];
    const child = start("parec", format, { env: { ...process.env, ...this.env }, stdio: ["ignore", "pipe", "ignore"] });
    let recent = Buffer.alloc(0);
    child.stdout.on("data", (data) => (recent = Buffer.concat([recent, data]).subarray(-4 * 4800)));
    return { level: (hz) => strength(recent, hz), stop: () => child.kill("SIGKILL") };
  }

  stop() {
    this.child.kill("SIGKILL");
  }
}

/** The level of one frequency in dBFS, by Goertzel's method. */
function strength(bytes, hz) {
  const count = Math.floor(bytes.length / 4);
  const turn = 2 * Math.cos((2 * Math.PI * hz) / 48_000);
  let [last, before] = [0, 0];
  for (let at = 0; at < count; at++) [last, before] = [bytes.readFloatLE(4 * at) + turn * last - before, last];
  const power = (last ** 2 + before ** 2 - turn * last * before) / Math.max(1, count / 2) ** 2;
  return 10 * Math.log10(power + 1e-10);
}

/** A display that nobody looks at. */
export class Display {
  static async start() {
    // It would begin anew, deaf for a moment, whenever the last window is closed.
    const args = ["-noreset", "-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp"];
    const child = start("Xvfb", args, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
    const number = await new Promise((resolve, reject) => {
      child.stdio[3].once("data", (data) => resolve(`${data}`.trim()));
      child.once("exit", (code) => reject(new Error(`Xvfb ended with ${code}`)));
    });
    return new Display(child, `:${number}`);
  }

  constructor(child, name) {
    this.child = child;
    this.env = { DISPLAY: name, WAYLAND_DISPLAY: "" };
  }

  /** How many windows can be seen. */
  windows() {
    const tree = execFileSync("xwininfo", ["-root", "-tree", "-display", this.env.DISPLAY], { encoding: "utf8" });
    const ids = [...tree.matchAll(/^ {5}(0x[0-9a-f]+)/gm)].map(([, id]) => id);
    const isSeen = (id) => {
      // It may have gone since.
      const { stdout } = spawnSync("xwininfo", ["-id", id, "-display", this.env.DISPLAY], { encoding: "utf8" });
      return stdout.includes("IsViewable");
    };
    return ids.filter(isSeen).length;
  }

  stop() {
    this.child.kill("SIGKILL");
  }
}
