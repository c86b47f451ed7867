// A machine with no microphone, camera, speaker or display, and the program's own choice of devices.

import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { nativeAndPage } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { eventually } from "./harness/timeline.mjs";

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

const OWN_CHOICE = { mic: null, camera: null, speaker: null, window: null };

test("with no device at all the program says what it does without, and a call holds", { timeout: 90_000 }, async (t) => {
  const scene = new Scene(t, chrome);
  const nowhere = path.join(scene.folder, "nowhere");
  const env = { DISPLAY: "", WAYLAND_DISPLAY: "", PULSE_SERVER: `unix:${nowhere}`, XDG_RUNTIME_DIR: nowhere };
  const { native, tab } = await nativeAndPage(scene, { native: { ends: OWN_CHOICE, env } });
  const { microphone, camera, speaker, window } = await native.wait("devices");
  assert.deepEqual([microphone, camera, speaker, window], [null, null, null, null]);
  const said = native.all("notice").map(({ message }) => message);
  for (const word of ["microphone", "camera", "speaker", "display"]) {
    assert.equal(said.filter((message) => message.includes(word)).length, 1, `${word}: ${said}`);
  }

  await native.unpause();
  await tab.unpause();
  await Promise.all([native.connected(), tab.connected()]);
  const sent = async () => ((await tab.stats()).out?.audio?.packetsSent ?? 0) > 100;
  await eventually("two seconds of sound from the page", sent);
  assert.deepEqual([native.now.call, tab.now.call], ["connected", "connected"]);
  assert.deepEqual(tab.tones(), []);
  assert.equal((await tab.stats()).in.audio, null);

  await tab.hangUp();
  await Promise.all([native.ready(), tab.ready()]);
  const { code } = await native.quit();
  assert.equal(code, 0, native.errors);
  assert.doesNotMatch(native.errors, /panic/);
});
