/** Operations: how the platform does, followed live. */
import { admin } from '../admin-api.js';
import { connectionShow } from '../components/chrome.js';
import { operationsReport } from '../components/operations-report.js';
import { contentShow, headShow, problemShow, registryStart } from '../components/registry-page.js';
import { windowChoice } from '../components/window-choice.js';
import { h } from '../dom.js';
import { pollingCreate } from '../polling.js';
import { administersEverySite } from '../rights.js';
import { t } from '../strings/index.js';

const everySeconds = 5;
const windows = ['1h', '24h', '7d'];
const asked = new URLSearchParams(location.search).get('window');
const chosen = { window: windows.includes(asked) ? asked : '24h' };
const place = h('div', { className: 'stack' });
let titles = new Map();

/** Where a person is on the page, so that a new drawing leaves them there: opened parts, scrolled tables, focus. */
function placeKeep() {
  const details = () => [...place.querySelectorAll('details')];
  const regions = () => [...place.querySelectorAll('.data-table, summary, a')];
  const open = details().map((node) => node.open);
  const scrolled = regions().map((node) => node.scrollLeft);
  const focused = regions().indexOf(document.activeElement);
  return () => {
    details().forEach((node, index) => {
      node.open = open[index] ?? false;
    });
    regions().forEach((node, index) => {
      node.scrollLeft = scrolled[index] ?? 0;
    });
    if (focused >= 0) regions()[focused]?.focus({ preventScroll: true });
  };
}

const poll = pollingCreate({
  fetcher: (options) => admin.operationsRead(chosen, options),
  onData: (report) => {
    const placeBack = placeKeep();
    place.replaceChildren(...operationsReport(report, { titles }));
    placeBack();
  },
  onState: (state) => connectionShow(state, poll.refresh),
  onFatal: problemShow,
  delaySeconds: () => everySeconds,
});

function choose(window) {
  chosen.window = window;
  history.replaceState(null, '', `/operations?${new URLSearchParams(chosen)}`);
  poll.reset();
}

function windowsNode() {
  return windowChoice({
    legend: t('operationsTime.window'),
    windows,
    chosen: chosen.window,
    wordsOf: (name) => t(`operationsTime.windows.w${name}`),
    choose,
  });
}

registryStart(async (session) => {
  headShow({ lead: t(administersEverySite(session) ? 'operations.lead' : 'operations.leadOfSite') });
  const { data } = await admin.failuresList();
  titles = new Map(data.results.map(({ code, title }) => [code, title]));
  contentShow(h('div', { className: 'filters' }, windowsNode()), place);
  poll.start();
});
