/** Worklist: counts, filters, the live table. Two pollers: the counts and the page of jobs that is shown. */
import { api, cursorOf } from '../api.js';
import { chromeStart, connectionShow, toLogin } from '../components/chrome.js';
import { gettingStartedCreate } from '../components/getting-started.js';
import { jobActionRun } from '../components/job-actions.js';
import { bulkRun } from '../components/job-bulk.js';
import { exportChosen, exportFiltered } from '../components/job-export.js';
import { readingAll, readingRun } from '../components/job-reading.js';
import { rerunAsk } from '../components/job-repeats.js';
import { jobTableCreate } from '../components/job-table.js';
import { viewAddress, viewLinks, viewSave, viewsManage } from '../components/saved-views.js';
import { toastProblem } from '../components/toasts.js';
import { unreadTitle } from '../components/unread-count.js';
import { worklistEmpty } from '../components/worklist-empty.js';
import { byId, h, textSet } from '../dom.js';
import { headStart } from '../head-start.js';
import { pollingCreate } from '../polling.js';
import { admin } from '../admin-api.js';
import { administersEverySite, maySubmit } from '../rights.js';
import { plural, t } from '../strings/index.js';
import { worklistApi } from '../worklist-api.js';
import {
  filtersAsked,
  filtersParse,
  isFiltered,
  moreFilters,
  noFilters,
  sortNext,
  sortOf,
  viewQuery,
} from '../worklist-filters.js';

const busySeconds = 2;
const idleSeconds = 10;
const agesMilliseconds = 15000;
const typingMilliseconds = 250;
const statuses = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'];

const filters = { ...noFilters };
/** Controls by the filter they set. */
const controls = ['search', 'priority', 'sort', ...moreFilters];
let shownPage = null;
let firstSteps = null;
/** The person's own views. */
let views = [];
/** How many results of the list's site they have not read; none before it is known. */
let unread = 0;

function controlsShow() {
  for (const name of controls) byId(name).value = filters[name];
  if (moreFilters.some((name) => filters[name])) byId('filters-more').open = true;
}

const filtered = () => isFiltered(filters);

function filtersShow() {
  for (const tile of document.querySelectorAll('.tile')) {
    tile.setAttribute('aria-pressed', String(tile.dataset.status === filters.status));
  }
  byId('filters-clear').hidden = !filtered();
  byId('reading-all').hidden = filters.reading !== 'unread';
  for (const head of document.querySelectorAll('[data-sort]')) {
    head.setAttribute('aria-sort', sortOf(head.dataset.sort, filters.sort));
  }
  viewsShow();
}

function viewsShow() {
  const query = viewQuery(filters);
  const ownUnread = filters.site ? 0 : unread; // the views are of the person's own site
  const links = viewLinks({ views, query, onOpen: viewOpen, unread: ownUnread });
  const focused = [...byId('views-list').children].findIndex((item) => item.contains(document.activeElement));
  byId('views-list').replaceChildren(...links);
  if (focused >= 0) links[focused]?.firstElementChild.focus();
  byId('view-save').hidden = links.some((item) => item.firstElementChild.hasAttribute('aria-current'));
  byId('views-manage').hidden = views.length === 0;
}

function viewOpen(query) {
  filtersApply({ ...noFilters, ...query });
  controlsShow();
}

async function viewsRead() {
  views = (await worklistApi.viewsList()).data.results;
  viewsShow();
  return views;
}

async function viewKeep() {
  if (await viewSave(viewQuery(filters))) await viewsRead();
  byId('views-manage').focus();
}

async function viewsChange() {
  await viewsManage(views, { read: viewsRead });
  byId(views.length ? 'views-manage' : 'search').focus();
}

function countsShow({ counts, unread: left }) {
  const total = statuses.reduce((sum, status) => sum + (counts[status] ?? 0), 0);
  for (const tile of document.querySelectorAll('.tile')) {
    const count = tile.dataset.status ? (counts[tile.dataset.status] ?? 0) : total;
    textSet(tile.querySelector('[data-count]'), count.toLocaleString(t('locale')));
    tile.classList.toggle('tile--some', count > 0);
  }
  if (left !== unread) {
    unread = left;
    document.title = unreadTitle(unread);
    viewsShow();
  }
}

