// What it costs to start, and to wait.

import fs from "node:fs";
import path from "node:path";
import { BINARY, start as spawn } from "../harness/native.mjs";
import * as pairs from "../harness/pairs.mjs";
import { freePort } from "../harness/scene.mjs";
import { clock } from "../harness/timeline.mjs";

/** How long the waiting is measured, in milliseconds. */
const MINUTE = 60_000;
/** How long a process gets to settle before that, in milliseconds. */
const SETTLE = 5_000;
/** Clock ticks in a second: fixed for every Linux that a program sees. */
const TICKS = 100;

const pass = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** From the start of the program to its code and its place in the room. */
export async function start(scene, figures, rounds) {
  const [code, joined, main, devices] = [[], [], [], []];
  for (let round = 0; round < rounds; round++) {
    const native = await scene.native(`start ${round}`, { port: await freePort() });
    const since = async (event) => (await event).at - native.spawned;
    code.push(await since(native.wait("code")));
    joined.push(await since(native.wait("line", ({ state }) => state === "joined")));
    devices.push(await since(native.wait("devices")));
    main.push(native.epoch - native.spawned);
    await native.quit();
  }
  const parts = { "exec to main": main };
  const both = code.map((at, round) => Math.max(at, joined[round]));
  Object.assign(parts, { code, registered: joined });
  figures.take("start", "start → code shown and registered (JSON lines)", both, { goal: 150, parts });
  figures.take("start-devices", "start → devices chosen and first connection ready", devices);
  await startAtTerminal(scene, figures, rounds);
}

/** The same with a person's terminal: to the first picture that holds the QR code and says that the line stands. */
async function startAtTerminal(scene, figures, rounds) {
  const shown = [];
  for (let round = 0; round < rounds; round++) {
    const state = path.join(scene.folder, `terminal ${round}`);
    const where = `--port ${await freePort()} --listen 127.0.0.1 --state '${state}'`;
    const talk = `'${BINARY}' talk tim ${where} --mic none --camera none --speaker none --window none`;
    const env = { ...process.env, TERM: "xterm-256color" };
    const began = clock();
    // `script` gives it a terminal.
    const run = ["-qec", `stty rows 60 cols 120; exec ${talk}`, "/dev/null"];
    const child = spawn("script", run, { env, stdio: ["pipe", "pipe", "ignore"] });
    shown.push((await firstPicture(child, /[▀▄█].*[▀▄█]/s)) - began);
    child.stdin.write("q");
    await new Promise((resolve) => child.once("exit", resolve));
  }
  figures.take("start-terminal", "start → QR code on the terminal (with a shell before)", shown, { goal: 150 });
}

function firstPicture(child, pattern) {
  return new Promise((resolve, reject) => {
    let seen = "";
    const timer = setTimeout(() => reject(new Error(`no QR code on the terminal: ${seen.slice(-500)}`)), 10_000);
    child.stdout.on("data", (data) => {
      seen += data;
      if (!pattern.test(seen)) return;
      clearTimeout(timer);
      resolve(clock());
    });
  });
}

/** Ten programs side by side that wait for a minute: first with nobody paired, then paired with the page present. */
export async function waiting(scene, figures, count) {
  const natives = [];
  for (let at = 0; at < count; at++) natives.push(await scene.native(`waiting ${at}`, { port: await freePort() }));
  for (const native of natives) await Promise.all([native.joined(), native.prepared()]);
  await measure(figures, natives, "unpaired", "waiting with a code");

  const machine = await scene.machine();
  for (const native of natives) {
    const tab = await machine.tab(`page of ${native.name}`, await native.link());
    await pairs.settle(native, tab);
  }
  await measure(figures, natives, "paired", "paired, the page present");
}

async function measure(figures, natives, id, what) {
  await pass(SETTLE);
  const before = natives.map(({ pid }) => ticks(pid));
  await pass(MINUTE);
  const cores = natives.map(({ pid }, at) => (100 * (ticks(pid) - before[at])) / TICKS / (MINUTE / 1000));
  const memory = natives.map(({ pid }) => resident(pid));
  const megabytes = (name) => memory.map((of) => of[name] / 1024);
  const limit = "counted in ticks of 10 ms: one tick in the minute is 0.017 %";
  figures.take(`${id}-cpu`, `${what}: processor`, cores, { unit: "% of a core", goal: 0.1, limit });
  const parts = { "not shared": megabytes("Private") };
  figures.take(`${id}-rss`, `${what}: memory (RSS)`, megabytes("Rss"), { unit: "MB", goal: 30, parts });
  figures.take(`${id}-pss`, `${what}: memory, its share (PSS)`, megabytes("Pss"), { unit: "MB" });
}

/** Processor time of a process so far, in ticks. */
function ticks(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
  const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 13);
  return Number(user) + Number(system);
}

/** Memory of a process in KiB: `{ Rss, Pss, Private }`. */
function resident(pid) {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const read = (name) => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return { Rss: read("Rss"), Pss: read("Pss"), Private: read("Private_Clean") + read("Private_Dirty") };
}
