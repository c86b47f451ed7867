// Two sides, paired by link: what most tests begin with.

/** What a page sends, when its microphone and camera are made ones. */
export const PAGE = { hz: 523, colour: [0, 0, 255] };
/** What a native sends. */
export const NATIVE = { hz: 440, colour: [255, 0, 0] };
/** What the other page, or the other native, sends. */
export const OTHER = { hz: 784, colour: [0, 255, 0] };

const SOURCES = {
  page: { tone: PAGE.hz, colour: PAGE.colour },
  otherPage: { tone: OTHER.hz, colour: OTHER.colour },
  otherNative: { mic: `test:${OTHER.hz}`, camera: "test:green" },
};

/** A native that showed the code and a page that accepted it: `{ native, tab }`, ready and paused. */
export async function nativeAndPage(scene, { native: nativeOptions = {}, tab: tabOptions = {} } = {}) {
  const native = await scene.native("native", nativeOptions);
  const tab = await scene.tab("page", await native.link(), { ...SOURCES.page, ...tabOptions });
  native.voice = NATIVE;
  tab.voice = PAGE;
  await settle(native, tab);
  return { native, tab };
}

/** Two pages on two machines, met at `twocan serve`. */
export async function pageAndPage(scene, { tab: tabOptions = {} } = {}) {
  const server = await scene.server();
  const one = await scene.tab("page", `${server.origin}/`, { ...SOURCES.page, ...tabOptions });
  const other = await scene.tab("other", await one.link(), { ...SOURCES.otherPage, ...tabOptions });
  one.voice = PAGE;
  other.voice = OTHER;
  await settle(one, other);
  return { one, other, server };
}

/** Two natives. */
export async function nativeAndNative(scene, { native: nativeOptions = {}, other: otherOptions = {} } = {}) {
  const one = await scene.native("native", nativeOptions);
  const other = await scene.native("other", { what: await one.link(), ends: SOURCES.otherNative, ...otherOptions });
  one.voice = NATIVE;
  other.voice = OTHER;
  await settle(one, other);
  return { one, other };
}

/** Both unpause, and hear each other. */
export async function talk(one, other) {
  const from = [one.cursor, other.cursor];
  await one.unpause();
  await other.unpause();
  await Promise.all([one.hears(other.voice.hz, { from: from[0] }), other.hears(one.voice.hz, { from: from[1] })]);
}

/** Both are ready and paused, and each knows that the other one is there. */
export async function settle(...sides) {
  for (const side of sides) await Promise.all([side.ready(), side.meets(), side.prepared?.()]);
}
