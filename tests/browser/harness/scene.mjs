// What one test needs, and its end: folders, ports, programs, browser contexts.

import { randomInt } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Native } from "./native.mjs";
import { Server } from "./server.mjs";
import { StockClient } from "./stock.mjs";

/**
 * A port that nobody listens on, from below those that the system gives to whoever connects: while a server is away, one
 * of the clients that try again could be given its port, and the server could not come back.
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 30_000);
    const server = net.createServer();
    const free = await new Promise((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

export class Scene {
  /** `t` is node's test context, and `chrome` the browser that its machines run in. */
  constructor(t, chrome) {
    this.chrome = chrome;
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "twocan-test-"));
    this.closers = [];
    t?.after(() => this.close());
  }

  async port() {
    this.sharedPort ??= await freePort();
    return this.sharedPort;
  }

  /** A native of this name, with its own state folder unless told another. */
  async native(name, options = {}) {
    const port = options.port === undefined && !options.server ? await this.port() : options.port;
    const native = new Native(name, { state: path.join(this.folder, name), ...options, port });
    this.closers.push(async () => {
      await native.kill();
      native.forget();
    });
    return native;
  }

  /** The same native once more, with the same folder. */
  again(native, changes = {}) {
    return this.native(native.name, { ...native.options, ...changes });
  }

  /** `twocan serve` on the scene's port. */
  async server(options = {}) {
    const server = new Server({ port: await this.port(), state: path.join(this.folder, "server"), ...options });
    this.closers.push(() => server.kill());
    await server.ready;
    return server;
  }

  /** A stock GStreamer client; see `tests/stock`. */
  stock(name, args) {
    const client = new StockClient(name, args);
    this.closers.push(async () => {
      await client.kill();
      client.forget();
    });
    return client;
  }

  /** Where the page of a stock peer is found, on a host of its own. */
  async stockPage(query) {
    const folder = new URL("../stock/", import.meta.url);
    this.pages ??= await new Promise((resolve) => {
      const server = http.createServer((request, response) => {
        const name = new URL(request.url, "http://localhost").pathname === "/stock.js" ? "stock.js" : "index.html";
        response.setHeader("content-type", name.endsWith(".js") ? "text/javascript" : "text/html");
        response.end(fs.readFileSync(new URL(name, folder)));
      });
      server.listen(0, "127.0.0.1", () => resolve(server));
      this.closers.push(() => server.close());
    });
    return `http://localhost:${this.pages.address().port}/?${new URLSearchParams(query)}`;
  }

  /** A browser of its own: what it stores no other sees. */
  async machine(options) {
    const machine = await this.chrome.machine(options);
    this.closers.push(() => machine.close());
    return machine;
  }

  /** A tab at `url` on a machine of its own. */
  async tab(name, url, options = {}) {
    const machine = await this.machine();
    return machine.tab(name, url, options);
  }

  async close() {
    // All are tried, whatever one of them says.
    const ends = await Promise.allSettled(this.closers.splice(0).reverse().map((close) => close()));
    fs.rmSync(this.folder, { recursive: true, force: true });
    const broken = ends.find(({ status }) => status === "rejected");
    if (broken) throw broken.reason;
  }
}
