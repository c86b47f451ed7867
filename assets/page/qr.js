// The QR code of a link: byte mode, error correction level Q, versions 1 to 40.
//
// The picture equals, module for module, the one that a native peer shows for the same link, so that both can be
// tested against the same vectors. Source of the format: ISO/IEC 18004.

const VERSIONS = 40;

// Level Q: error correction codewords in each block, and number of blocks, by version.
const CHECK_WORDS = [
  13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30,
  28, 30, 30, 30, 30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
];
const BLOCKS = [
  1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20,
  23, 23, 25, 27, 29, 34, 34, 35, 38, 40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68,
];

const LEVEL_Q = 0b11;
const FORMAT_GENERATOR = 0b10100110111;
const FORMAT_MASK = 0b101010000010010;
const VERSION_GENERATOR = 0b1111100100101;

const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** The QR code of `text`: `{ size, version, mask, dark(x, y) }`; null if it is too long for any version. */
export function encode(text) {
  const bytes = new TextEncoder().encode(text);
  const version = smallestVersion(bytes.length);
  if (version === null) return null;
  const grid = new Grid(version);
  grid.placeData(interleave(codewords(bytes, version), version));
  const mask = bestMask(grid);
  grid.applyMask(mask);
  grid.placeFormat(mask);
  return { size: grid.size, version, mask, dark: (x, y) => grid.isDark(x, y) };
}

function smallestVersion(length) {
  for (let version = 1; version <= VERSIONS; version++) {
    if (4 + lengthBits(version) + length * 8 <= dataWords(version) * 8) return version;
  }
  return null;
}

function lengthBits(version) {
  return version < 10 ? 8 : 16;
}

/** Modules that carry data or error correction, before they are cut into codewords. */
function rawModules(version) {
  let modules = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const alignments = Math.floor(version / 7) + 2;
    modules -= (25 * alignments - 10) * alignments - 55;
    if (version >= 7) modules -= 36;
  }
  return modules;
}

function dataWords(version) {
  return Math.floor(rawModules(version) / 8) - CHECK_WORDS[version - 1] * BLOCKS[version - 1];
}

function codewords(bytes, version) {
  const bits = [];
  const push = (value, count) => {
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  push(0b0100, 4);
  push(bytes.length, lengthBits(version));
  for (const byte of bytes) push(byte, 8);
  const capacity = dataWords(version) * 8;
  push(0, Math.min(4, capacity - bits.length));
  push(0, (8 - (bits.length % 8)) % 8);
  for (let pad = 0xec; bits.length < capacity; pad ^= 0xec ^ 0x11) push(pad, 8);
  const words = new Uint8Array(capacity / 8);
  bits.forEach((bit, i) => (words[i >> 3] |= bit << (7 - (i & 7))));
  return words;
}

/** Cuts the data into blocks, adds each block's error correction, and deals them out in turn. */
function interleave(data, version) {
  const count = BLOCKS[version - 1];
  const checkWords = CHECK_WORDS[version - 1];
  const shortLength = Math.floor(data.length / count);
  const shortBlocks = count - (data.length % count);
  const divisor = generator(checkWords);
  const blocks = [];
  for (let i = 0, from = 0; i < count; i++) {
    const block = data.subarray(from, (from += shortLength + (i < shortBlocks ? 0 : 1)));
    blocks.push({ block, check: remainder(block, divisor) });
  }
  const out = [];
  for (let i = 0; i <= shortLength; i++) for (const { block } of blocks) if (i < block.length) out.push(block[i]);
  for (let i = 0; i < checkWords; i++) for (const { check } of blocks) out.push(check[i]);
  return out;
}

function multiply(a, b) {
  let product = 0;
  for (let i = 7; i >= 0; i--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> i) & 1) * a;
  }
  return product;
}

