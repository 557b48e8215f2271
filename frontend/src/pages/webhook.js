/** One webhook: its state, what was sent and what came back; testing, sending again, a new secret, switching off. */
import { admin } from '../admin-api.js';
import { pagerNode } from '../components/batch-parts.js';
import { connectionShow, toastCarry } from '../components/chrome.js';
import { confirmAsk } from '../components/confirm-dialog.js';
import { deliveryNode } from '../components/delivery-log.js';
import { formAsk } from '../components/form-dialog.js';
import {
  button,
  callout,
  contentShow,
  fact,
  headShow,
  panel,
  problemShow,
  registryStart,
  timeNode,
} from '../components/registry-page.js';
import { toast, toastProblem } from '../components/toasts.js';
import {
  disabledWords,
  webhookBadge,
  webhookBody,
  webhookFields,
  webhookSecretShow,
} from '../components/webhook-parts.js';
import { h } from '../dom.js';
import { count, dateTime } from '../format.js';
import { webhookIdFrom } from '../navigation.js';
import { pollingCreate } from '../polling.js';
import { plural, t } from '../strings/index.js';

const id = webhookIdFrom(location.pathname);
const states = ['pending', 'delivered', 'failed'];
const busySeconds = 2;
const idleSeconds = 10;
const place = h('div', {});
const log = h('div', {});
let webhook = null;
let filters = { state: '', page_size: 20 };

async function attempt(run, said) {
  try {
    const answer = await run();
    if (answer === null || answer === false) return null;
    if (said) toast({ title: said });
    poll.reset();
    logPoll.start();
    logPoll.reset();
    return answer;
  } catch (problem) {
    toastProblem(problem);
    if (!problem.sentences) throw problem; // no answer of the server, so an error of ours
    return null;
  }
}

const test = () => attempt(() => admin.webhookTest(id), t('webhook.testSent'));

const change = () =>
  attempt(
    () =>
      formAsk({
        title: t('webhook.changeTitle'),
        wide: true,
        fields: webhookFields(webhook),
        confirm: t('webhook.save'),
        send: async (values) => (await admin.webhookChange(id, webhookBody(values))).data,
      }),
    t('webhook.saved'),
  );

const switchTo = (on) =>
  attempt(
    async () => {
      const sure =
        on ||
        (await confirmAsk({
          title: t('webhook.offTitle'),
          text: t('webhook.offText'),
          confirm: t('webhook.switchOff'),
        }));
      return sure && admin.webhookChange(id, { is_active: on });
    },
    t(on ? 'webhook.isOn' : 'webhook.isOff'),
  );

async function rotate() {
  const answer = await attempt(async () => {
    const sure = await confirmAsk({
      title: t('webhook.rotateTitle'),
      text: t('webhook.rotateText'),
      confirm: t('webhook.rotate'),
    });
    return sure && (await admin.webhookRotate(id)).data;
  }, null);
  if (answer) await webhookSecretShow(answer);
}

async function remove() {
  const sure = await confirmAsk({
    title: t('webhook.removeTitle'),
    text: t('webhook.removeText'),
    confirm: t('webhook.remove'),
    tone: 'danger',
  });
  if (!sure) return;
  try {
    await admin.webhookRemove(id);
  } catch (problem) {
    toastProblem(problem);
    return;
  }
  toastCarry({ kind: 'success', title: t('webhook.removed') });
  location.assign('/webhooks');
}

/** The value of a datetime-local field as ISO 8601 with its offset. */
const moment = (local) => new Date(local).toISOString();

async function replayRange() {
  const answer = await attempt(
    () =>
      formAsk({
        title: t('webhook.rangeTitle'),
        text: t('webhook.rangeText'),
        fields: [
          { name: 'since', type: 'datetime-local', label: t('webhook.since'), required: true },
          { name: 'until', type: 'datetime-local', label: t('webhook.until'), required: true },
          {
            name: 'which',
            type: 'radio',
            label: t('webhook.which'),
            value: 'undelivered',
            options: [
              { value: 'undelivered', label: t('webhook.whichUndelivered') },
              { value: 'all', label: t('webhook.whichAll') },
            ],
          },
        ],
        confirm: t('webhook.range'),
        send: async ({ since, until, which }) =>
          (
            await admin.deliveriesReplay(id, {
              since: moment(since),
              until: moment(until),
              undelivered_only: which === 'undelivered',
            })
          ).data,
      }),
    null,
  );
  if (answer) toast({ title: plural('webhook.rangeDone', answer.events) });
}

const replay = (delivery) => attempt(() => admin.deliveryReplay(delivery.id), t('webhook.replayed'));

