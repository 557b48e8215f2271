/** Lengths on an image: in millimetres where it states a spacing, else in pixels. Pure. */
import { decimal } from '../format.js';

/** → { value, unit: 'mm' | 'px' }. `spacing`: [row, column] in mm or null. Points are { column, row }. */
export function lengthOf(from, to, spacing) {
  const columns = to.column - from.column;
  const rows = to.row - from.row;
  if (!spacing) return { value: Math.hypot(columns, rows), unit: 'px' };
  return { value: Math.hypot(columns * spacing[1], rows * spacing[0]), unit: 'mm' };
}

/** A tenth of a millimetre is what a reader can place; whole pixels. */
export const lengthRound = ({ value, unit }) => (unit === 'mm' ? decimal(value, 1) : String(Math.round(value)));

/** A round length for the scale bar that is at most `room` CSS pixels: { value, unit, width }. `scale`: CSS pixels a column. */
export function scaleBar({ scale, spacing, room }) {
  const perUnit = spacing ? scale / spacing[1] : scale;
  const most = room / perUnit;
  const power = 10 ** Math.floor(Math.log10(most));
  const value = [5, 2, 1].map((step) => step * power).find((step) => step <= most) ?? power;
  return { value, unit: spacing ? 'mm' : 'px', width: value * perUnit };
}