/** The Reed–Solomon divisor of this degree, without its leading 1. */
function generator(degree) {
  const divisor = new Uint8Array(degree);
  divisor[degree - 1] = 1;
  for (let i = 0, root = 1; i < degree; i++, root = multiply(root, 2)) {
    for (let j = 0; j < degree; j++) {
      divisor[j] = multiply(divisor[j], root) ^ (j + 1 < degree ? divisor[j + 1] : 0);
    }
  }
  return divisor;
}

function remainder(block, divisor) {
  const result = new Array(divisor.length).fill(0);
  for (const word of block) {
    const factor = word ^ result.shift();
    result.push(0);
    divisor.forEach((coefficient, i) => (result[i] ^= multiply(coefficient, factor)));
  }
  return result;
}

/** `value` followed by the remainder of its division by `divisor`, `bits` long. */
function withCheck(value, divisor, bits) {
  let rest = value << bits;
  for (let i = 31 - Math.clz32(rest); i >= bits; i--) if ((rest >> i) & 1) rest ^= divisor << (i - bits);
  return (value << bits) | rest;
}

class Grid {
  constructor(version) {
    this.size = version * 4 + 17;
    this.modules = new Uint8Array(this.size * this.size);
    /** 1 where a module belongs to a pattern and carries no data. */
    this.fixed = new Uint8Array(this.size * this.size);
    this.placeFinders();
    this.placeTiming();
    this.placeAlignments(version);
    this.placeVersion(version);
    this.reserveFormat();
  }

  isDark(x, y) {
    return this.modules[y * this.size + x] === 1;
  }

  isFixed(x, y) {
    return this.fixed[y * this.size + x] === 1;
  }

  fix(x, y, dark) {
    this.modules[y * this.size + x] = dark ? 1 : 0;
    this.fixed[y * this.size + x] = 1;
  }

  placeFinders() {
    const last = this.size - 7;
    for (const [left, top] of [[0, 0], [last, 0], [0, last]]) {
      for (let y = Math.max(top - 1, 0); y < Math.min(top + 8, this.size); y++) {
        for (let x = Math.max(left - 1, 0); x < Math.min(left + 8, this.size); x++) {
          const ring = Math.max(Math.abs(x - left - 3), Math.abs(y - top - 3));
          this.fix(x, y, ring !== 2 && ring !== 4);
        }
      }
    }
  }

  placeTiming() {
    for (let i = 8; i < this.size - 8; i++) {
      this.fix(i, 6, i % 2 === 0);
      this.fix(6, i, i % 2 === 0);
    }
  }

  placeAlignments(version) {
    const centres = alignmentCentres(version);
    const last = centres.length - 1;
    centres.forEach((cy, i) =>
      centres.forEach((cx, j) => {
        const atFinder = (i === 0 && (j === 0 || j === last)) || (i === last && j === 0);
        if (atFinder) return;
        for (let y = -2; y <= 2; y++) {
          for (let x = -2; x <= 2; x++) this.fix(cx + x, cy + y, Math.max(Math.abs(x), Math.abs(y)) !== 1);
        }
      }),
    );
  }

  placeVersion(version) {
    if (version < 7) return;
    const bits = withCheck(version, VERSION_GENERATOR, 12);
    for (let i = 0; i < 18; i++) {
      const along = Math.floor(i / 3);
      const across = this.size - 11 + (i % 3);
      this.fix(across, along, (bits >> i) & 1);
      this.fix(along, across, (bits >> i) & 1);
    }
  }

  /** Calls `visit(x, y, bit)` for both places of each of the 15 bits of the format information. */
  eachFormatBit(visit) {
    for (let bit = 0; bit < 15; bit++) {
      if (bit < 6) visit(8, bit, bit);
      else if (bit < 8) visit(8, bit + 1, bit);
      else if (bit === 8) visit(7, 8, bit);
      else visit(14 - bit, 8, bit);
      if (bit < 8) visit(this.size - 1 - bit, 8, bit);
      else visit(8, this.size - 15 + bit, bit);
    }
  }

  reserveFormat() {
    this.eachFormatBit((x, y) => this.fix(x, y, false));
    this.fix(8, this.size - 8, true);
  }

