// The gate: nothing is opened, sent or played before its own side unpauses.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { Scene } from "./harness/scene.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

test("scratch", { timeout: 60_000 }, async (t) => {
  const scene = new Scene(t, chrome);
  const tim = await scene.native("tim");
  const tab = await scene.tab("tab", await tim.link(), { tone: 523 });
  await tim.until("paired", ({ paired }) => paired);
  await tab.ready();
  tim.tell("unpause");
  await tim.until("connected", ({ call }) => call === "connected");
  const press = await tab.unpause();
  await tim.wait("tone", ({ hz }) => Math.abs(hz - 523) < 20);
  await tab.wait("tone", ({ hz }) => Math.abs(hz - 440) < 20);
  await tab.wait("picture", ({ red, shown }) => red > 200 && shown);
  await tim.wait("picture", ({ blue }) => blue > 200);
  console.log(await tab.stats());
  assert.equal(await tab.asked(), 2);
  console.log(await tab.open());
  tim.tell('pause');
  await tab.wait("sound", ({on})=>!on);
  console.log(tab.complaints);
  const { report } = await import('./harness/timeline.mjs');
  console.log(report(40));
});