function show(given) {
  webhook = given;
  headShow({
    lead: webhook.description,
    badge: webhookBadge(webhook),
    actions: [
      webhook.is_active && button({ words: t('webhook.test'), look: 'primary', glyph: 'play', onClick: test }),
      button({ words: t('webhook.change'), onClick: change }),
      button({
        words: t(webhook.is_active ? 'webhook.switchOff' : 'webhook.switchOn'),
        look: webhook.is_active ? 'outline-secondary' : 'primary',
        onClick: () => switchTo(!webhook.is_active),
      }),
    ],
  });
  place.replaceChildren(
    h(
      'div',
      { className: 'stack' },
      webhook.disabled_reason &&
        callout({
          tone: 'bad',
          title: t('webhook.disabledTitle', { time: dateTime(webhook.disabled_at) }),
          text: disabledWords(webhook),
        }),
      webhook.is_active &&
        webhook.failing_since &&
        callout({
          title: t('webhook.failingTitle', { time: dateTime(webhook.failing_since) }),
          text: plural('webhook.failingText', webhook.consecutive_failures),
        }),
      panel(
        { title: t('webhook.about') },
        h(
          'dl',
          { className: 'facts' },
          fact(t('webhooks.url'), h('code', { className: 'admin-list__address' }, webhook.url)),
          fact(
            t('webhooks.events'),
            webhook.event_types.length ? webhook.event_types.join(', ') : t('webhooks.everyEvent'),
          ),
          fact(
            t('webhooks.columns.delivered'),
            webhook.last_success_at ? timeNode(webhook.last_success_at) : t('webhooks.neverDelivered'),
          ),
          fact(t('webhooks.columns.pending'), count(webhook.deliveries_pending)),
          fact(t('webhooks.columns.failed'), count(webhook.deliveries_failed)),
          webhook.previous_secret_until && fact(t('webhook.oldSecret'), dateTime(webhook.previous_secret_until)),
          fact(t('webhook.created'), timeNode(webhook.created_at)),
        ),
        h(
          'div',
          { className: 'buttons panel__buttons' },
          button({ words: t('webhook.rotate'), small: true, onClick: rotate }),
          button({ words: t('webhook.remove'), small: true, look: 'outline-danger', glyph: 'trash', onClick: remove }),
        ),
      ),
    ),
  );
}

const poll = pollingCreate({
  fetcher: (options) => admin.webhookRead(id, options),
  onData: show,
  onState: (state) => connectionShow(state, poll.refresh),
  onFatal: problemShow,
  delaySeconds: () => idleSeconds,
});

/** Redrawn only when the log changed; what was opened stays open, and focus comes back to its delivery. */
function logShow(page) {
  const list = log.querySelector('.deliveries');
  const open = new Set(
    [...log.querySelectorAll('.delivery')].flatMap((node) =>
      node.querySelector('details').open ? node.dataset.id : [],
    ),
  );
  const focused = list?.contains(document.activeElement)
    ? document.activeElement.closest('.delivery').dataset.id
    : null;
  const fresh = h(
    'ul',
    { className: 'deliveries' },
    page.results.map((one) => deliveryNode(one, { onReplay: replay })),
  );
  for (const node of fresh.children) node.querySelector('details').open = open.has(node.dataset.id);
  log.replaceChildren(
    page.results.length
      ? fresh
      : h('p', { className: 'muted' }, t(filters.state ? 'webhook.logNothing' : 'webhook.logEmpty')),
    pagerNode(page, {
      label: t('webhook.pages'),
      filters,
      read: async (wanted) => {
        filters = wanted;
        logPoll.reset();
      },
    }),
  );
  const again = [...fresh.children].find((node) => focused && node.dataset.id === focused);
  again?.querySelector('summary').focus();
}

const logPoll = pollingCreate({
  fetcher: (options) => admin.deliveriesList(id, filters, options),
  onData: logShow,
  onFatal: toastProblem,
  isFatal: (error) => [400, 401, 403, 404].includes(error.status),
  delaySeconds: (page) => (page.results.some(({ state }) => state === 'pending') ? busySeconds : idleSeconds),
});

function logPanel() {
  const select = h(
    'select',
    {
      className: 'form-select form-select-sm',
      id: 'delivery-state',
      onChange: (event) => {
        filters = { ...filters, state: event.target.value, cursor: '' };
        logPoll.start();
        logPoll.reset();
      },
    },
    h('option', { value: '' }, t('webhook.anyState')),
    states.map((state) => h('option', { value: state }, t(`webhooks.deliveries.${state}`))),
  );
  return panel(
    {
      title: t('webhook.log'),
      aside: h(
        'div',
        { className: 'buttons deliveries-controls' },
        h('label', { className: 'visually-hidden', for: 'delivery-state' }, t('webhook.state')),
        select,
        button({ words: t('webhook.range'), small: true, onClick: replayRange }),
      ),
    },
    log,
  );
}

registryStart(async () => {
  webhook = (await admin.webhookRead(id)).data;
  contentShow(place, logPanel());
  show(webhook);
  poll.start();
  logPoll.start();
});
