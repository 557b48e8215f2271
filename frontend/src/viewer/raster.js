/**
 * Draws a part of an image into RGBA: window after interpolation, heatmap over it. Pure, and quick enough without a graphics card:
 * everything that is the same for a row, a column or a window is worked out once.
 */
import { colours, layerOpacity, levelCount } from './colours.js';

/** The coarsest copy that still has a pixel for every pixel drawn. `pixel`: image pixels a drawn pixel covers. */
export const levelFor = (levels, pixel) =>
  Math.min(levels.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, pixel)) + 1e-9)));

/** For each drawn pixel along one axis: the first of two neighbours, and the weight of the second in 1/256. −1 is off the image. */
function axis({ count, from, step, size, whole }) {
  const first = new Int32Array(count);
  const weight = new Int32Array(count);
  const ratio = size / whole;
  for (let index = 0; index < count; index += 1) {
    const edge = from + (index + 0.5) * step; // in edges of the whole image
    if (edge < 0 || edge >= whole) {
      first[index] = -1;
      continue;
    }
    const centre = Math.min(size - 1, Math.max(0, edge * ratio - 0.5));
    const low = Math.min(Math.floor(centre), Math.max(0, size - 2));
    first[index] = low;
    weight[index] = size > 1 ? Math.round((centre - low) * 256) : 0;
  }
  return { first, weight };
}

/**
 * Grey of every drawn pixel into `grey` (width × height). `view`: { width, height, column, row, stepColumn, stepRow }: the image edge
 * at the drawing's top left and how far one drawn pixel goes; stepColumn is negative when flipped.
 */
export function greyDraw({ levels, table, view, grey }) {
  const { columns: wholeColumns, rows: wholeRows } = levels[0];
  const level = levels[levelFor(levels, Math.abs(view.stepRow))];
  const { values, columns } = level;
  const across = axis({
    count: view.width,
    from: view.column,
    step: view.stepColumn,
    size: level.columns,
    whole: wholeColumns,
  });
  const down = axis({ count: view.height, from: view.row, step: view.stepRow, size: level.rows, whole: wholeRows });
  const right = level.columns > 1 ? 1 : 0;
  const below = level.rows > 1 ? columns : 0;
  for (let y = 0, at = 0; y < view.height; y += 1) {
    const row = down.first[y];
    if (row < 0) {
      grey.fill(0, at, at + view.width);
      at += view.width;
      continue;
    }
    const wy = down.weight[y];
    const start = row * columns;
    for (let x = 0; x < view.width; x += 1, at += 1) {
      const column = across.first[x];
      if (column < 0) {
        grey[at] = 0;
        continue;
      }
      const wx = across.weight[x];
      const index = start + column;
      const top = (values[index] << 8) + wx * (values[index + right] - values[index]);
      const bottom = (values[index + below] << 8) + wx * (values[index + below + right] - values[index + below]);
      grey[at] = table[((top * (256 - wy) + bottom * wy + 32768) / 65536) | 0];
    }
  }
}

/**
 * Levels (0 … levelCount − 1) of a raw map for every drawn pixel, as the worker quantises them. `map`: { values, columns, rows,
 * fromSource: [six numbers], scaleMaximum }. Values under `threshold` (a share of the scale) are left out; outside the map is nothing.
 */
export function mapDraw({ map, view, threshold, into }) {
  into.fill(0);
  if (!(map.scaleMaximum > 0)) return;
  const [a, , c, , e, f] = map.fromSource;
  const top = levelCount - 1;
  const gain = top / map.scaleMaximum;
  const least = threshold * map.scaleMaximum;
  const edge = 1e-6;
  for (let y = 0, at = 0; y < view.height; y += 1) {
    const row = e * (view.row + (y + 0.5) * view.stepRow - 0.5) + f;
    if (row < -0.5 - edge || row > map.rows - 0.5 + edge) {
      at += view.width;
      continue;
    }
    const y0 = Math.min(map.rows - 1, Math.max(0, row));
    const r0 = Math.floor(y0);
    const r1 = Math.min(map.rows - 1, r0 + 1);
    const wy = y0 - r0;
    for (let x = 0; x < view.width; x += 1, at += 1) {
      const column = a * (view.column + (x + 0.5) * view.stepColumn - 0.5) + c;
      if (column < -0.5 - edge || column > map.columns - 0.5 + edge) continue;
      const x0 = Math.min(map.columns - 1, Math.max(0, column));
      const c0 = Math.floor(x0);
      const c1 = Math.min(map.columns - 1, c0 + 1);
      const wx = x0 - c0;
      const upper = map.values[r0 * map.columns + c0] * (1 - wx) + map.values[r0 * map.columns + c1] * wx;
      const lower = map.values[r1 * map.columns + c0] * (1 - wx) + map.values[r1 * map.columns + c1] * wx;
      const value = upper * (1 - wy) + lower * wy;
      if (value >= least && value > 0) into[at] = Math.min(top, value * gain) + 0.5;
    }
  }
}

/** Grey and map together into RGBA. `opacity` in [0, 1] fades the map; null draws grey alone. */
export function blend({ grey, mapLevels, opacity, rgba }) {
  const words = new Uint32Array(rgba.buffer, rgba.byteOffset, grey.length); // little-endian, as every browser's machine is
  if (!mapLevels) {
    for (let at = 0; at < grey.length; at += 1) words[at] = 0xff000000 | (grey[at] * 0x010101);
    return;
  }
  const kept = new Float32Array(levelCount);
  for (let level = 0; level < levelCount; level += 1) kept[level] = (layerOpacity * opacity * level) / (levelCount - 1);
  for (let at = 0; at < grey.length; at += 1) {
    const shade = grey[at];
    const level = mapLevels[at];
    if (level === 0) {
      words[at] = 0xff000000 | (shade * 0x010101);
      continue;
    }
    const share = kept[level];
    const base = shade * (1 - share) + 0.5;
    const red = (base + share * colours[3 * level]) | 0;
    const green = (base + share * colours[3 * level + 1]) | 0;
    const blue = (base + share * colours[3 * level + 2]) | 0;
    words[at] = 0xff000000 | (blue << 16) | (green << 8) | red;
  }
}
