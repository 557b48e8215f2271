/**
 * Window and level: from what the file states to the grey of every stored value. Pure.
 *
 * A setting is relative to the image's own first window, because views of one study may come with windows of their own and are
 * windowed together: `shift` in widths of it, `factor` times its width.
 */
import { windowApply } from '../dicom/windowing.js';

/** Soft shows a wider range with less contrast; dense a narrower one of brighter tissue. Names are in the catalogue. */
export const presets = {
  file: { shift: 0, factor: 1 },
  soft: { shift: 0, factor: 1.35 },
  dense: { shift: 0.14, factor: 0.62 },
  fatty: { shift: -0.18, factor: 0.62 },
};

const factorLimits = [0.02, 8];
const shiftLimit = 2;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** A drag of `dx` to the right and `dy` down, in shares of the view: right widens (less contrast), up brightens. */
export function windowDrag({ shift, factor }, { dx, dy }) {
  return {
    shift: clamp(shift + dy * factor, -shiftLimit, shiftLimit),
    factor: clamp(factor * 2 ** (2.5 * dx), ...factorLimits),
  };
}

/** → { centre, width } in modality values. `index` names one of the file's windows. */
export function windowOf(pixels, { shift, factor, index = 0 }) {
  const base = pixels.windows[Math.min(index, pixels.windows.length - 1)];
  return { centre: base.centre + shift * base.width, width: Math.max(base.width * factor, 1e-6) };
}

/** Whether the file's own display table is what is shown, in the place of its first window. */
export const isTable = (pixels, { index = 0 }) =>
  Boolean(pixels.voi_table) && Math.min(index, pixels.windows.length - 1) === 0;

/**
 * Brightness of a modality value through the file's display table. Whoever moves the window moves the table with it: the value is
 * looked up where it would stand in the window that the table rises over. As the file says, that is the value itself.
 */
function tableOf(pixels, setting, greys) {
  const [base] = pixels.windows;
  const { centre, width } = windowOf(pixels, setting);
  const ratio = base.width / width;
  const last = greys.length - 1;
  return (value) =>
    greys[clamp(Math.round((value - centre) * ratio + base.centre) - pixels.voi_table.first, 0, last)] / 255;
}

function rampOf(pixels, setting) {
  const window = { ...windowOf(pixels, setting), kind: pixels.voi_function };
  if (window.kind === 'LINEAR' && window.width < 1) window.kind = 'LINEAR_EXACT'; // LINEAR has no meaning below 1
  return (value) => windowApply(value, window);
}

/** Where the first window comes from, as the catalogue names it. Older results have a window for a table, and no table. */
export const windowSource = (pixels) =>
  pixels?.window_source === 'lookup_table' && !pixels.voi_table ? 'lookup_window' : pixels?.window_source;

/** How many values the packed pixels may hold: 256, or 65536. */
export const valueCount = (pixels) => (pixels.high_length > 0 ? 65536 : 256);

/**
 * Grey (0–255) of every packed value, dense tissue bright. `inverted`: the reader's wish, on top of the image's own polarity.
 * `greys`: those of the file's display table where it has one. Padding is black in either.
 * Source: DICOM PS3.3 C.11.1, C.11.2, C.7.6.3.1.2.
 */
export function greyTable(pixels, setting, inverted = false, greys = null) {
  const brightOf = greys && isTable(pixels, setting) ? tableOf(pixels, setting, greys) : rampOf(pixels, setting);
  const table = new Uint8Array(valueCount(pixels));
  const turned = pixels.inverted !== inverted;
  const [low, high] = pixels.padding.length === 2 ? pixels.padding : [1, 0];
  for (let packed = 0; packed < table.length; packed += 1) {
    const stored = packed + pixels.value_offset;
    if (stored >= low && stored <= high) continue;
    const bright = brightOf(stored * pixels.slope + pixels.intercept);
    table[packed] = Math.round(255 * (turned ? 1 - bright : bright));
  }
  return table;
}
