/** Job page: follows the job until it ends, then shows the result or the failure. */
import { api } from '../api.js';
import { chromeStart, connectionShow, toLogin } from '../components/chrome.js';
import { cancelledCard, failureCard } from '../components/failure-card.js';
import { icon } from '../components/icons.js';
import { jobActionRun, studyName } from '../components/job-actions.js';
import { progressWords } from '../components/job-progress.js';
import { originNode, repeatButtons, replaysCard, replayStart, rerunAsk } from '../components/job-repeats.js';
import { numbersCard, provenanceCard } from '../components/result-details.js';
import { resultSummary } from '../components/result-summary.js';
import { sampleNote } from '../components/sample.js';
import { statusBadge } from '../components/status-badge.js';
import { historyCard, progressCard } from '../components/timeline.js';
import { toast, toastProblem } from '../components/toasts.js';
import { viewTitle } from '../components/view-card.js';
import { byId, h, textSet } from '../dom.js';
import { notesAdd } from '../first-steps.js';
import { dateTime } from '../format.js';
import { jobIdFrom, jobPath } from '../navigation.js';
import { pollingCreate } from '../polling.js';
import { isAdministrator, maySubmit } from '../rights.js';
import { registry } from '../registry-api.js';
import { t, tOr } from '../strings/index.js';
import { worklistApi } from '../worklist-api.js';

const runningSeconds = 1;
const queuedSeconds = 2;
const over = new Set(['SUCCEEDED', 'FAILED', 'CANCELLED']);

const id = jobIdFrom(location.pathname);
let before = null;
let resultShown = false;
let administrator = false;
let viewer = null;
let session = null;
/** Resolves to the session. */
let known = null;

async function copy(text, done) {
  try {
    await navigator.clipboard.writeText(text);
    toast({ kind: 'success', title: t(done) });
  } catch {
    // the clipboard exists on secure origins only, and the person may have refused it
    toast({ kind: 'danger', title: t('common.copyFailed') });
  }
}

async function act(kind, job) {
  const changed = await jobActionRun(kind, job);
  if (!changed) return;
  jobPoll.start(); // a job that had ended was no longer followed
  jobPoll.reset();
}

async function rerun() {
  try {
    const repeated = await rerunAsk([id]);
    if (repeated) location.assign(jobPath(repeated[0].job));
  } catch (problem) {
    toastProblem(problem);
  }
}

async function replay() {
  try {
    await replayStart(id);
    replaysPoll.start();
    replaysPoll.reset();
  } catch (problem) {
    toastProblem(problem);
  }
}

const replaysPoll = pollingCreate({
  fetcher: (options) => registry.jobReplays(id, options),
  onData: ({ results }) => byId('job-replays').replaceChildren(...[replaysCard(id, results)].filter(Boolean)),
  onFatal: toastProblem,
  delaySeconds: ({ results }) => (results.some(({ verdict }) => verdict === null) ? queuedSeconds : null),
});

function actionsShow(job) {
  const button = (className, glyph, words, onClick) =>
    h('button', { type: 'button', className: `btn ${className}`, onClick }, icon(glyph), ` ${words}`);
  byId('job-actions').replaceChildren(
    ...[
      job.actions?.cancel && button('btn-outline-danger', 'x', t('common.cancel'), () => act('cancel', job)),
      job.actions?.retry &&
        job.status === 'SUCCEEDED' &&
        button('btn-outline-secondary', 'arrowRepeat', t('common.retry'), () => act('retry', job)),
      ...(administrator ? repeatButtons(job, { onRerun: rerun, onReplay: replay }) : []),
      button('btn-outline-secondary', 'clipboard', t('job.copyLink'), () => copy(location.href, 'common.copied')),
    ].filter(Boolean),
  );
}

function headShow(job) {
  const name = studyName(job);
  const heading = job.study?.external_id ? t('job.headingPlain', { id: name }) : t('job.headingNone');
  document.title = `${tOr(`status.${job.status}`, job.status)} · ${name} · ${t('product')}`;
  textSet(byId('study-title'), heading);
  byId('status-badge').replaceChildren(statusBadge(job.status));
  const parts = [
    t('job.submitted', { time: dateTime(job.created_at) }),
    tOr(`priority.${job.priority}`, job.priority),
    job.package && `${job.package.name} ${job.package.version}`,
    job.status === 'SUCCEEDED' && progressWords(job),
  ];
  textSet(byId('study-lead'), parts.filter(Boolean).join(' · '));
}

function stateShow(job) {
  const retry = job.actions?.retry ? () => act('retry', job) : null;
  const place = byId('job-state');
  if (job.status === 'FAILED' && job.failure) place.replaceChildren(failureCard(job.failure, { retry }));
  else if (job.status === 'CANCELLED') place.replaceChildren(cancelledCard({ retry }));
  else if (job.status === 'SUCCEEDED') {
    if (!resultShown) place.replaceChildren(h('p', { className: 'loading' }, t('job.loadingResult')));
  } else place.replaceChildren(progressCard(job));
}

