/** What the pages of batches share: states and statuses as badges, counts as a bar, pages turned. */
import { filtersOf } from '../api.js';
import { h, styleSet } from '../dom.js';
import { count, dateTime } from '../format.js';
import { t, tOr } from '../strings/index.js';
import { icon } from './icons.js';
import { button } from './registry-page.js';
import { toastProblem } from './toasts.js';

const looks = {
  open: ['quiet', 'circle'],
  validating: ['info', 'clock'],
  in_progress: ['info', 'play'],
  finalizing: ['info', 'clock'],
  completed: ['good', 'check'],
  failed: ['bad', 'xCircle'],
  expired: ['warn', 'clock'],
  cancelling: ['warn', 'slash'],
  cancelled: ['quiet', 'slash'],
  pending: ['quiet', 'circle'],
  queued: ['quiet', 'clock'],
  running: ['info', 'play'],
  succeeded: ['good', 'check'],
  quarantined: ['warn', 'warning'],
};

function badge(name, words) {
  const [tone, glyph] = looks[name] ?? ['quiet', 'info'];
  return h('span', { className: `badge badge--${tone}` }, icon(glyph), words);
}

export const stateBadge = (state) => badge(state, tOr(`batches.states.${state}`, state));
export const itemBadge = (status) => badge(status, tOr(`batches.statuses.${status}`, status));

export const batchName = (batch) => batch.name || t('batches.unnamed', { time: dateTime(batch.created_at) });
export const isOver = (state) => ['completed', 'failed', 'expired', 'cancelled'].includes(state);

/** The order of the bar and its legend: what is done first. */
export const statuses = ['succeeded', 'quarantined', 'failed', 'cancelled', 'running', 'queued', 'pending'];

export const endedOf = (counts) => counts.succeeded + counts.failed + counts.cancelled + counts.quarantined;

/** Counts as one bar of coloured lengths. The words for it stand beside it, so that it is hidden from readers. */
export function countsBar(counts) {
  const parts = statuses
    .filter((status) => counts[status] > 0)
    .map((status) => {
      const node = h('span', { className: `counts-bar__part counts-bar__part--${status}` });
      return styleSet(node, { 'flex-grow': counts[status] });
    });
  return h('div', { className: 'counts-bar', 'aria-hidden': 'true' }, parts);
}

/** `onPick(status)` after a click; `picked`: the one that is shown now. */
export function countsLegend(counts, { picked, onPick }) {
  const shown = statuses.filter((status) => counts[status] > 0);
  return h(
    'ul',
    { className: 'counts-legend' },
    shown.map((status) =>
      h(
        'li',
        {},
        h(
          'button',
          {
            type: 'button',
            className: 'counts-legend__item',
            'aria-pressed': String(status === picked),
            onClick: () => onPick(status === picked ? '' : status),
          },
          h('span', { className: `counts-legend__key counts-bar__part--${status}`, 'aria-hidden': 'true' }),
          t(`batches.statuses.${status}`),
          h('strong', {}, count(counts[status])),
        ),
      ),
    ),
  );
}

export const progressCell = (counts) => [
  countsBar(counts),
  h(
    'span',
    { className: 'counts-bar__words' },
    t('batches.ended', { ended: count(endedOf(counts)), total: count(counts.total) }),
  ),
];

/** Earlier and later of a list by cursor. `read(filters)` shows another page. */
export function pagerNode(page, { label, filters, read }) {
  const turn = (name) =>
    page[name] &&
    button({
      words: t(`worklist.${name}`),
      onClick: () => read({ ...filters, ...filtersOf(page[name]) }).catch(toastProblem),
    });
  return h('nav', { className: 'pager', 'aria-label': label }, ...[turn('previous'), turn('next')].filter(Boolean));
}
