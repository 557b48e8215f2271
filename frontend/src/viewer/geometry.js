/**
 * Where an image lies on its stage. Pure.
 *
 * What is shared between views is told from the chest wall: `hx` is 0 there and 1 at the other edge, `hy` 0 at the top and 1 at the
 * bottom, `zoom` 1 where the whole image fits. So the two breasts move as mirror images, which is how they hang.
 * Image coordinates here are edges: pixel (column, row) covers column … column + 1.
 */
export const zoomLimits = [0.5, 64];
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

export const zoomClamp = (zoom) => clamp(zoom, ...zoomLimits);

/** CSS pixels of one image pixel at zoom 1. */
export const fitScale = ({ width, height, columns, rows }) => Math.min(width / columns, height / rows);

/**
 * → { scale, sx, ox, oy }: x = ox + sx·column, y = oy + scale·row, in the stage's CSS pixels; sx is −scale when flipped.
 * `frame`: { width, height, columns, rows }. `chest`: 'left' | 'right' | null, where the chest wall is shown.
 * `place`: { zoom, hx, hy }; hx or hy null fits: chest wall at its edge of the stage, else centred.
 */
export function matrixOf({ frame, chest, flipped, place }) {
  const scale = fitScale(frame) * place.zoom;
  const { hx, hy } = centreOf({ frame, chest, place });
  const fraction = chest === 'right' ? 1 - hx : hx;
  const column = frame.columns * (flipped ? 1 - fraction : fraction);
  const sx = flipped ? -scale : scale;
  return { scale, sx, ox: frame.width / 2 - sx * column, oy: frame.height / 2 - scale * hy * frame.rows };
}

/** { hx, hy } at the middle of the stage, with what `place` leaves open filled in. */
export function centreOf({ frame, chest, place }) {
  const scale = fitScale(frame) * place.zoom;
  const half = frame.width / scale / frame.columns / 2;
  return { hx: place.hx ?? (chest && place.zoom <= 1.0001 ? half : 0.5), hy: place.hy ?? 0.5 };
}

export const toImage = ({ scale, sx, ox, oy }, { x, y }) => ({ column: (x - ox) / sx, row: (y - oy) / scale });
export const toStage = ({ scale, sx, ox, oy }, { column, row }) => ({ x: ox + sx * column, y: oy + scale * row });

/** The place after the image was dragged by (dx, dy) CSS pixels. The middle of the stage stays on the image. */
export function panned({ frame, chest, place }, { dx, dy }) {
  const scale = fitScale(frame) * place.zoom;
  const { hx, hy } = centreOf({ frame, chest, place });
  const toChest = chest === 'right' ? 1 : -1;
  return {
    zoom: place.zoom,
    hx: clamp(hx + (toChest * dx) / scale / frame.columns, 0, 1),
    hy: clamp(hy - dy / scale / frame.rows, 0, 1),
  };
}

/** The place after zooming by `factor` with the point (x, y) of the stage held still. */
export function zoomed({ frame, chest, place }, { factor, x, y }) {
  const zoom = zoomClamp(place.zoom * factor);
  const { hx, hy } = centreOf({ frame, chest, place });
  const before = fitScale(frame) * place.zoom;
  const after = fitScale(frame) * zoom;
  const sign = chest === 'right' ? -1 : 1;
  const dx = x - frame.width / 2;
  const dy = y - frame.height / 2;
  if (zoom <= 1 && factor < 1) return { zoom, hx: null, hy: null }; // zoomed out again, it hangs as it hung
  return {
    zoom,
    hx: clamp(hx + (sign * (dx / before - dx / after)) / frame.columns, 0, 1),
    hy: clamp(hy + (dy / before - dy / after) / frame.rows, 0, 1),
  };
}
