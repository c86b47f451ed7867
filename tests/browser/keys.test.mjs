// Keys in a real browser: kept over a restart of the page, and never to be read out.

import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import { after, before, test } from "node:test";
import { Chrome } from "./harness/chrome.mjs";

const ASSETS = new URL("../../assets/page/", import.meta.url);
const CONVO = "aebagbafaydqqcikbmga2dqpca";

let chrome;
let server;
let origin;
before(async () => {
  chrome = await Chrome.launch();
  server = http.createServer(serve).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  origin = `http://127.0.0.1:${server.address().port}/`;
});
after(async () => {
  await chrome.close();
  server.closeAllConnections();
  server.close();
});

/** The page's modules, and an empty page that may import them. */
function serve({ url }, response) {
  const name = url.slice(1);
  if (!/^[a-z0-9-]+\.js$/.test(name)) return response.setHeader("content-type", "text/html").end("<!doctype html>");
  response.setHeader("content-type", "text/javascript").end(fs.readFileSync(new URL(name, ASSETS)));
}

const limit = { timeout: 30_000 };

test("a key pair is kept over a reload, works as before, and is forgotten when it is deleted", limit, async () => {
  const machine = await chrome.machine();
  const { page } = await machine.tab("keys", origin, { listen: false });
  const first = await page.evaluate(async (convo) => {
    const { loadKeys, makeKeys, saveKeys } = await import("/keys.js");
    const { publicBytes } = await import("/noise.js");
    const none = await loadKeys(convo);
    const keys = await makeKeys();
    await saveKeys(convo, keys);
    return { none, bytes: [...(await publicBytes(keys))] };
  }, CONVO);
  assert.equal(first.none, null);

  await page.reload();
  const second = await page.evaluate(async (convo) => {
    const { deleteKeys, loadKeys } = await import("/keys.js");
    const { Handshake, makeKeyPair, publicBytes } = await import("/noise.js");
    const kept = await loadKeys(convo);
    const other = await makeKeyPair();
    const shared = { pattern: "KK", prologue: new Uint8Array() };
    const a = await Handshake.begin({ ...shared, role: "initiator", own: kept, far: await publicBytes(other) });
    const b = await Handshake.begin({ ...shared, role: "responder", own: other, far: await publicBytes(kept) });
    const met = (await b.read(await a.write())) !== null && (await a.read(await b.write())) !== null;
    const read = await crypto.subtle.exportKey("pkcs8", kept.privateKey).catch(({ name }) => name);
    await deleteKeys(convo);
    return { bytes: [...(await publicBytes(kept))], met, read, gone: await loadKeys(convo) };
  }, CONVO);
  assert.deepEqual(second, { bytes: first.bytes, met: true, read: "InvalidAccessError", gone: null });
});

test("a meeting is made in the browser as fast as it has to be", limit, async (t) => {
  const machine = await chrome.machine();
  const { page } = await machine.tab("meeting", origin, { listen: false });
  const took = await page.evaluate(async () => {
    const { Handshake, makeKeyPair, publicBytes } = await import("/noise.js");
    const [own, other] = await Promise.all([makeKeyPair(), makeKeyPair()]);
    const shared = { pattern: "KK", prologue: new Uint8Array() };
    const times = [];
    for (let i = 0; i < 50; i++) {
      const began = performance.now();
      const a = await Handshake.begin({ ...shared, role: "initiator", own, far: await publicBytes(other) });
      const b = await Handshake.begin({ ...shared, role: "responder", own: other, far: await publicBytes(own) });
      await b.read(await a.write());
      await a.read(await b.write());
      await Promise.all([a.split(), b.split()]);
      times.push(performance.now() - began);
    }
    return times.sort((x, y) => x - y)[25];
  });
  t.diagnostic(`both ends of a meeting: ${took.toFixed(1)} ms (median of 50)`);
  assert.ok(took < 200, `${took} ms`);
});
