/** The delivery log of a webhook: each event with its attempts, what was sent and what came back. Data in, nodes out. */
import { h, visuallyHidden } from '../dom.js';
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

/** What came of it so far, on one line. */
function outcomeWords(delivery) {
  const last = delivery.attempts.at(-1);
  const next = delivery.next_attempt_at && t('webhook.nextAttempt', { time: dateTime(delivery.next_attempt_at) });
  return [last ? outcome(last) : t('webhook.noAttempt'), next].filter(Boolean).join(' · ');
}

const replayNode = (delivery, onReplay) =>
  button({
    words: t('webhook.replay'),
    small: true,
    glyph: 'arrowRepeat',
    'aria-label': t('webhook.replayOf', { type: delivery.event_type, time: dateTime(delivery.created_at) }),
    onClick: () => onReplay(delivery),
  });

/** One delivery: a line that unfolds, and beside it `onReplay(delivery)` where it may be sent again. */
export function deliveryNode(delivery, { onReplay }) {
  return h(
    'li',
    { className: 'delivery', dataset: { id: delivery.id } },
    h(
      'details',
      {},
      h(
        'summary',
        { className: 'delivery__line' },
        h('span', { className: 'delivery__state' }, deliveryBadge(delivery.state)),
        h(
          'span',
          { className: 'delivery__event' },
          h('code', { className: 'delivery__type' }, delivery.event_type),
          delivery.is_replay && h('span', { className: 'muted' }, t('webhook.isReplay')),
        ),
        h('span', { className: 'delivery__words' }, outcomeWords(delivery)),
        h('span', { className: 'delivery__time' }, timeNode(delivery.created_at)),
        visuallyHidden(t('webhook.details')),
      ),
      h(
        'div',
        { className: 'delivery__more' },
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
    ),
    delivery.state !== 'pending' && replayNode(delivery, onReplay),
  );
}
