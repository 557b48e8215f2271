/** Monitoring: one deployment over a window, and the alerts of the site. */
import { connectionShow } from '../components/chrome.js';
import { alertsPanel, monitoringReport } from '../components/monitoring-report.js';
import { packageName, scopeWords } from '../components/package-parts.js';
import { contentShow, emptyCard, link, problemShow, registryStart, timeNode } from '../components/registry-page.js';
import { toastProblem } from '../components/toasts.js';
import { windowChoice } from '../components/window-choice.js';
import { byId, h } from '../dom.js';
import { pollingCreate } from '../polling.js';
import { registry } from '../registry-api.js';
import { t } from '../strings/index.js';

const everySeconds = 15;
const windows = ['1h', '24h', '7d', '30d'];
const search = new URLSearchParams(location.search);
const chosen = { index: 0, window: windows.includes(search.get('window')) ? search.get('window') : '24h' };
const alertsPlace = h('div', {});
const reportPlace = h('div', { className: 'stack' });
let pointers = [];
let names = new Map();

const poll = pollingCreate({
  fetcher: (options) => {
    const { name, scope } = pointers[chosen.index];
    return registry.monitoringRead({ name, scope, window: chosen.window }, options);
  },
  onData: (series) => {
    const open = [...reportPlace.querySelectorAll('details')].map((node) => node.open);
    reportPlace.replaceChildren(...monitoringReport(series, { names }));
    [...reportPlace.querySelectorAll('details')].forEach((node, index) => {
      node.open = open[index] ?? false;
    });
  },
  onState: (state) => connectionShow(state, poll.refresh),
  onFatal: problemShow,
  delaySeconds: () => everySeconds,
});

const alertsPoll = pollingCreate({
  fetcher: (options) => registry.alertsList(options),
  onData: ({ results }) => alertsPlace.replaceChildren(alertsPanel(results, { onAcknowledge: acknowledge, timeNode })),
  onFatal: toastProblem,
  delaySeconds: () => everySeconds,
});

async function acknowledge(alert) {
  try {
    await registry.alertAcknowledge(alert.id);
    alertsPoll.reset();
  } catch (problem) {
    toastProblem(problem);
  }
}

function choose(changes) {
  Object.assign(chosen, changes);
  const { name, scope } = pointers[chosen.index];
  history.replaceState(null, '', `/monitoring?${new URLSearchParams({ name, scope, window: chosen.window })}`);
  poll.start();
  poll.reset();
}

function controls() {
  const select = h(
    'select',
    { className: 'form-select', id: 'pointer', onChange: (event) => choose({ index: Number(event.target.value) }) },
    pointers.map((one, index) => h('option', { value: index }, `${one.name} — ${scopeWords(one)}`)),
  );
  select.value = String(chosen.index);
  return h(
    'div',
    { className: 'filters' },
    h('div', {}, h('label', { className: 'visually-hidden', for: 'pointer' }, t('monitoring.deployment')), select),
    windowChoice({
      legend: t('monitoring.window'),
      windows,
      chosen: chosen.window,
      wordsOf: (name) => t(`monitoring.windows.w${name}`),
      choose: (window) => choose({ window }),
    }),
  );
}

registryStart(async () => {
  pointers = (await registry.deploymentsAll()).data.results;
  if (!pointers.length) {
    contentShow(
      emptyCard({
        title: t('deployments.emptyTitle'),
        text: t('deployments.emptyText'),
        action: link({ words: t('nav.deployments'), href: '/deployments', look: 'primary' }),
      }),
    );
    return;
  }
  const known = pointers.flatMap((one) => [
    one.package,
    one.candidate?.package,
    one.previous,
    ...one.history.flatMap((change) => [change.package, change.previous]),
  ]);
  names = new Map(known.filter(Boolean).map((model) => [model.digest, packageName(model)]));
  chosen.index = Math.max(
    0,
    pointers.findIndex(({ name, scope }) => name === search.get('name') && scope === (search.get('scope') ?? scope)),
  );
  contentShow(controls(), alertsPlace, reportPlace);
  byId('main').setAttribute('aria-busy', 'false');
  poll.start();
  alertsPoll.start();
});
