/** The certainty ring: suspicion as an arc, the operating point as a tick across it, and the verdict in words. */
import { h, svg } from '../dom.js';
import { percent } from '../format.js';
import { t } from '../strings/index.js';

const radius = 42;
const circumference = 2 * Math.PI * radius;
const round = (value) => value.toFixed(2);

function tick(threshold) {
  const angle = 2 * Math.PI * threshold - Math.PI / 2; // clockwise from the top, as the arc
  const point = (r) => ({ x: 50 + r * Math.cos(angle), y: 50 + r * Math.sin(angle) });
  const [inner, outer] = [point(radius - 7), point(radius + 7)];
  return svg('line', {
    className: 'ring__tick',
    x1: round(inner.x),
    y1: round(inner.y),
    x2: round(outer.x),
    y2: round(outer.y),
  });
}

/** `suspicion` in [0, 1] or null (not assessable); `threshold` in [0, 1] or null. `small` leaves the words out. */
export function certaintyRing({ suspicion, threshold, small = false }) {
  const known = suspicion !== null && suspicion !== undefined;
  const stated = threshold !== null && threshold !== undefined;
  const above = known && stated && suspicion >= threshold;
  const tone = !known || !stated ? 'none' : above ? 'above' : 'below';
  const verdict = t(above ? 'result.above' : 'result.below');
  const label = !known
    ? t('result.notAssessableTitle')
    : stated
      ? t('result.ringLabel', { value: percent(suspicion), verdict, threshold: percent(threshold) })
      : `${t('result.suspicion')} ${percent(suspicion)}`;
  const ring = svg(
    'svg',
    { className: 'ring__svg', viewBox: '0 0 100 100', role: 'img', 'aria-label': label },
    svg('circle', { className: 'ring__track', cx: 50, cy: 50, r: radius }),
    known &&
      suspicion > 0 &&
      svg('circle', {
        className: 'ring__arc',
        cx: 50,
        cy: 50,
        r: radius,
        transform: 'rotate(-90 50 50)',
        'stroke-dasharray': `${round(suspicion * circumference)} ${round(circumference)}`,
      }),
    known && stated && tick(threshold),
    svg('text', { className: 'ring__value', x: 50, y: small ? 56 : 50, 'text-anchor': 'middle' }, percent(suspicion)),
    !small &&
      svg(
        'text',
        { className: 'ring__name', x: 50, y: 64, 'text-anchor': 'middle' },
        t('result.suspicion').toLowerCase(),
      ),
  );
  return h(
    'div',
    { className: `ring ring--${tone}${small ? ' ring--small' : ''}` },
    ring,
    !small &&
      h(
        'div',
        { className: 'ring__words' },
        known && stated && h('p', { className: 'ring__verdict' }, t(above ? 'result.aboveWord' : 'result.belowWord')),
        h(
          'p',
          { className: 'ring__threshold' },
          stated ? t('result.threshold', { value: percent(threshold) }) : t('result.noThreshold'),
        ),
      ),
  );
}