  placeFormat(mask) {
    const bits = withCheck((LEVEL_Q << 3) | mask, FORMAT_GENERATOR, 10) ^ FORMAT_MASK;
    this.eachFormatBit((x, y, bit) => this.fix(x, y, (bits >> bit) & 1));
  }

  placeData(words) {
    let bit = 0;
    let upwards = true;
    for (let right = this.size - 1; right > 0; right -= 2, upwards = !upwards) {
      if (right === 6) right = 5;
      for (let step = 0; step < this.size; step++) {
        const y = upwards ? this.size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (this.isFixed(x, y)) continue;
          this.modules[y * this.size + x] = ((words[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
          bit++;
        }
      }
    }
  }

  /** Inverts the data modules that `mask` selects; a second time undoes it. */
  applyMask(mask) {
    for (let y = 0; y < this.size; y++) {
      for (let x = 0; x < this.size; x++) {
        if (!this.isFixed(x, y) && MASKS[mask](x, y)) this.modules[y * this.size + x] ^= 1;
      }
    }
  }
}

function alignmentCentres(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = version === 32 ? 26 : Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  const centres = [6];
  for (let i = count - 2; i >= 0; i--) centres.push(version * 4 + 10 - i * step);
  return centres;
}

// How a mask is chosen differs between encoders within what the format allows, and any choice scans. What follows
// scores as fast_qr does (runs and squares among data modules only, format information still blank), because the
// native peer draws with it and the two pictures are to be the same.

function bestMask(grid) {
  let best = { mask: 0, penalty: Infinity };
  MASKS.forEach((_, mask) => {
    grid.applyMask(mask);
    const penalty = squaresPenalty(grid) + linesPenalty(grid) + balancePenalty(grid);
    if (penalty < best.penalty) best = { mask, penalty };
    grid.applyMask(mask);
  });
  return best.mask;
}

function squaresPenalty(grid) {
  let penalty = 0;
  for (let y = 0; y + 1 < grid.size; y++) {
    let sinceFixed = 2;
    for (let x = 1; x < grid.size; x++, sinceFixed++) {
      if (grid.isFixed(x, y) || grid.isFixed(x, y + 1)) sinceFixed = 0;
      const dark = grid.isDark(x, y);
      const same =
        dark === grid.isDark(x, y + 1) && dark === grid.isDark(x - 1, y) && dark === grid.isDark(x - 1, y + 1);
      if (sinceFixed >= 2 && same) penalty += 3;
    }
  }
  return penalty;
}

function linesPenalty(grid) {
  let penalty = 0;
  for (let i = 0; i < grid.size; i++) {
    penalty += linePenalty(grid.size, (x) => grid.isDark(x, i), (x) => grid.isFixed(x, i));
    penalty += linePenalty(grid.size, (y) => grid.isDark(i, y), (y) => grid.isFixed(i, y));
  }
  return penalty;
}

function linePenalty(size, isDark, isFixed) {
  let penalty = 0;
  let run = 0;
  let window = 0;
  const endRun = () => {
    if (run >= 5) penalty += run - 2;
    run = 0;
  };
  for (let i = 0; i < size; i++) {
    if (i > 0 && isDark(i) !== isDark(i - 1)) endRun();
    if (isFixed(i)) endRun();
    else run++;
    window = ((window << 1) | (isDark(i) ? 1 : 0)) & 0x7ff;
    if (window === 0b00001011101 || window === 0b10111010000) penalty += 40;
  }
  endRun();
  for (let i = 0; i < 4; i++) {
    window = (window << 1) & 0x7ff;
    if (window === 0b10111010000) penalty += 40;
  }
  return penalty;
}

function balancePenalty(grid) {
  const dark = grid.modules.reduce((sum, module) => sum + module, 0);
  const percent = Math.floor((dark * 100) / grid.modules.length);
  return Math.floor((percent < 50 ? 49 - percent : percent - 50) / 5) * 10;
}
