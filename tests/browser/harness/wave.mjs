// A tone as a WAVE file, for a fake microphone.

import fs from "node:fs";

const RATE = 48_000;

/** Writes two seconds of `hz`, mono, 16 bits, at half of full scale; a whole number of cycles, so that it loops. */
export function writeTone(file, hz) {
  const samples = Int16Array.from({ length: 2 * RATE }, (_, at) => 16_384 * Math.sin((2 * Math.PI * hz * at) / RATE));
  const header = Buffer.alloc(44);
  header.write("RIFF", 0);
  header.writeUInt32LE(36 + samples.byteLength, 4);
  header.write("WAVEfmt ", 8);
  header.writeUInt32LE(16, 16);
  header.writeUInt16LE(1, 20);
  header.writeUInt16LE(1, 22);
  header.writeUInt32LE(RATE, 24);
  header.writeUInt32LE(2 * RATE, 28);
  header.writeUInt16LE(2, 32);
  header.writeUInt16LE(16, 34);
  header.write("data", 36);
  header.writeUInt32LE(samples.byteLength, 40);
  fs.writeFileSync(file, Buffer.concat([header, Buffer.from(samples.buffer)]));
}
