/** One batch: how far it is, why items have no result, its results as files, its items. Followed live until it has ended. */
import { batches, batchUrl } from '../batches-api.js';
import {
  batchName,
  countsBar,
  countsLegend,
  endedOf,
  isOver,
  itemBadge,
  pagerNode,
  stateBadge,
} from '../components/batch-parts.js';
import { chromeStart, connectionShow, toLogin } from '../components/chrome.js';
import { confirmAsk } from '../components/confirm-dialog.js';
import { failureCode } from '../components/failure-code.js';
import {
  button,
  callout,
  contentShow,
  dataTable,
  emptyCard,
  headShow,
  link,
  panel,
  problemShow,
  timeNode,
} from '../components/registry-page.js';
import { toast, toastProblem } from '../components/toasts.js';
import { byId, h, textSet } from '../dom.js';
import { focusKeep } from '../focus.js';
import { count, dateTime, duration } from '../format.js';
import { jobPath } from '../navigation.js';
import { pollingCreate } from '../polling.js';
import { plural, t, tOr } from '../strings/index.js';

const runningSeconds = 2;
const failuresRead = 200;
const id = decodeURIComponent(location.pathname.split('/')[2]);
const filters = { status: '', failure_code: '' };
const parts = Object.fromEntries(
  ['progress', 'failures', 'timeline', 'items', 'note'].map((name) => [name, h('div', {})]),
);
let shown = null;
let failuresOf = null;

const moments = [
  'created',
  'validating',
  'in_progress',
  'finalizing',
  'completed',
  'failed',
  'expired',
  'cancelling',
  'cancelled',
];

function headDraw(batch) {
  const values = {
    created: dateTime(batch.created_at),
    priority: t(`priority.${batch.priority}`),
    deployment: batch.deployment || t('batch.siteDefault'),
  };
  const act = (name, look, run) =>
    batch.actions[name] && button({ words: t(`batch.${name}`), look, onClick: () => attempt(run) });
  headShow({
    title: batchName(batch),
    lead: t('batch.lead', values),
    badge: stateBadge(batch.state),
    actions: [act('close', 'primary', close), act('retry', 'primary', retry), act('cancel', 'outline-danger', cancel)],
  });
}

async function attempt(run) {
  try {
    await run();
    poll.start();
    poll.reset();
    itemsRead().catch(toastProblem);
  } catch (problem) {
    toastProblem(problem);
  }
}

async function close() {
  await batches.close(id);
  toast({ title: t('batch.started') });
}

async function retry() {
  await batches.retry(id, ['failed']);
  toast({ title: t('batch.retried') });
}

async function cancel() {
  const counts = shown.request_counts;
  const text = t('batch.cancelText', { n: count(counts.total - endedOf(counts)) });
  const sure = await confirmAsk({ title: t('batch.cancelTitle'), text, confirm: t('batch.cancel'), tone: 'danger' });
  if (!sure) return;
  await batches.cancel(id);
  toast({ title: t('batch.cancelled') });
}

function progressDraw(batch) {
  const counts = batch.request_counts;
  const words = [
    t('batch.progressOf', { ended: count(endedOf(counts)), total: count(counts.total) }),
    !isOver(batch.state) && batch.queue_position && t('batches.place', { n: count(batch.queue_position) }),
    !isOver(batch.state) && batch.eta_seconds && t('batches.left', { time: duration(batch.eta_seconds) }),
  ].filter(Boolean);
  const focusBack = focusKeep(parts.progress);
  parts.progress.replaceChildren(
    h('p', { className: 'batch__words' }, words.join(' · ')),
    countsBar(counts),
    countsLegend(counts, { picked: filters.status, onPick: (status) => itemsPick({ status, failure_code: '' }) }),
  );
  focusBack();
}

function noteDraw(batch) {
  const held = batch.request_counts.quarantined;
  parts.note.replaceChildren(
    ...[
      batch.failure &&
        callout({ tone: 'bad', title: t('batch.failed'), text: `${batch.failure.message} ${batch.failure.action}` }),
      held &&
        callout({
          title: plural('batch.quarantined', held),
          children: [h('p', {}, h('a', { href: `/quarantine?batch=${id}` }, plural('batch.toQuarantine', held)))],
        }),
    ].filter(Boolean),
  );
}

function timelineDraw(batch) {
  const reached = moments.map((name) => [name, batch[`${name}_at`]]).filter(([, at]) => at);
  parts.timeline.replaceChildren(
    h(
      'ol',
      { className: 'batch__moments' },
      reached.map(([name, at]) =>
        h('li', {}, h('span', {}, tOr(`batches.states.${name}`, t('batches.columns.created'))), timeNode(at)),
      ),
    ),
    isOver(batch.state)
      ? ''
      : h('p', { className: 'form-text' }, t('batch.expires', { time: dateTime(batch.expires_at) })),
  );
}

