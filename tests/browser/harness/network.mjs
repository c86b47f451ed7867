// Networks of this machine's own: a home with two links, a street between, and a far place with one.
//
//   home  lan0 10.77.0.2 ── 10.77.0.1  street0 ┐
//         lan1 10.77.1.2 ── 10.77.1.1  street1 ┤ street ── 10.78.0.1 ── 10.78.0.2  eth0  away

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { EXECUTABLE } from "./chrome.mjs";

let made = 0;

/** Where somebody away is reached. */
export const AWAY = "10.78.0.2";

function run(command, ...args) {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Sets what the kernel is to do in a place. */
function write(place, setting, value) {
  run("nsenter", `--net=/run/netns/${place}`, "--", "sh", "-c", `echo ${value} > /proc/sys/net/${setting}`);
}

/** Why there can be no such networks here; null if there can. */
export function obstacle() {
  const name = `twocan-${process.pid}-try`;
  try {
    run("ip", "netns", "add", name);
    run("ip", "-n", name, "link", "add", "lan0", "type", "veth", "peer", "name", "street0");
    run("nsenter", `--net=/run/netns/${name}`, "--", "true");
    return null;
  } catch (error) {
    return `${error.stderr ?? error.message}`.trim().split("\n").at(-1);
  } finally {
    try {
      run("ip", "netns", "delete", name);
    } catch {
      // It was not made.
    }
  }
}

export class Network {
  constructor() {
    made += 1;
    const name = (place) => `twocan-${process.pid}-${made}-${place}`;
    [this.home, this.street, this.away] = ["home", "street", "away"].map(name);
    for (const place of this.places) {
      run("ip", "netns", "add", place);
      run("ip", "-n", place, "link", "set", "lo", "up");
      // IPv6 addresses appear seconds after their link; a browser that sees one come breaks off what it loads.
      write(place, "ipv6/conf/default/disable_ipv6", 1);
    }
    for (const which of [0, 1]) this.connect(this.home, `lan${which}`, `street${which}`, `10.77.${which}`);
    this.connect(this.away, "eth0", "street2", "10.78.0");
    run("ip", "-n", this.away, "route", "add", "default", "via", "10.78.0.1");
    this.forward(true);
    for (const which of [0, 1]) this.route(which);
  }

  get places() {
    return [this.home, this.street, this.away];
  }

  connect(place, link, end, network) {
    run("ip", "-n", this.street, "link", "add", end, "type", "veth", "peer", "name", link, "netns", place);
    run("ip", "-n", this.street, "address", "add", `${network}.1/24`, "dev", end);
    run("ip", "-n", place, "address", "add", `${network}.2/24`, "dev", link);
    run("ip", "-n", this.street, "link", "set", end, "up");
    run("ip", "-n", place, "link", "set", link, "up");
  }

  /** The way from home to everywhere by the link `which`; the first link is preferred. */
  route(which) {
    const way = ["default", "via", `10.77.${which}.1`, "dev", `lan${which}`, "metric", `${10 * (which + 1)}`];
    run("ip", "-n", this.home, "route", "replace", ...way);
  }

  /** Lets the street carry what it is given, or drop it without a word. */
  forward(on) {
    write(this.street, "ipv4/ip_forward", on ? 1 : 0);
  }

  /** Takes the link `which` down at home, with its routes. */
  cut(which) {
    run("ip", "-n", this.home, "link", "set", `lan${which}`, "down");
  }

  /** Brings it back under the same address. */
  mend(which) {
    run("ip", "-n", this.home, "link", "set", `lan${which}`, "up");
    this.route(which);
  }

  /** Which of the links at home has carried more since it was asked last. */
  busiest() {
    const bytes = [0, 1].map((which) => {
      const [{ stats64 }] = JSON.parse(run("ip", "-n", this.home, "-s", "-j", "link", "show", `lan${which}`));
      return stats64.rx.bytes + stats64.tx.bytes;
    });
    const grown = bytes.map((now, which) => now - (this.bytes?.[which] ?? 0));
    this.bytes = bytes;
    return grown[0] > grown[1] ? 0 : 1;
  }

  /** A program that is Chromium, away. */
  chromium(folder) {
    const file = path.join(folder, "chromium-away");
    fs.writeFileSync(file, `#!/bin/sh\nexec nsenter --net=/run/netns/${this.away} -- ${EXECUTABLE} "$@"\n`, { mode: 0o755 });
    return file;
  }

  close() {
    for (const place of this.places) run("ip", "netns", "delete", place);
  }
}
