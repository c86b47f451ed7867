import assert from "node:assert/strict";
import test from "node:test";

import { encode } from "../../assets/page/qr.js";
import { vectors } from "./vectors.mjs";

/** One hexadecimal text a row, four modules a digit, as in the vectors. */
function rows(code) {
  return Array.from({ length: code.size }, (_, y) => {
    let bits = "";
    for (let x = 0; x < code.size; x++) bits += code.dark(x, y) ? "1" : "0";
    bits = bits.padEnd(Math.ceil(bits.length / 4) * 4, "0");
    return bits.replace(/.{4}/g, (four) => parseInt(four, 2).toString(16));
  });
}

for (const { text, version, mask, rows: expected } of vectors("qr").codes) {
  test(`the code of ${text.length} bytes (${text.slice(0, 24)}…) equals the native one`, () => {
    const code = encode(text);
    assert.equal(code.version, version);
    assert.equal(code.mask, mask);
    assert.deepEqual(rows(code), expected);
  });
}

test("the vectors hold version 1, versions with version information, and versions with 16-bit lengths", () => {
  const versions = new Set(vectors("qr").codes.map((code) => code.version));
  for (const version of [1, 7, 10]) assert.ok(versions.has(version), `version ${version}`);
});

test("a text too long for any version has no code", () => {
  assert.equal(encode("x".repeat(1664)), null);
  assert.equal(encode("x".repeat(1663)).version, 40);
});
