/**
 * Reads side and view from a file name by the server's own rule (“RCC”, “L_MLO”, “left”, “mlo”), so that the page shows what
 * the server will take. A name that states nothing, or contradicts itself, gives nulls: laterality is never guessed.
 */
export const viewPositions = ['CC', 'MLO', 'ML', 'LM', 'LMO', 'FB', 'SIO', 'ISO', 'XCC', 'XCCL', 'XCCM', 'SPECIMEN'];

const word = [...viewPositions].sort((a, b) => b.length - a.length).join('|');
const pattern = new RegExp(
  `(?<![A-Z])(?:(?<side>LEFT|RIGHT|L|R)[ _-]?(?<view>${word})|(?<sideOnly>LEFT|RIGHT)|(?<viewOnly>${word}))(?![A-Z])`,
  'g',
);

const only = (values) => (new Set(values).size === 1 ? values[0] : null);

/** → { imageLaterality: 'L' | 'R' | null, viewPosition: string | null } */
export function nameTokensRead(fileName) {
  const stem = fileName.replace(/(?<=.)\.[^.]*$/, '').toUpperCase();
  const found = [...stem.matchAll(pattern)].map(({ groups }) => groups);
  const sides = found.map(({ side, sideOnly }) => (side ?? sideOnly)?.[0]).filter(Boolean);
  const views = found.map(({ view, viewOnly }) => view ?? viewOnly).filter(Boolean);
  return { imageLaterality: only(sides), viewPosition: only(views) };
}
