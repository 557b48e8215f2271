/** Packed pixels to values, and smaller copies of them for showing the whole view. Pure; PixelsResult of the API says the format. */

async function inflate(bytes) {
  const stream = new Response(bytes).body.pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The file's bytes → Uint16Array, or Uint8Array where one byte is enough. Raises RangeError when there are too few or too many. */
export async function pixelsUnpack(bytes, { rows, columns, high_length: highLength, low_deflated: lowDeflated }) {
  const rest = bytes.subarray(highLength);
  const [high, low] = await Promise.all([
    highLength > 0 ? inflate(bytes.subarray(0, highLength)) : null,
    lowDeflated ? inflate(rest) : rest,
  ]);
  const size = rows * columns;
  if (low.length !== size || (high && high.length !== size))
    throw new RangeError('the pixels are not as many as stated');
  if (!high) return low;
  const values = new Uint16Array(size);
  for (let index = 0; index < size; index += 1) values[index] = (high[index] << 8) | low[index];
  return values;
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

/** [whole, half, quarter, …] down to about 256 pixels. */
export function pyramidOf(values, { columns, rows }) {
  const levels = [{ values, columns, rows }];
  while (Math.min(levels.at(-1).columns, levels.at(-1).rows) >= 2 * smallest) levels.push(halve(levels.at(-1)));
  return levels;
}
