/** What the pages of webhooks share: state as a badge, the form of a webhook, its secret. */
import { h } from '../dom.js';
import { dateTime } from '../format.js';
import { t, tOr } from '../strings/index.js';
import { badge } from './package-parts.js';
import { secretShow } from './secret-dialog.js';

/** As platform/notifications/event_types.py names them, by object. */
export const eventTypes = {
  job: ['job.succeeded', 'job.failed', 'job.cancelled'],
  batch: [
    'batch.validating',
    'batch.in_progress',
    'batch.finalizing',
    'batch.completed',
    'batch.failed',
    'batch.expired',
    'batch.cancelling',
    'batch.cancelled',
  ],
  deployment: ['deployment.changed'],
  alert: ['alert.raised', 'alert.resolved'],
};

export const webhookPath = (id) => `/webhooks/${encodeURIComponent(id)}`;

export function webhookBadge(webhook) {
  if (!webhook.is_active) {
    return webhook.disabled_reason
      ? badge('bad', 'xCircle', t('webhooks.switchedOff'))
      : badge('quiet', 'pause', t('webhooks.off'));
  }
  if (webhook.failing_since) return badge('warn', 'warning', t('webhooks.failing'));
  return badge('good', 'check', t('webhooks.on'));
}

export const disabledWords = ({ disabled_reason: reason }) => tOr(`webhooks.disabled.${reason}`, reason);

const looks = { pending: ['info', 'clock'], delivered: ['good', 'check'], failed: ['bad', 'xCircle'] };

export function deliveryBadge(state) {
  const [tone, glyph] = looks[state] ?? ['quiet', 'info'];
  return badge(tone, glyph, tOr(`webhooks.deliveries.${state}`, state));
}

/** Checkboxes of the event types. None ticked means every type, and says so. */
function eventsNode(chosen) {
  return h(
    'fieldset',
    { className: 'field events-field' },
    h('legend', { className: 'form-label' }, t('webhooks.events')),
    h('p', { className: 'form-text' }, t('webhooks.eventsHint')),
    h(
      'div',
      { className: 'events-field__groups' },
      Object.entries(eventTypes).map(([object, types]) =>
        h(
          'div',
          { className: 'events-field__group' },
          h('p', { className: 'events-field__object' }, t(`webhooks.objects.${object}`)),
          types.map((type) =>
            h(
              'label',
              { className: 'events-field__choice' },
              h('input', {
                className: 'form-check-input',
                type: 'checkbox',
                name: type,
                checked: chosen.includes(type),
              }),
              h('code', {}, type),
            ),
          ),
        ),
      ),
    ),
  );
}

/** Fields of a webhook, for formAsk. */
export const webhookFields = ({ url = '', description = '', event_types: chosen = [] } = {}) => [
  {
    name: 'url',
    type: 'url',
    label: t('webhooks.url'),
    hint: t('webhooks.urlHint'),
    value: url,
    required: true,
    maxlength: 500,
  },
  { name: 'description', label: t('webhooks.description'), value: description, maxlength: 200 },
  { node: eventsNode(chosen) },
];

/** What the fields hold, as the API takes it. */
export const webhookBody = (values) => ({
  url: values.url.trim(),
  description: values.description.trim(),
  event_types: Object.values(eventTypes)
    .flat()
    .filter((type) => values[type] === 'on'),
});

export const webhookSecretShow = (webhook) =>
  secretShow({
    title: t('webhooks.secretTitle'),
    text: webhook.previous_secret_until
      ? t('webhooks.secretRotated', { time: dateTime(webhook.previous_secret_until) })
      : [
          t('webhooks.secretText'),
          ' ',
          h('a', { href: '/guide#webhooks', target: '_blank', rel: 'noopener' }, t('guide.receiver')),
        ],
    label: t('webhooks.secret'),
    secret: webhook.secret,
  });
