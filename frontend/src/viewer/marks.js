/** What lies over a view as lines: measurements, the keyboard's cross, the scale bar. Drawn anew as a whole; there is little of it. */
import { svg } from '../dom.js';
import { t } from '../strings/index.js';
import { toStage } from './geometry.js';
import { lengthOf, lengthRound, scaleBar } from './measure.js';

const tick = 7;

export function lengthWords(from, to, spacing) {
  const length = lengthOf(from, to, spacing);
  return t(length.unit === 'mm' ? 'viewer.length' : 'viewer.lengthPixels', { value: lengthRound(length) });
}

function lineDraw({ from, to }, matrix, spacing) {
  const a = toStage(matrix, from);
  const b = toStage(matrix, to);
  const apart = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  const nx = (-(b.y - a.y) / apart) * tick;
  const ny = ((b.x - a.x) / apart) * tick;
  const path = [
    `M${a.x} ${a.y}L${b.x} ${b.y}`,
    ...[a, b].map(({ x, y }) => `M${x - nx} ${y - ny}L${x + nx} ${y + ny}`),
  ].join('');
  return [
    svg('path', { class: 'stage__line-rim', d: path }),
    svg('path', { class: 'stage__line', d: path }),
    svg(
      'text',
      { class: 'stage__label', x: Math.max(a.x, b.x) + 8, y: (a.x > b.x ? a.y : b.y) + 4 },
      lengthWords(from, to, spacing),
    ),
  ];
}

function crossDraw(point, matrix) {
  const { x, y } = toStage(matrix, point);
  const d = `M${x - 12} ${y}H${x - 3}M${x + 3} ${y}H${x + 12}M${x} ${y - 12}V${y - 3}M${x} ${y + 3}V${y + 12}`;
  return [svg('path', { class: 'stage__line-rim', d }), svg('path', { class: 'stage__line', d })];
}

function barDraw({ matrix, spacing, frame }) {
  const { value, unit, width } = scaleBar({ scale: matrix.scale, spacing, room: Math.min(120, frame.width / 3) });
  const y = frame.height - 12;
  const d = `M10.5 ${y - 5}V${y + 0.5}H${10.5 + width}V${y - 5}`;
  return [
    svg('path', { class: 'stage__line-rim', d }),
    svg('path', { class: 'stage__bar', d }),
    svg('text', { class: 'stage__label stage__label--small', x: 14 + width + 4, y: y + 1 }, `${value} ${unit}`),
  ];
}

/** `lines`: [{ from, to }]; `draft`: a line in the making; `cross`: a point, or null. */
export function marksDraw(node, { matrix, frame, spacing, lines, draft, cross }) {
  node.setAttribute('viewBox', `0 0 ${frame.width} ${frame.height}`);
  node.replaceChildren(
    ...barDraw({ matrix, spacing, frame }),
    ...[...lines, draft].filter(Boolean).flatMap((line) => lineDraw(line, matrix, spacing)),
    ...(cross ? crossDraw(cross, matrix) : []),
  );
}
