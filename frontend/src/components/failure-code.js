/** A failure's code, and the way from it to what the guide says of it. */
import { h } from '../dom.js';
import { t } from '../strings/index.js';

/** Codes of the one failure catalogue: the guide lists all of them. */
const inCatalogue = /^(input|model|system):[a-z_]+$/;

/** The place of a code in the guide; null for a code that is not of the catalogue. */
export const guidePath = (code) => (inCatalogue.test(code) ? `/guide#${code.replace(':', '-')}` : null);

/** In a tab of its own, so that nothing typed or chosen on this page is lost. */
const elsewhere = { target: '_blank', rel: 'noopener' };

/** The code as a link. */
export function failureCode(code) {
  const href = guidePath(code);
  if (!href) return h('code', {}, code);
  return h(
    'a',
    { className: 'failure-code', href, ...elsewhere, title: t('guide.means') },
    h('code', {}, code),
    h('span', { className: 'visually-hidden' }, ` – ${t('guide.means')}`),
  );
}

/** The code, and beside it the words of the link. */
export function failureCodeExplained(code) {
  const href = guidePath(code);
  return [
    h('code', {}, code),
    href && [' · ', h('a', { className: 'failure-code', href, ...elsewhere }, t('guide.means'))],
  ];
}
