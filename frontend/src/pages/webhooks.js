/** Webhooks: where this site's events go, how each does. Their secrets are shown once. */
import { admin } from '../admin-api.js';
import { connectionShow } from '../components/chrome.js';
import { formAsk } from '../components/form-dialog.js';
import {
  button,
  contentShow,
  dataTable,
  emptyCard,
  headShow,
  problemShow,
  registryStart,
  timeNode,
} from '../components/registry-page.js';
import {
  webhookBadge,
  webhookBody,
  webhookFields,
  webhookPath,
  webhookSecretShow,
} from '../components/webhook-parts.js';
import { h } from '../dom.js';
import { focusKeep } from '../focus.js';
import { count } from '../format.js';
import { pollingCreate } from '../polling.js';
import { plural, t } from '../strings/index.js';

const everySeconds = 10;
const place = h('div', { className: 'stack' });

const row = (webhook) => [
  [
    h('a', { className: 'admin-list__address', href: webhookPath(webhook.id) }, webhook.url),
    webhook.description && h('span', { className: 'form-text d-block' }, webhook.description),
  ],
  webhookBadge(webhook),
  webhook.event_types.length ? plural('webhooks.eventCount', webhook.event_types.length) : t('webhooks.everyEvent'),
  webhook.last_success_at ? timeNode(webhook.last_success_at) : t('webhooks.neverDelivered'),
  count(webhook.deliveries_pending),
  webhook.deliveries_failed ? h('strong', {}, count(webhook.deliveries_failed)) : count(0),
];

function show({ results }) {
  const columns = ['url', 'state', 'events', 'delivered', 'pending', 'failed'].map((name) =>
    t(`webhooks.columns.${name}`),
  );
  const focusBack = focusKeep(place);
  place.replaceChildren(
    results.length
      ? h(
          'div',
          { className: 'card admin-list' },
          dataTable({ caption: t('webhooks.heading'), columns, rows: results.map(row) }),
        )
      : emptyCard({
          title: t('webhooks.emptyTitle'),
          text: t('webhooks.emptyText'),
          action: button({ words: t('webhooks.add'), look: 'primary', onClick: add }),
        }),
  );
  focusBack();
}

const poll = pollingCreate({
  fetcher: (options) => admin.webhooksList(options),
  onData: show,
  onState: (state) => connectionShow(state, poll.refresh),
  onFatal: problemShow,
  delaySeconds: () => everySeconds,
});

async function add() {
  const webhook = await formAsk({
    title: t('webhooks.addTitle'),
    text: t('webhooks.addText'),
    wide: true,
    fields: webhookFields(),
    confirm: t('webhooks.add'),
    send: async (values) => (await admin.webhookAdd(webhookBody(values))).data,
  });
  if (!webhook) return;
  poll.reset();
  await webhookSecretShow(webhook);
}

registryStart(async () => {
  headShow({ actions: [button({ words: t('webhooks.add'), look: 'primary', glyph: 'plus', onClick: add })] });
  contentShow(place);
  poll.start();
  if (new URLSearchParams(location.search).has('new')) {
    history.replaceState(null, '', '/webhooks'); // a page read again does not ask again
    add();
  }
});
