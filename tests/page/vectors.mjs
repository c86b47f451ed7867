import { readFileSync } from "node:fs";

/** The wire examples `tests/vectors/<name>.json`, which the Rust tests read too. */
export function vectors(name) {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));
}
