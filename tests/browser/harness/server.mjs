// `twocan serve`, run as a child.

import { createInterface } from "node:readline";
import { BINARY, start, within } from "./native.mjs";

export class Server {
  /** `place` is the network namespace that it runs in; `listen` its address there; `flags` come on top. */
  constructor({ port, state, place = null, listen = "127.0.0.1", flags = [] }) {
    this.options = { port, state, place, listen, flags };
    this.port = port;
    this.origin = `http://localhost:${port}`;
    this.run();
  }

  run() {
    const { port, state, place, listen, flags } = this.options;
    const words = [BINARY, "serve", "--port", `${port}`, "--listen", listen, "--state", state, ...flags];
    const [command, ...args] = within(place, words);
    this.child = start(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.exited = new Promise((resolve) => this.child.once("exit", resolve));
    const lines = createInterface({ input: this.child.stdout });
    // It prints its last line once it listens.
    const announced = new Promise((resolve) => lines.on("line", (line) => line.includes("Ctrl-C") && resolve()));
    const ended = this.exited.then((code) => Promise.reject(new Error(`twocan serve ended with ${code}`)));
    this.ready = Promise.race([announced, ended]);
    this.ready.catch(() => {});
    ended.catch(() => {});
  }

  kill() {
    this.child.kill("SIGKILL");
    return this.exited;
  }

  /** Begins anew where it was. */
  restart() {
    this.run();
    return this.ready;
  }
}