/** Failures by code, with what to do: read again only when their number has changed. */
async function failuresDraw(batch) {
  const counts = batch.request_counts;
  const bad = counts.failed + counts.quarantined;
  if (failuresOf === bad) return;
  failuresOf = bad;
  if (!bad) {
    parts.failures.replaceChildren(h('p', { className: 'muted' }, t('batch.failuresNone')));
    return;
  }
  const { data } = await batches.items(id, { status: ['failed', 'quarantined'], page_size: failuresRead });
  const groups = new Map();
  for (const { failure } of data.results) {
    const group = groups.get(failure.code) ?? { failure, n: 0 };
    groups.set(failure.code, { ...group, n: group.n + 1 });
  }
  parts.failures.replaceChildren(
    h(
      'ul',
      { className: 'batch__failures' },
      [...groups.values()].sort((a, b) => b.n - a.n).map(({ failure, n }) => failureNode(failure, n)),
    ),
    data.next ? h('p', { className: 'form-text' }, t('batch.failuresPart', { n: count(data.results.length) })) : '',
  );
}

const failureNode = (failure, n) =>
  h(
    'li',
    {},
    h('p', { className: 'batch__failure-title' }, h('strong', {}, failure.title), ' ', plural('batch.failureCount', n)),
    h('p', {}, failure.message, ' ', failure.action),
    h(
      'p',
      { className: 'batch__failure-code' },
      failureCode(failure.code),
      button({
        words: t('batch.show'),
        look: 'link',
        small: true,
        'aria-label': `${t('batch.show')}: ${failure.title}`,
        onClick: () => itemsPick({ status: '', failure_code: failure.code }),
      }),
    ),
  );

function itemsPick(changes) {
  Object.assign(filters, changes);
  if (shown) progressDraw(shown);
  itemsRead().catch(toastProblem);
  byId('items').scrollIntoView({ block: 'nearest' });
}

const itemRow = (item) => [
  h('span', { className: 'batch__item' }, item.custom_id),
  [itemBadge(item.status), item.reused ? h('span', { className: 'form-text' }, t('batch.reused')) : null],
  item.external_id || t('common.none'),
  item.failure
    ? h('span', { title: item.failure.message }, item.failure.title)
    : item.job && item.status === 'succeeded'
      ? h('a', { href: jobPath(item.job.id) }, t('batch.open'))
      : t('common.none'),
  timeNode(item.ended_at),
];

async function itemsRead(wanted = filters) {
  const { data } = await batches.items(id, wanted);
  const columns = ['item', 'status', 'study', 'why', 'ended'].map((name) => t(`batch.columns.${name}`));
  const focusBack = focusKeep(parts.items);
  parts.items.replaceChildren(
    data.results.length
      ? dataTable({ caption: t('batch.items'), columns, rows: data.results.map(itemRow) })
      : h('p', { className: 'muted' }, t('batch.itemsEmpty')),
    pagerNode(data, { label: t('batch.itemPages'), filters, read: itemsRead }),
  );
  focusBack();
  byId('items-clear').hidden = !filters.status && !filters.failure_code;
}

function show(batch) {
  const changed = shown?.state !== batch.state;
  const moved = shown && endedOf(shown.request_counts) !== endedOf(batch.request_counts);
  shown = batch;
  headDraw(batch);
  progressDraw(batch);
  noteDraw(batch);
  timelineDraw(batch);
  failuresDraw(batch).catch(toastProblem);
  if (changed) textSet(byId('announce'), t(`batches.states.${batch.state}`));
  if (moved) itemsRead().catch(toastProblem);
}

const poll = pollingCreate({
  fetcher: (options) => batches.read(id, options),
  onData: show,
  onState: (state) => connectionShow(state, poll.refresh),
  onFatal: (error) => {
    if (error.status === 401) toLogin();
    else if (error.status === 404) contentShow(emptyCard({ title: t('batch.heading'), text: t('batch.notFound') }));
    else problemShow(error);
  },
  delaySeconds: (batch) => (isOver(batch.state) ? null : runningSeconds),
});

const download = (name, href) => link({ words: t(`batch.${name}`), href, glyph: 'download', download: '' });

async function start() {
  await chromeStart();
  contentShow(
    parts.note,
    h(
      'div',
      { className: 'two-columns' },
      h(
        'div',
        { className: 'stack' },
        panel({ title: t('batch.progress') }, parts.progress),
        panel({ title: t('batch.failures') }, parts.failures),
      ),
      h(
        'div',
        { className: 'stack' },
        panel(
          { title: t('batch.downloads') },
          h('p', { className: 'form-text' }, t('batch.downloadsHint')),
          h(
            'div',
            { className: 'buttons' },
            download('csv', batchUrl.results(id, 'csv')),
            download('jsonl', batchUrl.results(id, 'jsonl')),
            download('heatmaps', batchUrl.heatmaps(id)),
          ),
        ),
        panel({ title: t('batch.timeline') }, parts.timeline),
      ),
    ),
    h(
      'section',
      { className: 'card panel batch__items', id: 'items' },
      h(
        'div',
        { className: 'panel__head' },
        h('h2', { className: 'h6 panel__title' }, t('batch.items')),
        button({
          words: t('batch.clear'),
          look: 'link',
          small: true,
          id: 'items-clear',
          hidden: true,
          onClick: () => itemsPick({ status: '', failure_code: '' }),
        }),
      ),
      parts.items,
    ),
  );
  poll.start();
  itemsRead().catch(() => {}); // the poll tells of it, in the place of the page
}

start();
