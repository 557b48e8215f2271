/**
 * How a view is hung: which way its chest wall looks, and whether it has to be flipped for that. Pure.
 *
 * The right breast hangs with its chest wall to the right, the left one to the left, so that both meet. An image is flipped only
 * where its header says that it runs the other way (Patient Orientation); without that it hangs as it came. Never guessed from pixels.
 */

/** 'right' | 'left' | null: where the chest wall belongs. */
export const chestSide = ({ image_laterality: side }) => ({ R: 'right', L: 'left' })[side] ?? null;

/**
 * Whether to flip for hanging. Rows that run to Anterior begin at the chest wall, which is then on the left; to Posterior, on the
 * right. Source: DICOM PS3.3 C.7.6.1.1.1.
 */
export function flipNeeded(image) {
  const chest = chestSide(image);
  const rows = image.patient_orientation?.[0] ?? '';
  if (!chest || !['A', 'P'].includes(rows[0])) return false;
  return (rows[0] === 'A' ? 'left' : 'right') !== chest;
}
