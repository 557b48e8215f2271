/**
 * Reads side and view from a file name, as the server does: whole tokens only (“P12_RCC.png”, “left-mlo.jpg”, “L_CC.png”).
 * A name that states nothing, or contradicts itself, gives nulls: laterality is never guessed.
 */
const sides = { R: 'R', RIGHT: 'R', L: 'L', LEFT: 'L' };
const views = ['CC', 'MLO', 'ML', 'LM', 'LMO', 'XCCL', 'XCCM', 'FB', 'SIO', 'ISO', 'CV', 'AT'];
export const viewPositions = views;

function tokenRead(token) {
  if (token in sides) return { side: sides[token] };
  if (views.includes(token)) return { view: token };
  const joined = /^([RL])(.+)$/.exec(token);
  if (joined && views.includes(joined[2])) return { side: joined[1], view: joined[2] };
  return {};
}

const only = (values) => (new Set(values).size === 1 ? values[0] : null);

/** → { imageLaterality: 'L' | 'R' | null, viewPosition: string | null } */
export function nameTokensRead(fileName) {
  const stem = fileName.replace(/\.[^.]*$/, '').toUpperCase();
  const found = stem
    .split(/[^A-Z0-9]+/)
    .filter(Boolean)
    .map(tokenRead);
  // A single “L” or “R” beside no view may be anything (“series_L2_R.png”), so a side alone must come with a view.
  const viewPosition = only(found.map(({ view }) => view).filter(Boolean));
  const side = only(found.map(({ side: one }) => one).filter(Boolean));
  return { imageLaterality: viewPosition ? side : null, viewPosition };
}
