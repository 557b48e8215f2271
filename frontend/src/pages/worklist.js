/** Worklist: counts, filters, the live table. Two pollers: the counts and the page of jobs that is shown. */
import { api, cursorOf } from '../api.js';
import { chromeStart, connectionShow, toLogin } from '../components/chrome.js';
import { gettingStartedCreate } from '../components/getting-started.js';
import { icon } from '../components/icons.js';
import { jobActionRun } from '../components/job-actions.js';
import { bulkRun } from '../components/job-bulk.js';
import { rerunAsk } from '../components/job-repeats.js';
import { jobTableCreate } from '../components/job-table.js';
import { sampleButton } from '../components/sample.js';
import { toastProblem } from '../components/toasts.js';
import { byId, h, textSet } from '../dom.js';
import { pollingCreate } from '../polling.js';
import { maySubmit } from '../rights.js';
import { plural, t } from '../strings/index.js';
import { filtersAsked, filtersParse, isFiltered, moreFilters, noFilters } from '../worklist-filters.js';

const busySeconds = 2;
const idleSeconds = 10;
const agesMilliseconds = 15000;
const typingMilliseconds = 250;
const statuses = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'];

const filters = { ...noFilters };
/** Controls by the filter they set. */
const controls = ['search', 'priority', ...moreFilters];
let shownPage = null;
let firstSteps = null;

function filtersFromAddress() {
  Object.assign(filters, filtersParse(location.search));
  for (const name of controls) byId(name).value = filters[name];
  byId('filters-more').open = moreFilters.some((name) => filters[name]);
}

const filtered = () => isFiltered(filters);

function filtersShow() {
  for (const tile of document.querySelectorAll('.tile')) {
    tile.setAttribute('aria-pressed', String(tile.dataset.status === filters.status));
  }
  byId('filters-clear').hidden = !filtered();
}

function countsShow({ counts }) {
  const total = statuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
  for (const tile of document.querySelectorAll('.tile')) {
    const count = tile.dataset.status ? (counts[tile.dataset.status] ?? 0) : total;
    textSet(tile.querySelector('[data-count]'), count.toLocaleString(t('locale')));
    tile.classList.toggle('tile--some', count > 0);
  }
}

function emptyShow(none) {
  const place = byId('empty');
  place.hidden = !none;
  byId('worklist').classList.toggle('worklist--empty', none);
  if (!none) return;
  const first = !filtered() && !filters.cursor;
  const kind = first ? 'empty' : 'nothing';
  if (place.dataset.kind === kind) return;
  place.dataset.kind = kind;
  place.replaceChildren(
    h(
      'div',
      { className: 'empty' },
      icon(first ? 'upload' : 'info', 'icon empty__icon'),
      h('h2', { className: 'h5' }, t(`worklist.${kind}Title`)),
      h('p', { className: 'text-body-secondary' }, t(`worklist.${kind}Text`)),
      first && mayChange && h('p', { className: 'text-body-secondary empty__text' }, t('firstSteps.hint')),
      first
        ? mayChange &&
            h(
              'div',
              { className: 'buttons empty__buttons' },
              h('a', { className: 'btn btn-primary', href: '/upload' }, t('worklist.emptyAction')),
              sampleButton({ look: 'outline-secondary', className: 'btn btn-outline-secondary empty__more' }),
              h(
                'a',
                { className: 'btn btn-outline-secondary empty__more', href: '/tokens?new' },
                t('firstSteps.token'),
              ),
            )
        : h(
            'button',
            { className: 'btn btn-outline-secondary', type: 'button', onClick: filtersClear },
            t('worklist.clear'),
          ),
    ),
  );
}

const selected = new Set();
const selection = {
  has: (id) => selected.has(id),
  set(id, on) {
    if (on) selected.add(id);
    else selected.delete(id);
    selectionShow();
  },
};
let mayChange = false;

function selectionShow() {
  byId('bulk').hidden = selected.size === 0;
  textSet(byId('bulk-count'), plural('worklist.selected', selected.size));
}

function selectionClear() {
  selected.clear();
  for (const box of document.querySelectorAll('.worklist__select')) box.checked = false;
  selectionShow();
}

function selectionDone() {
  selectionClear();
  jobs.refresh();
  counts.refresh();
}

function selectionAll() {
  for (const { id } of shownPage?.results ?? []) selected.add(id);
  for (const box of document.querySelectorAll('.worklist__select')) box.checked = true;
  selectionShow();
}

const selectionChange = (kind) => async () => {
  if (await bulkRun(kind, [...selected])) selectionDone();
};

