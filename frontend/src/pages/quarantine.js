/** Quarantine: items kept aside with their reasons, released or given up. */
import { batches } from '../batches-api.js';
import { pagerNode } from '../components/batch-parts.js';
import { confirmAsk } from '../components/confirm-dialog.js';
import { failureCode } from '../components/failure-code.js';
import {
  button,
  contentShow,
  dataTable,
  emptyCard,
  headShow,
  link,
  registryStart,
  timeNode,
} from '../components/registry-page.js';
import { toast, toastProblem } from '../components/toasts.js';
import { h } from '../dom.js';
import { focusKeep } from '../focus.js';
import { dateTime } from '../format.js';
import { t } from '../strings/index.js';

const batch = new URLSearchParams(location.search).get('batch') ?? '';
const place = h('div', { className: 'stack' });
let filters = { batch };

async function attempt(run, done) {
  try {
    if ((await run()) === false) return;
    toast({ title: t(done) });
    await read();
  } catch (problem) {
    toastProblem(problem);
  }
}

const release = (entry) => attempt(() => batches.release(entry.id), 'quarantine.released');

const discard = (entry) =>
  attempt(async () => {
    const sure = await confirmAsk({
      title: t('quarantine.discardTitle'),
      text: t('quarantine.discardText'),
      confirm: t('quarantine.discard'),
      tone: 'danger',
    });
    return sure ? batches.discard(entry.id) : false;
  }, 'quarantine.discarded');

function decideCell(entry) {
  if (entry.state !== 'held') return t('common.none');
  const name = entry.custom_id;
  return h(
    'div',
    { className: 'buttons buttons--end' },
    button({
      words: t('quarantine.release'),
      small: true,
      'aria-label': t('quarantine.releaseOf', { name }),
      onClick: () => release(entry),
    }),
    button({
      words: t('quarantine.discard'),
      small: true,
      look: 'outline-danger',
      'aria-label': t('quarantine.discardOf', { name }),
      onClick: () => discard(entry),
    }),
  );
}

const row = (entry) => [
  h('a', { className: 'batch__item', href: `/batches/${entry.batch}` }, entry.custom_id),
  [h('span', {}, entry.failure.title), h('span', { className: 'form-text d-block' }, failureCode(entry.failure.code))],
  entry.failure.action,
  timeNode(entry.quarantined_at),
  entry.purged_at ? h('time', { datetime: entry.purged_at }, dateTime(entry.purged_at)) : t('common.none'),
  decideCell(entry),
];

async function read(wanted = filters) {
  filters = wanted;
  const { data } = await batches.quarantine(wanted);
  const columns = ['item', 'reason', 'action', 'since', 'until', 'do'].map((name) => t(`quarantine.columns.${name}`));
  const focusBack = focusKeep(place);
  place.replaceChildren(
    data.results.length
      ? h(
          'div',
          { className: 'card admin-list batch-list' },
          dataTable({
            caption: t('quarantine.heading'),
            columns,
            rows: data.results.map(row),
            className: 'data-table--buttons',
          }),
        )
      : emptyCard({
          title: t('quarantine.emptyTitle'),
          text: t('quarantine.emptyText'),
          glyph: 'check',
          action: link({ words: t('leads.toBatches'), href: '/batches' }),
        }),
    pagerNode(data, { label: t('quarantine.pages'), filters, read }),
  );
  focusBack();
}

registryStart(async () => {
  headShow({
    lead: batch ? `${t('quarantine.lead')} ${t('quarantine.ofBatch')}` : undefined,
    actions: [
      batch && link({ words: t('quarantine.allBatches'), href: '/quarantine' }),
      link({ words: t('batches.heading'), href: '/batches', glyph: 'box' }),
    ],
  });
  contentShow(place);
  await read();
});
