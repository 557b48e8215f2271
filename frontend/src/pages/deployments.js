/** Deployments: what serves where, whether the workers can, what is tried beside it, what is asked for, what happened. */
import { connectionShow } from '../components/chrome.js';
import { deploymentCard, readinessNode } from '../components/deployment-card.js';
import {
  activateAsk,
  candidateStartAsk,
  candidateStopAsk,
  decisionAsk,
  rollbackAsk,
  rulesAsk,
} from '../components/deployment-dialogs.js';
import {
  button,
  content,
  contentShow,
  emptyCard,
  headShow,
  problemShow,
  registryStart,
} from '../components/registry-page.js';
import { toastProblem } from '../components/toasts.js';
import { h } from '../dom.js';
import { pollingCreate } from '../polling.js';
import { registry } from '../registry-api.js';
import { mayChange } from '../rights.js';
import { t } from '../strings/index.js';

const everySeconds = 4;
const dialogs = {
  activate: (pointer) => activateAsk({ session, pointer }),
  // the change goes to the site's own pointer, which it makes
  activateForSite: (pointer) =>
    activateAsk({ session, pointer: { ...pointer, scope: 'site', site: session.site.slug } }),
  rollback: rollbackAsk,
  candidateStart: candidateStartAsk,
  candidateStop: candidateStopAsk,
  rules: rulesAsk,
  decide: decisionAsk,
};
const readiness = new Map();
let session = null;
let pointers = [];

async function act(kind, ...about) {
  try {
    if (await dialogs[kind](...about)) poll.reset();
  } catch (problem) {
    toastProblem(problem);
  }
}

async function create() {
  try {
    if (await activateAsk({ session, fresh: true })) poll.reset();
  } catch (problem) {
    toastProblem(problem);
  }
}

/** Readiness changes while nothing else does, so only its place is drawn anew. */
async function readinessRead() {
  const digests = [...new Set(pointers.map((pointer) => pointer.package.digest))];
  for (const digest of digests) {
    try {
      const { data } = await registry.packageReadiness(digest);
      if (JSON.stringify(readiness.get(digest)) === JSON.stringify(data)) continue;
      readiness.set(digest, data);
      for (const place of content().querySelectorAll('[data-readiness]')) {
        if (place.dataset.readiness === digest) place.replaceChildren(readinessNode(data));
      }
    } catch (problem) {
      if (problem.name !== 'AbortError') toastProblem(problem);
    }
  }
}

function show({ results }) {
  pointers = results;
  const open = new Set(
    [...content().querySelectorAll('.deployment__history[open]')].map((node) => node.parentElement.dataset.pointer),
  );
  const focused = document.activeElement?.closest?.('.deployment') && document.activeElement.textContent;
  contentShow(
    results.length
      ? h(
          'div',
          { className: 'stack' },
          results.map((pointer) =>
            deploymentCard(pointer, {
              act,
              session,
              ownExists: results.some((one) => one.name === pointer.name && mayChange(session, one)),
              readiness: readiness.get(pointer.package.digest) ?? null,
              historyOpen: open.has(pointer.id),
            }),
          ),
        )
      : emptyCard({
          title: t('deployments.emptyTitle'),
          text: t('deployments.emptyText'),
          glyph: 'upload',
          action: button({ words: t('deployments.new'), look: 'primary', onClick: create }),
        }),
  );
  if (focused) [...content().querySelectorAll('button, a')].find((node) => node.textContent === focused)?.focus();
  readinessRead();
}

const poll = pollingCreate({
  fetcher: (options) => registry.deploymentsAll(options),
  onData: show,
  onState: (state) => connectionShow(state, poll.refresh),
  onFatal: problemShow,
  delaySeconds: () => everySeconds,
});

registryStart(async (found) => {
  session = found;
  headShow({ actions: [button({ words: t('deployments.new'), glyph: 'plus', onClick: create })] });
  poll.start();
  setInterval(() => document.hidden || readinessRead(), everySeconds * 1000);
});
