// Devices of the system rather than test elements: a sound server's microphone and speaker, and a window.

import assert from "node:assert/strict";
import path from "node:path";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";
import { Display, SoundServer, missing } from "./harness/desktop.mjs";
import { NATIVE, PAGE, nativeAndPage } from "./harness/pairs.mjs";
import { Scene } from "./harness/scene.mjs";
import { eventually } from "./harness/timeline.mjs";

const absent = missing();
const skip = absent.length > 0 && `NOT TRIED WITH REAL DEVICES: ${absent.join(", ")} is missing; scripts/test installs it`;
const limit = { timeout: 90_000, skip };

let chrome;
before(async () => (chrome = await Chrome.launch()));
after(() => chrome.close());

/** What the microphone hums, in Hz. */
const HUM = 660;
/** Louder than this is heard, in dBFS, and quieter than the other is not. */
const HEARD = -30;
const UNHEARD = -60;
const OWN_CHOICE = { mic: null, camera: "test:red", speaker: null, window: null };

/** A native with its own choice of devices on a desktop of its own, paired with a page. */
async function atDesktop(t) {
  const scene = new Scene(t, chrome);
  const sound = await SoundServer.start(path.join(scene.folder, "sound"), HUM);
  const display = await Display.start();
  const microphone = sound.listen();
  scene.closers.push(
    () => sound.stop(),
    () => display.stop(),
    () => microphone.stop(),
  );
  const env = { ...sound.env, ...display.env };
  const sides = await nativeAndPage(scene, { native: { ends: OWN_CHOICE, env } });
  return { ...sides, sound, display, loudspeaker: microphone };
}

test("paused, the program has no device open; unpaused it has; paused again it has none", limit, async (t) => {
  const { native, tab, sound, display, loudspeaker } = await atDesktop(t);
  const { microphone, speaker, window } = await native.wait("devices");
  assert.ok(microphone && speaker && window, JSON.stringify({ microphone, speaker, window }));
  const open = () => ({ ...sound.streams(native.pid), windows: display.windows() });
  const closed = { recording: 0, playing: 0, windows: 0 };
  assert.deepEqual(open(), closed);

  // In a call, and still paused: the far side talks to it.
  await tab.unpause();
  await native.connected();
  await eventually("a second of sound from the page", async () => (await tab.stats()).out.audio?.packetsSent > 50);
  assert.deepEqual(open(), closed);
  assert.ok(loudspeaker.level(PAGE.hz) < UNHEARD);

  await native.unpause();
  await tab.hears(HUM);
  await eventually("the page's tone at the loudspeaker", () => loudspeaker.level(PAGE.hz) > HEARD);
  await eventually("a window", () => display.windows() === 1);
  assert.deepEqual(open(), { recording: 1, playing: 1, windows: 1 });

  await native.pause();
  await tab.silent();
  await eventually("silence at the loudspeaker", () => loudspeaker.level(PAGE.hz) < UNHEARD);
  const isClosed = () => JSON.stringify(open()) === JSON.stringify(closed);
  await eventually("every device to be closed", isClosed);
  assert.equal(native.now.call, "connected");

  await native.unpause();
  await tab.hears(HUM, { from: tab.cursor });
  await eventually("the page's tone once more", () => loudspeaker.level(PAGE.hz) > HEARD);
});

test("the sound server goes away during a call: the program says so, and the call stands", limit, async (t) => {
  const { native, tab, sound } = await atDesktop(t);
  await native.unpause();
  await tab.unpause();
  await tab.hears(HUM);
  const from = native.cursor;
  sound.stop();
  await native.wait("notice", () => true, { from });
  await tab.silent();
  const shown = tab.cursor;
  await tab.sees(NATIVE.colour, { from: shown });
  // Longer than a dead connection would stand.
  await eventually("more pictures", () => tab.all("picture", shown).length > 25);
  assert.deepEqual([native.now.call, tab.now.call], ["connected", "connected"]);
  await tab.hangUp();
  await Promise.all([native.ready(), tab.ready()]);
});
