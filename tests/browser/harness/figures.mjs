// Figures: medians with their spread, as a table and as JSON.

import os from "node:os";

export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const round = (value) => Math.round(value * 100) / 100;

export class Figures {
  constructor() {
    this.all = [];
  }

  /**
   * Takes `values` of one figure. `goal` is the most that it should be; `parts` says what it is made of, as medians
   * by name, in the order in which they happen; `limit` says in words what holds it where it is.
   */
  take(id, what, values, { unit = "ms", goal = null, parts = {}, limit = "" } = {}) {
    const spread = { median: round(median(values)), min: round(Math.min(...values)), max: round(Math.max(...values)) };
    const made = Object.entries(parts).map(([name, list]) => [name, round(median(list))]);
    const met = goal === null ? null : spread.median <= goal;
    const figure = { id, what, unit, ...spread, n: values.length, goal, met, parts: Object.fromEntries(made), limit };
    this.all.push(figure);
    console.error(`  ${line(figure)}`);
  }

  /** The table, a line for each figure and one for what it is made of. */
  table() {
    const rows = [["figure", "median", "min", "max", "n", "goal", ""]];
    for (const { what, unit, median, min, max, n, goal, met } of this.all) {
      const verdict = met === null ? "" : met ? "met" : "MISSED";
      rows.push([`${what}, ${unit}`, `${median}`, `${min}`, `${max}`, `${n}`, goal === null ? "" : `≤ ${goal}`, verdict]);
    }
    const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
    const pad = (row) => row.map((cell, at) => (at ? cell.padStart(widths[at]) : cell.padEnd(widths[at]))).join("  ");
    const lines = rows.map(pad);
    return [lines[0], ...lines.slice(1).flatMap((text, at) => [text, ...notes(this.all[at])])].join("\n");
  }

  json(extra) {
    const [{ model }] = os.cpus();
    const machine = { cpus: os.cpus().length, model, memory: os.totalmem(), load: os.loadavg() };
    return JSON.stringify({ version: 1, when: new Date().toISOString(), machine, ...extra, figures: this.all }, null, 2);
  }
}

function line({ what, unit, median, min, max, n }) {
  return `${what}: ${median} ${unit} (${min} to ${max}, n = ${n})`;
}

function notes({ parts, limit }) {
  const made = Object.entries(parts).map(([name, value]) => `${name} ${value}`);
  return [made.length ? `    of which: ${made.join(", ")}` : "", limit ? `    ${limit}` : ""].filter(Boolean);
}
