// Node 18 has WebCrypto, but not yet under the name that browsers have it under.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
