/** Packed pixels to values, and smaller copies of them for showing the whole view. Pure; PixelsResult of the API says the format. */

/** `size` bytes out of a zlib stream. Raises RangeError when there are fewer or more, without taking in what is too much. */
async function inflate(bytes, size) {
  const reader = new Response(bytes).body.pipeThrough(new DecompressionStream('deflate')).getReader();
  const plane = new Uint8Array(size);
  let at = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    if (at + value.length > size) {
      await reader.cancel();
      throw new RangeError('the pixels are more than stated');
    }
    plane.set(value, at);
    at += value.length;
  }
  if (at !== size) throw new RangeError('the pixels are fewer than stated');
  return plane;
}

/**
 * The file's bytes → { high, low, voiTable }: the two bytes of every value, `high` null where one byte is enough; the greys of the
 * file's own display table, null without one. Raises RangeError when there are too few or too many.
 */
export async function planesUnpack(
  bytes,
  { rows, columns, high_length: highLength, low_deflated: lowDeflated, ...more },
) {
  const size = rows * columns;
  const table = more.voi_table ?? { entries: 0, length: 0 };
  const end = bytes.length - table.length;
  const rest = bytes.subarray(highLength, end);
  const [high, low, voiTable] = await Promise.all([
    highLength > 0 ? inflate(bytes.subarray(0, highLength), size) : null,
    lowDeflated ? inflate(rest, size) : rest,
    table.length > 0 ? inflate(bytes.subarray(end), table.entries) : null,
  ]);
  if (low.length !== size) throw new RangeError('the pixels are not as many as stated');
  return { high, low, voiTable };
}

/** Uint16Array of the values, or Uint8Array where one byte is enough. */
export function planesJoin({ high, low }) {
  if (!high) return low;
  const values = new Uint16Array(low.length);
  for (let index = 0; index < values.length; index += 1) values[index] = (high[index] << 8) | low[index];
  return values;
}

/** As `halve`, from the planes. */
function planesHalve({ high, low }, { columns, rows }) {
  if (!high) return halve({ values: low, columns, rows });
  const width = columns >> 1;
  const height = rows >> 1;
  const half = new Uint16Array(width * height);
  for (let row = 0, to = 0; row < height; row += 1) {
    let from = 2 * row * columns;
    let below = from + columns;
    for (let column = 0; column < width; column += 1, from += 2, below += 2, to += 1) {
      const coarse = high[from] + high[from + 1] + high[below] + high[below + 1];
      half[to] = ((coarse << 8) + low[from] + low[from + 1] + low[below] + low[below + 1] + 2) >> 2;
    }
  }
  return { values: half, columns: width, rows: height };
}

/** Half the size, each value the rounded mean of four; an odd last row or column is left out. */
export function halve({ values, columns, rows }) {
  const width = columns >> 1;
  const height = rows >> 1;
  const half = new values.constructor(width * height);
  for (let row = 0, to = 0; row < height; row += 1) {
    let from = 2 * row * columns;
    for (let column = 0; column < width; column += 1, from += 2, to += 1) {
      half[to] = (values[from] + values[from + 1] + values[from + columns] + values[from + columns + 1] + 2) >> 2;
    }
  }
  return { values: half, columns: width, rows: height };
}

const smallest = 256;

/**
 * [whole, half, quarter, …] down to about 256 pixels. The values of the whole are joined when they are first asked for: a view that
 * fits its stage is drawn from its smaller copies, and joining takes as long as everything else.
 */
export function pyramidOf(planes, { columns, rows }) {
  let left = planes;
  let values = null;
  const whole = {
    columns,
    rows,
    get values() {
      values ??= planesJoin(left);
      left = null;
      return values;
    },
  };
  const levels = [whole];
  const goesOn = () => Math.min(levels.at(-1).columns, levels.at(-1).rows) >= 2 * smallest;
  if (goesOn()) levels.push(planesHalve(planes, whole));
  while (goesOn()) levels.push(halve(levels.at(-1)));
  return levels;
}
