/** The delivery log of a webhook: each event with its attempts, what was sent and what came back. Data in, nodes out. */
import { h } from '../dom.js';
import { dateTime, duration } from '../format.js';
import { t, tOr } from '../strings/index.js';
import { button, dataTable, timeNode } from './registry-page.js';
import { deliveryBadge } from './webhook-parts.js';

const outcome = (attempt) => {
  if (attempt.error && attempt.error !== 'status') return tOr(`webhooks.errors.${attempt.error}`, attempt.error);
  return t('webhook.status', { status: attempt.status });
};

/** JSON as people read it; anything else as it came. */
function payloadWords(payload) {
  try {
    return JSON.stringify(JSON.parse(payload), null, 2);
  } catch {
    return payload;
  }
}

/** Which delivery a part belongs to, for who cannot see where it stands: two of one kind may have come in one minute. */
const nameOf = (delivery) => `${delivery.event_type} ${dateTime(delivery.created_at)} ${delivery.id.slice(0, 8)}`;

function attemptsNode(delivery) {
  if (!delivery.attempts.length) return h('p', { className: 'muted' }, t('webhook.noAttempt'));
  return dataTable({
    caption: `${t('webhook.attempts')}: ${nameOf(delivery)}`,
    columns: ['number', 'at', 'outcome', 'took', 'answer'].map((name) => t(`webhook.attemptColumns.${name}`)),
    rows: delivery.attempts.map((attempt) => [
      String(attempt.number),
      dateTime(attempt.at),
      outcome(attempt),
      duration(attempt.elapsed_seconds),
      attempt.answer ? h('code', { className: 'delivery__answer' }, attempt.answer) : t('common.none'),
    ]),
  });
}

/** One delivery; `onReplay(delivery)` where it may be sent again. */
export function deliveryNode(delivery, { onReplay }) {
  const last = delivery.attempts.at(-1);
  return h(
    'li',
    { className: 'delivery', dataset: { id: delivery.id } },
    h(
      'div',
      { className: 'delivery__head' },
      deliveryBadge(delivery.state),
      h('code', { className: 'delivery__type' }, delivery.event_type),
      delivery.is_replay && h('span', { className: 'muted' }, t('webhook.isReplay')),
      h('span', { className: 'delivery__time' }, timeNode(delivery.created_at)),
      delivery.state !== 'pending' &&
        button({
          words: t('webhook.replay'),
          small: true,
          glyph: 'arrowRepeat',
          'aria-label': t('webhook.replayOf', { type: delivery.event_type, time: dateTime(delivery.created_at) }),
          onClick: () => onReplay(delivery),
        }),
    ),
    h(
      'p',
      { className: 'delivery__words' },
      last ? outcome(last) : t('webhook.noAttempt'),
      delivery.next_attempt_at && ` · ${t('webhook.nextAttempt', { time: dateTime(delivery.next_attempt_at) })}`,
    ),
    h(
      'details',
      { className: 'more' },
      h(
        'summary',
        {},
        t('webhook.details'),
        h('span', { className: 'visually-hidden' }, ` ${delivery.event_type} ${dateTime(delivery.created_at)}`),
      ),
      attemptsNode(delivery),
      h('p', { className: 'panel__subtitle delivery__subtitle' }, t('webhook.payload')),
      h(
        'pre',
        {
          className: 'delivery__payload',
          tabindex: '0',
          role: 'region',
          'aria-label': `${t('webhook.payload')}: ${nameOf(delivery)}`,
        },
        payloadWords(delivery.payload),
      ),
      h('p', { className: 'form-text' }, t('webhook.eventId'), ' ', h('code', {}, delivery.event_id)),
    ),
  );
}
