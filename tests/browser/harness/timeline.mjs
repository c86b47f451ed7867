// What one side of a conversation told, in order, and waiting for more of it.

/** How long a wait lasts unless it says otherwise, in milliseconds: ten times what the slowest step takes. */
const PATIENCE = 15_000;
/** Told so often that they would drown the rest in a failure's report. */
const NOISE = new Set(["level", "tone", "picture"]);

/** Every side that is alive: a failure shows the last events of all of them. */
const witnesses = new Set();

/** The wall clock in milliseconds, finer than `Date.now()`. */
export const clock = () => performance.timeOrigin + performance.now();

export class Timeline {
  constructor(name) {
    this.name = name;
    /** Everything told, with `at`: the wall clock in milliseconds when it happened. */
    this.events = [];
    /** What holds now: the latest of each kind of news, put together by `fold`. */
    this.now = {};
    this.waiting = new Set();
    this.over = null;
    witnesses.add(this);
  }

  /** Takes note of an event; `fold` says what it changes of `now`. */
  push(event, fold = {}) {
    this.events.push(event);
    Object.assign(this.now, fold);
    for (const waiter of [...this.waiting]) waiter(event);
  }

  /** The place of the next event: pass it as `from` to see nothing that is older. */
  get cursor() {
    return this.events.length;
  }

  /** All events of a kind, from a cursor on. */
  all(kind, from = 0) {
    return this.events.slice(from).filter(({ event }) => event === kind);
  }

  /** The first event of a kind, from a cursor on, that passes `test`. */
  wait(kind, test = () => true, { from = 0, within = PATIENCE, what = "" } = {}) {
    const fits = (event) => event.event === kind && test(event);
    const known = this.events.slice(from).find(fits);
    if (known) return Promise.resolve(known);
    return this.watch(`${kind} ${what || source(test)}`, within, (event) => (fits(event) ? event : undefined));
  }

  /** Resolves with `now` as soon as it passes `test`. */
  until(what, test, { within = PATIENCE } = {}) {
    if (test(this.now)) return Promise.resolve(this.now);
    return this.watch(what, within, () => (test(this.now) ? this.now : undefined));
  }

  watch(what, within, look) {
    return new Promise((resolve, reject) => {
      const began = clock();
      const stop = () => {
        clearTimeout(timer);
        this.waiting.delete(waiter);
      };
      const fail = (why) => {
        stop();
        reject(new Error(`${this.name}: waited ${Math.round(clock() - began)} ms for ${what}: ${why}\n${report()}`));
      };
      const waiter = (event) => {
        if (event === null) return fail(this.over);
        const found = look(event);
        if (found === undefined) return;
        stop();
        resolve(found);
      };
      const timer = setTimeout(() => fail("it did not come"), within);
      if (this.over) return fail(this.over);
      this.waiting.add(waiter);
    });
  }

  /** Nothing more will be told: who still waits fails at once. */
  end(why) {
    this.over ??= why;
    for (const waiter of [...this.waiting]) waiter(null);
  }

  forget() {
    witnesses.delete(this);
  }
}

/** The last events of every side, oldest first. */
export function report(count = 14) {
  const last = [...witnesses].flatMap(({ name, events }) => {
    const loud = events.filter(({ event }) => !NOISE.has(event)).slice(-count);
    const noise = [...NOISE].map((kind) => events.findLast?.(({ event }) => event === kind)).filter(Boolean);
    return [...loud, ...noise].map((event) => ({ name, ...event }));
  });
  last.sort((one, other) => one.at - other.at);
  const first = last[0]?.at ?? 0;
  return last.map(({ name, at, v, t, ...event }) => line(at - first, name, event)).join("\n");
}

function line(at, name, event) {
  const text = JSON.stringify(event).replace(/(key=)[\w-]+/g, "$1…");
  return `  ${at.toFixed(0).padStart(6)} ms  ${name}  ${text.length > 400 ? `${text.slice(0, 400)}…` : text}`;
}

function source(test) {
  return test.toString().replace(/\s+/g, " ").slice(0, 120);
}

/** Waits until `look` gives something, asked every 20 ms, for what tells of no event by itself. */
export async function eventually(what, look, { within = PATIENCE } = {}) {
  const began = clock();
  for (;;) {
    const found = await look();
    if (found) return found;
    if (clock() - began > within) throw new Error(`waited ${within} ms for ${what}\n${report()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
