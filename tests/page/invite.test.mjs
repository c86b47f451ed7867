import assert from "node:assert/strict";
import test from "node:test";

import { bookmark, inviteLink, readAddress } from "../../assets/page/invite.js";
import { vectors } from "./vectors.mjs";

const { valid, refused } = vectors("invite");

for (const { text, convo, far, key } of valid) {
  test(`${text} is read`, () => assert.deepEqual(readAddress(text), { convo, far, key, broken: null }));
}

for (const { text, wrong } of refused) {
  test(`${text} is refused for its ${wrong}`, () => assert.equal(readAddress(text).broken, wrong));
}

test("an address without any part begins a new conversation", () => {
  const nothing = { convo: null, far: null, key: null, broken: null };
  assert.deepEqual(readAddress("https://host/"), nothing);
  assert.deepEqual(readAddress("https://host/?utm=x"), nothing);
});

test("a link survives the round trip, and leaves nothing of the page's own address in it", () => {
  const { convo, far, key } = valid[0];
  const link = inviteLink("https://host:8443/?convoId=old&x=1#key=old", { convo, me: far, key });
  assert.equal(link, `https://host:8443/?convoId=${convo}&farInstanceId=${far}#key=${key}`);
  assert.deepEqual(readAddress(link), { convo, far, key, broken: null });
});

test("a bookmark holds neither the other side nor a key", () => {
  const { text, convo } = valid[0];
  assert.equal(bookmark(text, convo).href, `https://192.168.1.5:8443/?convoId=${convo}`);
});
