/** Batches: what was handed over, how far each is, followed live. */
import { batches } from '../batches-api.js';
import { batchName, endedOf, isOver, pagerNode, progressCell, stateBadge } from '../components/batch-parts.js';
import { chromeStart, connectionShow, toLogin } from '../components/chrome.js';
import {
  contentShow,
  dataTable,
  emptyCard,
  headShow,
  link,
  problemShow,
  timeNode,
} from '../components/registry-page.js';
import { toastProblem } from '../components/toasts.js';
import { h } from '../dom.js';
import { focusKeep } from '../focus.js';
import { count, duration } from '../format.js';
import { pollingCreate } from '../polling.js';
import { t } from '../strings/index.js';

const states = [
  'open',
  'validating',
  'in_progress',
  'finalizing',
  'completed',
  'failed',
  'expired',
  'cancelling',
  'cancelled',
];
const activeSeconds = 3;
const idleSeconds = 15;
const typingMilliseconds = 250;
const search = new URLSearchParams(location.search);
const filters = {
  state: states.includes(search.get('state')) ? search.get('state') : '',
  search: search.get('search') ?? '',
};
const place = h('div', { className: 'stack' });

function row(batch) {
  const counts = batch.request_counts;
  const bad = counts.failed + counts.quarantined;
  return [
    h('a', { href: `/batches/${batch.id}` }, batchName(batch)),
    stateBadge(batch.state),
    progressCell(counts),
    bad ? h('strong', {}, count(bad)) : count(0),
    batch.eta_seconds && endedOf(counts) < counts.total
      ? t('batches.left', { time: duration(batch.eta_seconds) })
      : t('common.none'),
    timeNode(batch.created_at),
  ];
}

function show(page) {
  const filtered = filters.state || filters.search;
  const columns = ['name', 'state', 'progress', 'failed', 'left', 'created'].map((name) =>
    t(`batches.columns.${name}`),
  );
  const focusBack = focusKeep(place);
  place.replaceChildren(
    page.results.length
      ? h(
          'div',
          { className: 'card admin-list batch-list' },
          dataTable({ caption: t('batches.heading'), columns, rows: page.results.map(row) }),
        )
      : emptyCard({
          title: t(filtered ? 'batches.nothingTitle' : 'batches.emptyTitle'),
          text: t(filtered ? 'batches.nothingText' : 'batches.emptyText'),
          glyph: filtered ? 'info' : 'box',
          action: filtered ? null : link({ words: t('leads.batchGuide'), href: '/guide#start-batches' }),
        }),
    pagerNode(page, {
      label: t('batches.pages'),
      filters,
      read: async (wanted) => {
        cursor = wanted.cursor ?? '';
        poll.reset();
      },
    }),
  );
  focusBack();
}

let cursor = '';
const poll = pollingCreate({
  fetcher: (options) => batches.list({ ...filters, cursor }, options),
  onData: show,
  onState: (state) => connectionShow(state, poll.refresh),
  onFatal: (error) => (error.status === 401 ? toLogin() : problemShow(error)),
  isFatal: (error) => [400, 401, 403, 404].includes(error.status),
  delaySeconds: (page) => (page.results.some(({ state }) => !isOver(state)) ? activeSeconds : idleSeconds),
});

function apply(changes) {
  Object.assign(filters, changes);
  cursor = '';
  const kept = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  history.replaceState(null, '', kept.size ? `/batches?${kept}` : '/batches');
  poll.start();
  poll.reset();
}

function controls() {
  let typing = null;
  const select = h(
    'select',
    { className: 'form-select', id: 'batch-state', onChange: (event) => apply({ state: event.target.value }) },
    h('option', { value: '' }, t('batches.any')),
    states.map((state) => h('option', { value: state }, t(`batches.states.${state}`))),
  );
  select.value = filters.state;
  const field = h('input', {
    className: 'form-control',
    id: 'batch-search',
    type: 'search',
    value: filters.search,
    maxlength: 100,
    placeholder: t('batches.searchHint'),
    autocomplete: 'off',
    onInput: (event) => {
      clearTimeout(typing);
      typing = setTimeout(() => apply({ search: event.target.value.trim() }), typingMilliseconds);
    },
  });
  const labelled = (id, words, control) =>
    h('div', {}, h('label', { className: 'form-label', for: id }, words), control);
  return h(
    'form',
    { className: 'filters', role: 'search', onSubmit: (event) => event.preventDefault() },
    labelled('batch-search', t('batches.search'), field),
    labelled('batch-state', t('batches.state'), select),
  );
}

async function start() {
  await chromeStart();
  headShow({ actions: [link({ words: t('batches.quarantine'), href: '/quarantine', glyph: 'shield' })] });
  contentShow(controls(), place);
  poll.start();
}

start().catch((problem) => {
  toastProblem(problem);
  if (!problem.sentences) throw problem;
});
