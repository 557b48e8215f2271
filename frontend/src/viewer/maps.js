/** Reads the raw maps of an image: a .npy file of float32, shape (targets, rows, columns), C order. Pure. */

const magic = '\u0093NUMPY';

/** The file's bytes → { values: Float32Array, targets, rows, columns }. Raises RangeError for any other kind of .npy. */
export function mapsRead(buffer) {
  const bytes = new Uint8Array(buffer);
  const text = (from, to) => String.fromCharCode(...bytes.subarray(from, to));
  if (text(0, 6) !== magic) throw new RangeError('not a .npy file');
  const view = new DataView(buffer);
  const start = bytes[6] >= 2 ? 12 : 10;
  const length = bytes[6] >= 2 ? view.getUint32(8, true) : view.getUint16(8, true);
  const header = text(start, start + length);
  const shape = /'shape': \((\d+), (\d+), (\d+)\)/.exec(header)?.slice(1).map(Number);
  if (!header.includes("'<f4'") || !header.includes("'fortran_order': False") || !shape) {
    throw new RangeError('not a float32 array of targets, rows and columns');
  }
  const [targets, rows, columns] = shape;
  const values = new Float32Array(buffer.slice(start + length));
  if (values.length !== targets * rows * columns) throw new RangeError('the maps are not as many as stated');
  return { values, targets, rows, columns };
}

/** One target's map. */
export const mapOf = ({ values, rows, columns }, target) => ({
  values: values.subarray(target * rows * columns, (target + 1) * rows * columns),
  rows,
  columns,
});
