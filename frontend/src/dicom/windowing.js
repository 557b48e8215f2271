/**
 * From stored values to grey levels, per DICOM PS3.3 C.11.2: rescale, VOI (table or window), polarity. Pure.
 *
 * A preview, not the model's input: that is made by the server, with its own code.
 */

/** The first usable window of a header, or null. → { centre, width, kind: 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID' }. */
export function windowOf({ windowCentres, windowWidths, windowFunction }) {
  const [centre] = windowCentres;
  const [width] = windowWidths;
  if (centre === undefined || width === undefined || width < (windowFunction === 'LINEAR' ? 1 : Number.MIN_VALUE))
    return null;
  const kind = ['LINEAR_EXACT', 'SIGMOID'].includes(windowFunction) ? windowFunction : 'LINEAR';
  return { centre, width, kind };
}

/** Grey in [0, 1] of a rescaled value. Source: DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3. */
export function windowApply(value, { centre, width, kind }) {
  if (kind === 'SIGMOID') return 1 / (1 + Math.exp((-4 * (value - centre)) / width));
  if (kind === 'LINEAR_EXACT') return Math.min(1, Math.max(0, (value - centre) / width + 0.5));
  if (width === 1) return value <= centre - 0.5 ? 0 : 1;
  return Math.min(1, Math.max(0, (value - (centre - 0.5)) / (width - 1) + 0.5));
}

/** Grey in [0, 1] of a rescaled value through a VOI LUT; values outside the table take its ends. */
export function lutApply(value, { firstMapped, entries, bits }) {
  const index = Math.min(entries.length - 1, Math.max(0, Math.round(value) - firstMapped));
  return Math.min(1, entries[index] / (2 ** bits - 1));
}

/** A window from the 1st to the 99.5th percentile of the values that are not padding; used only where the file has none. */
export function windowAssume(values) {
  const sorted = Float32Array.from(values.filter(Number.isFinite)).sort();
  if (sorted.length === 0) return { centre: 0.5, width: 1, kind: 'LINEAR_EXACT' };
  const at = (fraction) => sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))];
  const [low, high] = [at(0.01), at(0.995)];
  return { centre: (low + high) / 2, width: Math.max(high - low, 1e-6), kind: 'LINEAR_EXACT' };
}

/**
 * Grey pixels (0–255) of a small grid of stored values. `values`: Float32Array, NaN where the image is padding.
 * Returns { grey: Uint8ClampedArray, voi: 'lut' | 'window' | 'assumed', window }.
 */
export function greyMake(values, facts) {
  const rescaled = values.map((value) => value * facts.rescaleSlope + facts.rescaleIntercept);
  const own = windowOf(facts);
  const window = own ?? windowAssume(rescaled);
  const level = facts.voiLut ? (value) => lutApply(value, facts.voiLut) : (value) => windowApply(value, window);
  const inverted = facts.photometricInterpretation === 'MONOCHROME1';
  const grey = new Uint8ClampedArray(values.length);
  for (let i = 0; i < grey.length; i += 1) {
    if (Number.isNaN(rescaled[i])) continue; // padding is black in either polarity
    const bright = level(rescaled[i]);
    grey[i] = 255 * (inverted ? 1 - bright : bright); // inverted after windowing: the window is defined on stored values
  }
  return { grey, voi: facts.voiLut ? 'lut' : own ? 'window' : 'assumed', window: own };
}
