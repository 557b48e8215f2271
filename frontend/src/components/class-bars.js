/** One bar a class, in the package's order: name, colour, pattern and number, so that colour is never the only sign. */
import { h, styleSet } from '../dom.js';
import { percent } from '../format.js';
import { english } from '../server-words.js';
import { classTone } from './status-badge.js';

/** `probabilities`: { label: p } or null; `classes`: labels in order. No bar is singled out: the suspicion is the judgement. */
export function classBars({ probabilities, classes, compact = false }) {
  if (!probabilities) return null;
  return h(
    'ul',
    { className: compact ? 'bars bars--compact' : 'bars' },
    classes.map((name) => {
      const value = probabilities[name];
      const fill = styleSet(h('span', { className: 'bar__fill' }), { width: `${100 * (value ?? 0)}%` });
      return h(
        'li',
        { className: `bar tone-${classTone(name, classes)}` },
        h(
          'span',
          { className: 'bar__name' },
          h('span', { className: 'bar__swatch', 'aria-hidden': 'true' }),
          english(name),
        ),
        h('span', { className: 'bar__value' }, percent(value)),
        h('span', { className: 'bar__track', 'aria-hidden': 'true' }, fill),
      );
    }),
  );
}
