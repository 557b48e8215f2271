/**
 * The standard hanging of a screening study: RCC | LCC over RMLO | LMLO, the right breast on the left of the page, chest
 * walls together. Images are not flipped: For Presentation images already point that way. Pure.
 */
const rowViews = ['CC', 'MLO'];

export const viewName = ({ image_laterality: side, view_position: view }) => `${side ?? ''}${view ?? ''}`;

/**
 * `images` in any order → { rows: [{ view, right: [image], left: [image] }], others: [image] }.
 * A row exists when either side has it. Images without side or with another view are `others`, in their given order.
 */
export function hangingOrder(images) {
  const hung = (image) => rowViews.includes(image.view_position) && ['R', 'L'].includes(image.image_laterality);
  const of = (view, side) => images.filter((image) => image.view_position === view && image.image_laterality === side);
  const rows = rowViews
    .map((view) => ({ view, right: of(view, 'R'), left: of(view, 'L') }))
    .filter(({ right, left }) => right.length + left.length > 0);
  return { rows, others: images.filter((image) => !hung(image)) };
}
