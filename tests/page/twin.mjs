// The native side's channel, in the place of the page's: `tests/twin` as a child that is spoken to in lines of JSON.

import { execFileSync, spawn } from "node:child_process";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Where the child's program is; cargo makes it if it is not there, which takes a while. */
export function build() {
  if (process.env.TWIN) return process.env.TWIN;
  const args = ["test", "--locked", "--no-run", "--test", "twin", "--message-format=json"];
  const options = { cwd: ROOT, encoding: "utf8", maxBuffer: 2 ** 28, stdio: ["ignore", "pipe", "inherit"] };
  const lines = execFileSync("cargo", args, options).trim().split("\n").map((line) => JSON.parse(line));
  return lines.find(({ executable, target }) => executable && target.name === "twin").executable;
}

/** A class that is made and used as the page's `Channel` is; each of its channels is a child of its own. */
export function twin(program) {
  return class Twin {
    constructor({ me, convo, secret, trust, told, random }) {
      this.told = told;
      this.due = Infinity;
      this.child = spawn(program, ["speak"], { stdio: ["pipe", "pipe", "inherit"] });
      this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
      const seed = Math.floor(random() * 2 ** 32);
      this.ready = this.ask({ setup: { me, convo, secret, trust, seed } });
    }

    async ask(line) {
      this.child.stdin.write(`${JSON.stringify(line)}\n`);
      const { value, done } = await this.lines.next();
      if (done) throw new Error("the native side is gone");
      const { told, deadline } = JSON.parse(value);
      this.due = deadline ?? Infinity;
      for (const output of told) this.told(output);
    }

    async handle(now, input) {
      await this.ready;
      await this.ask({ now, input });
    }

    deadline() {
      return this.due;
    }

    close() {
      this.child.stdin.end();
    }
  };
}
