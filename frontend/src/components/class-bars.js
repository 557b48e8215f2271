/** One bar a class, in the package's order: name, colour, pattern and number, so that colour is never the only sign. */
import { h, styleSet } from '../dom.js';
import { percent } from '../format.js';
import { classTone } from './status-badge.js';

/** `probabilities`: { label: p } or null; `classes`: labels in order; `label`: the one the package gave. */
export function classBars({ probabilities, classes, label, compact = false }) {
  if (!probabilities) return null;
  return h(
    'ul',
    { className: compact ? 'bars bars--compact' : 'bars' },
    classes.map((name) => {
      const value = probabilities[name];
      const fill = styleSet(h('span', { className: 'bar__fill' }), { width: `${100 * (value ?? 0)}%` });
      return h(
        'li',
        { className: `bar tone-${classTone(name, classes)}${name === label ? ' bar--chosen' : ''}` },
        h('span', { className: 'bar__name' }, h('span', { className: 'bar__swatch', 'aria-hidden': 'true' }), name),
        h('span', { className: 'bar__value' }, percent(value)),
        h('span', { className: 'bar__track', 'aria-hidden': 'true' }, fill),
      );
    }),
  );
}