async function selectionRerun() {
  try {
    if (await rerunAsk([...selected])) selectionDone();
  } catch (problem) {
    toastProblem(problem);
  }
}

const table = jobTableCreate({
  selectionOf: () => (mayChange ? selection : null),
  body: byId('rows'),
  onAction: async (kind, job) => {
    if (await jobActionRun(kind, job)) {
      jobs.refresh();
      counts.refresh();
    }
  },
});

function pageShow(page) {
  shownPage = page;
  const changed = table.update(page.results);
  if (changed > 0) firstSteps?.refresh();
  if (changed > 0) textSet(byId('announce'), plural('worklist.changed', changed));
  byId('worklist').setAttribute('aria-busy', 'false');
  emptyShow(page.results.length === 0);
  byId('page-previous').disabled = !page.previous;
  byId('page-next').disabled = !page.next;
  byId('pager').hidden = !page.previous && !page.next;
}

const active = (page) => page?.results.some((job) => job.status === 'QUEUED' || job.status === 'RUNNING');

function fatal(error) {
  if (error.status === 401) toLogin();
  else toastProblem(error);
}

const jobs = pollingCreate({
  fetcher: (options) => api.jobsList(filtersAsked(filters), options),
  onData: pageShow,
  onState: (state) => connectionShow(state, jobs.refresh),
  onFatal: fatal,
  // a cursor that no longer exists is an answer about this page of the list, not about the connection
  isFatal: (error) => [400, 401, 403, 404].includes(error.status),
  delaySeconds: (page) => (active(page) ? busySeconds : idleSeconds),
});

const counts = pollingCreate({
  fetcher: (options) => api.jobsSummary(options),
  onData: countsShow,
  onFatal: fatal,
  delaySeconds: () => (active(shownPage) ? busySeconds : idleSeconds),
});

function filtersApply(changes, { keepCursor = false } = {}) {
  Object.assign(filters, keepCursor ? {} : { cursor: '' }, changes);
  const search = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  history.replaceState(null, '', search.size ? `/?${search}` : '/');
  filtersShow();
  byId('worklist').setAttribute('aria-busy', 'true');
  jobs.start(); // a refused filter has stopped it
  jobs.reset();
}

function filtersClear() {
  for (const name of controls) byId(name).value = '';
  filtersApply(noFilters);
  byId('search').focus();
}

function controlsAttach() {
  byId('tiles').addEventListener('click', (event) => {
    const tile = event.target.closest('.tile');
    if (tile) filtersApply({ status: filters.status === tile.dataset.status ? '' : tile.dataset.status });
  });
  let typing = null;
  byId('search').addEventListener('input', (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => filtersApply({ search: event.target.value.trim() }), typingMilliseconds);
  });
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
  for (const name of controls.filter((one) => one !== 'search')) {
    byId(name).addEventListener('change', (event) => filtersApply({ [name]: event.target.value }));
  }
  byId('filters-clear').addEventListener('click', filtersClear);
  byId('bulk-rerun').addEventListener('click', selectionRerun);
  for (const kind of ['cancel', 'retry']) byId(`bulk-${kind}`).addEventListener('click', selectionChange(kind));
  byId('bulk-all').addEventListener('click', selectionAll);
  byId('bulk-clear').addEventListener('click', selectionClear);
  const turn = (name) => () => {
    filtersApply({ cursor: cursorOf(shownPage?.[name]) ?? '' }, { keepCursor: true });
    byId('main').focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  };
  byId('page-next').addEventListener('click', turn('next'));
  byId('page-previous').addEventListener('click', turn('previous'));
}

/** The deployments to choose from; without them the list still works, so a refusal is told and no more. */
async function deploymentsShow() {
  try {
    const { data } = await api.deploymentsList();
    byId('deployment').append(...data.results.map(({ name }) => h('option', { value: name }, name)));
    if (filters.deployment && !data.results.some(({ name }) => name === filters.deployment)) {
      byId('deployment').append(h('option', { value: filters.deployment }, filters.deployment)); // one that is gone
    }
    byId('deployment').value = filters.deployment;
  } catch (problem) {
    toastProblem(problem);
  }
}

async function start() {
  filtersFromAddress();
  filtersShow();
  controlsAttach();
  const session = await chromeStart();
  mayChange = maySubmit(session);
  if (session.site?.name) textSet(byId('site-lead'), t('worklist.lead', { site: session.site.name }));
  firstSteps = gettingStartedCreate({ session, place: byId('first-steps') });
  firstSteps.refresh();
  jobs.start();
  counts.start();
  deploymentsShow();
  setInterval(() => table.ages(), agesMilliseconds);
}

start();
