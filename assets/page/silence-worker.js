// Writes silence to the stream it is given first, 10 ms at a time, from "start" to "stop".

const RATE = 48000;
const CHUNK = 10;
const NOTHING = new Float32Array((RATE * CHUNK) / 1000);

let writer = null;
let timer = null;
let began = 0;
let written = 0;

onmessage = ({ data }) => {
  clearInterval(timer);
  if (data instanceof WritableStream) writer = data.getWriter();
  if (data !== "start") return;
  began = performance.now();
  written = 0;
  write();
  timer = setInterval(write, CHUNK);
};

/** Writes all that is due: a timer that came late makes up for it. */
function write() {
  for (const due = (performance.now() - began) / CHUNK; written <= due; written++) {
    const timestamp = Math.round((began + written * CHUNK) * 1000);
    const shape = { format: "f32-planar", sampleRate: RATE, numberOfChannels: 1, numberOfFrames: NOTHING.length };
    writer.write(new AudioData({ ...shape, timestamp, data: NOTHING })).catch(() => clearInterval(timer));
  }
}