function announce(job) {
  const detail = job.failure?.title ?? progressWords(job);
  textSet(byId('announce'), t('job.live', { status: tOr(`status.${job.status}`, job.status), detail }));
  const followed = before && !over.has(before.status);
  if (followed && job.status === 'SUCCEEDED') toast({ kind: 'success', title: t('job.resultReady') });
  if (followed && job.status === 'FAILED') {
    const { title, message, action, code } = job.failure ?? {};
    toast({ kind: 'danger', title: t('job.jobFailed', { title }), sentences: [message, action].filter(Boolean), code });
  }
}

async function resultShow() {
  try {
    const asked = api.jobResult(id);
    const loading = import('../viewer/index.js').then((module) => {
      module.viewerPrepare();
      return module;
    });
    const [{ data: result }, { viewerCreate }] = await Promise.all([asked, loading]);
    viewer?.close();
    viewer = viewerCreate(result, { jobId: id });
    byId('job-result').replaceChildren(
      h(
        'div',
        { className: 'result' },
        h('div', { className: 'result__main' }, viewer.node, numbersCard(result, { nameOf: viewTitle })),
        h(
          'div',
          { className: 'result__side' },
          resultSummary(result, { nameOf: viewTitle }),
          provenanceCard(result, { onCopy: (text) => copy(text, 'result.digestCopied') }),
        ),
      ),
    );
    resultShown = true;
    byId('job-state').replaceChildren();
    known.then(({ user }) => notesAdd(user.username, { opened: true }));
    if (before?.unread) worklistApi.readingMark([id], true).catch(toastProblem); // now, not with the pixels: a glance counts too
    await viewer.firstView;
  } catch (problem) {
    toastProblem(problem);
    byId('job-state').replaceChildren(
      failureCard(
        { title: problem.title, message: problem.detail, action: problem.action, code: problem.code },
        { retry: resultShow },
      ),
    );
  }
}

async function historyShow() {
  try {
    const { data } = await api.jobEvents(id);
    const open = byId('job-history').querySelector('details')?.open ?? false;
    const card = historyCard(data.results);
    if (card) card.open = open;
    byId('job-history').replaceChildren(...[card].filter(Boolean));
  } catch (problem) {
    toastProblem(problem);
  }
}

/** What depends on who asks: drawn with the job, and again when the session is known. */
function personalShow(job) {
  actionsShow(job);
  byId('job-origin').replaceChildren(
    ...[
      sampleNote(job.study, { mayRemove: session !== null && maySubmit(session) }),
      originNode(job, { administrator }),
    ].filter(Boolean),
  );
}

function jobShow(job) {
  byId('main').setAttribute('aria-busy', 'false');
  headShow(job);
  personalShow(job);
  if (job.status !== 'SUCCEEDED' && resultShown) {
    resultShown = false;
    byId('job-result').replaceChildren();
  }
  stateShow(job);
  announce(job);
  const moved = !before || before.status !== job.status || before.attempt !== job.attempt;
  before = job;
  // What stands below the result waits for its first view: a browser has six lines to a server, and the pixels need them.
  const shown = job.status === 'SUCCEEDED' && !resultShown ? resultShow() : Promise.resolve();
  if (moved) shown.then(belowShow);
}

async function belowShow() {
  historyShow();
  await known;
  if (administrator && before.status === 'SUCCEEDED') replaysPoll.start();
}

function notFoundShow(error) {
  if (error.status === 401) {
    toLogin();
    return;
  }
  byId('main').setAttribute('aria-busy', 'false');
  textSet(byId('study-title'), t('errors.notFoundTitle'));
  byId('job-actions').replaceChildren();
  byId('job-state').replaceChildren(
    h(
      'section',
      { className: 'empty card' },
      icon('info', 'icon empty__icon'),
      h('p', {}, error.status === 404 ? t('errors.notFound') : (error.sentences?.[0] ?? error.title)),
      h('a', { className: 'btn btn-primary', href: '/' }, t('errors.toWorklist')),
    ),
  );
}

const jobPoll = pollingCreate({
  fetcher: (options) => api.jobRead(id, options),
  onData: jobShow,
  onState: (state) => connectionShow(state, jobPoll.refresh),
  onFatal: notFoundShow,
  delaySeconds: (job) => (over.has(job.status) ? null : job.status === 'RUNNING' ? runningSeconds : queuedSeconds),
});

async function start() {
  known = chromeStart();
  jobPoll.start(); // it does not need the session's answer, and the pictures wait for it
  session = await known;
  administrator = isAdministrator(session);
  if (before) personalShow(before);
}

start();
