// Measures what a person notices. Prints a table; with `--json FILE` writes the figures there too.
//
// Times across processes are wall clock: the program's from its first event on by its monotonic clock, the page's by
// `performance.timeOrigin`. How far the clocks are apart is measured and printed along.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import * as calls from "./bench/calls.mjs";
import * as standing from "./bench/standing.mjs";
import { Chrome } from "./harness/chrome.mjs";
import { Figures } from "./harness/figures.mjs";
import { BINARY } from "./harness/native.mjs";
import { Scene } from "./harness/scene.mjs";
import { writeTone } from "./harness/wave.mjs";

const { values: options } = parseArgs({
  options: {
    json: { type: "string" },
    rounds: { type: "string", default: "12" },
    /** Names of sections, with commas. */
    only: { type: "string", default: "" },
  },
});
const rounds = Number(options.rounds);
const figures = new Figures();

const sections = {
  start: (scene) => standing.start(scene, figures, rounds),
  native: (scene) => calls.nativeAndPage(scene, figures, rounds),
  pages: (scene) => calls.pages(scene, figures, rounds),
  first: (scene) => calls.firstUnpause(scene, figures, rounds),
  "first-pages": (scene) => calls.firstUnpauseOfPages(scene, figures, rounds),
  waiting: (scene) => standing.waiting(scene, figures, 10),
};

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "twocan-bench-"));
const tone = path.join(folder, "tone.wav");
writeTone(tone, calls.PAGE_TONE);
const chrome = await Chrome.launch({ flags: [`--use-file-for-fake-audio-capture=${tone}`] });
try {
  for (const [name, measure] of Object.entries(sections)) {
    if (options.only && !options.only.split(",").includes(name)) continue;
    console.error(`── ${name}`);
    const scene = new Scene(null, chrome);
    try {
      await measure(scene);
    } finally {
      await scene.close();
    }
  }
} finally {
  await chrome.close();
  fs.rmSync(folder, { recursive: true, force: true });
}
console.log(`\n${BINARY}, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)}\n\n${figures.table()}`);
if (options.json) fs.writeFileSync(options.json, `${figures.json({ rounds })}\n`);