function emptyShow(none) {
  const place = byId('empty');
  place.hidden = !none;
  byId('worklist').classList.toggle('worklist--empty', none);
  if (!none) return;
  const nothing = filtered() || Boolean(filters.cursor);
  if (place.dataset.kind === String(nothing)) return;
  place.dataset.kind = String(nothing);
  place.replaceChildren(worklistEmpty({ filtered: nothing, mayChange, onClear: filtersClear }));
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

async function selectionRead(read) {
  if (await readingRun([...selected], read)) selectionDone();
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
  selectionOf: () => selection,
  optionsOf: (job) => ({ mayChange, site: filters.site ? job.site : null }),
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

const firstPage = headStart((query, options) => api.jobsList(filtersAsked(query), options));

const jobs = pollingCreate({
  fetcher: (options) => firstPage.fetch(filters, options),
  onData: pageShow,
  onState: (state) => connectionShow(state, jobs.refresh),
  onFatal: fatal,
  // a cursor that no longer exists is an answer about this page of the list, not about the connection
  isFatal: (error) => [400, 401, 403, 404].includes(error.status),
  delaySeconds: (page) => (active(page) ? busySeconds : idleSeconds),
});

const counts = pollingCreate({
  fetcher: (options) => api.jobsSummary(options, { site: filters.site }),
  onData: countsShow,
  onFatal: fatal,
  delaySeconds: () => (active(shownPage) ? busySeconds : idleSeconds),
});

function addressShow() {
  const query = Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
  history.replaceState(null, '', viewAddress(query, { startsElsewhere: views.some((view) => view.is_default) }));
}

function filtersApply(changes, { keepCursor = false } = {}) {
  const site = filters.site;
  Object.assign(filters, keepCursor ? {} : { cursor: '' }, changes);
  if ('from' in changes || 'until' in changes) filters.period = changes.period ?? '';
  addressShow();
  filtersShow();
  if (site !== filters.site) counts.reset();
  byId('worklist').setAttribute('aria-busy', 'true');
  jobs.start(); // a refused filter has stopped it
  jobs.reset();
}

function filtersClear() {
  filtersApply({ ...noFilters, sort: filters.sort });
  controlsShow();
  byId('search').focus();
}

function sortApply(sort) {
  filtersApply({ sort });
  byId('sort').value = sort;
  const order = byId('sort').selectedOptions[0].textContent.trim();
  textSet(byId('announce'), t('sorting.changed', { order }));
}

async function allRead() {
  if (!(await readingAll())) return;
  jobs.refresh();
  counts.refresh();
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
  for (const head of document.querySelectorAll('[data-sort]')) {
    head.firstElementChild.addEventListener('click', () => sortApply(sortNext(head.dataset.sort, filters.sort)));
  }
  byId('view-save').addEventListener('click', viewKeep);
  byId('views-manage').addEventListener('click', viewsChange);
  byId('export').addEventListener('click', () => exportFiltered(filtersAsked(filters)));
  byId('reading-all').addEventListener('click', allRead);
  byId('bulk-export').addEventListener('click', () => exportChosen([...selected], filters.sort));
  byId('bulk-read').addEventListener('click', () => selectionRead(true));
  byId('bulk-unread').addEventListener('click', () => selectionRead(false));
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

/** For those who see several sites. */
async function sitesShow(session) {
  byId('site-field').hidden = false;
  try {
    const others = [];
    let page = { cursor: '' };
    do {
      const { data } = await admin.sitesList({ ...page, page_size: 200 });
      others.push(...data.results.filter(({ slug }) => slug !== session.site?.slug));
      page = { cursor: cursorOf(data.next) };
    } while (page.cursor);
    byId('site').append(...others.map(({ slug, name }) => h('option', { value: slug }, name)));
    byId('site').value = filters.site;
  } catch (problem) {
    toastProblem(problem);
  }
}

/** The views, and the one to begin with where the address `asksNothing`. */
async function viewsStart(asksNothing) {
  try {
    views = (await worklistApi.viewsList()).data.results;
  } catch (problem) {
    if (problem.status !== 401) toastProblem(problem); // without them the list still works
  }
  const first = views.find((view) => view.is_default);
  if (first && asksNothing) Object.assign(filters, first.query);
}

async function start() {
  const stepsWanted = new URLSearchParams(location.search).has('first-steps');
  Object.assign(filters, filtersParse(location.search));
  controlsShow();
  filtersShow();
  controlsAttach();
  const known = chromeStart();
  firstPage.begin(filters); // beside the session and the views; asked again where a view is to begin with
  const [session] = await Promise.all([known, viewsStart(!location.search || stepsWanted)]);
  mayChange = maySubmit(session);
  for (const kind of ['cancel', 'retry']) byId(`bulk-${kind}`).hidden = !mayChange;
  controlsShow();
  filtersShow();
  addressShow();
  if (administersEverySite(session)) sitesShow(session);
  if (session.site?.name) textSet(byId('site-lead'), t('worklist.lead', { site: session.site.name }));
  firstSteps = gettingStartedCreate({ session, place: byId('first-steps') });
  jobs.start();
  counts.start();
  if (stepsWanted) firstSteps.again();
  else firstSteps.refresh();
  byId('first-steps-again').addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab, as any link
    event.preventDefault();
    firstSteps.again();
  });
  deploymentsShow();
  setInterval(() => table.ages(), agesMilliseconds);
}

start();
