// Debian's coturn on loopback, which checks the passwords that `twocan serve` gives out.

import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { start } from "./native.mjs";
import { eventually } from "./timeline.mjs";

const EXECUTABLE = process.env.TURNSERVER ?? "/usr/bin/turnserver";

/** Why tests with it cannot be run here; false if they can. */
export const missing = fs.existsSync(EXECUTABLE) ? false : "SKIPPED: there is no coturn";

export class Turn {
  /** Knows the passwords that are made with `secret`; what it keeps is in `folder`. */
  constructor({ port, folder, secret }) {
    this.port = port;
    fs.mkdirSync(folder, { recursive: true });
    const file = path.join(folder, "turnserver.conf");
    const settings = {
      "listening-ip": "127.0.0.1",
      "relay-ip": "127.0.0.1",
      "listening-port": port,
      realm: "test",
      "static-auth-secret": secret,
      userdb: path.join(folder, "users"),
      pidfile: path.join(folder, "pid"),
      "log-file": "stdout",
    };
    const switches = ["use-auth-secret", "allow-loopback-peers", "no-tls", "no-dtls", "no-cli", "verbose"];
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    // The secret is nobody else's on this machine.
    fs.writeFileSync(file, [...lines, ...switches.map((name) => `${name}\n`)].join(""), { mode: 0o600 });
    this.child = start(EXECUTABLE, ["-c", file], { stdio: ["ignore", "pipe", "pipe"] });
    /** What it says. */
    this.log = "";
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on("data", (data) => (this.log += data));
    this.exited = new Promise((resolve) => this.child.once("exit", resolve));
  }

  ready() {
    const answers = () =>
      new Promise((resolve) => {
        const socket = net.connect(this.port, "127.0.0.1");
        socket.once("connect", () => {
          socket.destroy();
          resolve(true);
        });
        socket.once("error", () => resolve(false));
      });
    return eventually("coturn to listen", answers);
  }

  kill() {
    this.child.kill("SIGKILL");
    return this.exited;
  }
}
