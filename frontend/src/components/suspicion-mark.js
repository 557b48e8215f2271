/**
 * Suspicion against the package's threshold: a shape, the number and a word. Never a class: a package may not have validated
 * its split into classes, and a colour of a class would claim one.
 */
import { h } from '../dom.js';
import { percent } from '../format.js';
import { t } from '../strings/index.js';
import { icon } from './icons.js';

/** `suspicion` in [0, 1]; `above` true, false, or null where the package states no threshold. */
export function suspicionMark({ suspicion, above, threshold = null }) {
  const stated = above !== null && above !== undefined;
  const side = !stated ? 'none' : above ? 'above' : 'below';
  const title = stated
    ? t('result.ringLabel', {
        value: percent(suspicion),
        verdict: t(above ? 'result.above' : 'result.below'),
        threshold: percent(threshold),
      })
    : t('result.suspicion');
  return h(
    'span',
    { className: `suspicion suspicion--${side}`, title },
    stated && icon(above ? 'above' : 'below', 'icon suspicion__shape'),
    h('span', { className: 'suspicion__value' }, percent(suspicion)),
    stated && h('span', { className: 'suspicion__word' }, t(above ? 'result.markAbove' : 'result.markBelow')),
  );
}
