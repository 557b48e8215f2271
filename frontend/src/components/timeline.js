/** The way of a job: the steps ahead and behind while it is under way, and the history of what happened. */
import { h } from '../dom.js';
import { dateTime, duration } from '../format.js';
import { english } from '../server-words.js';
import { t, tOr } from '../strings/index.js';
import { stages } from './job-progress.js';
import { icon } from './icons.js';

/** Steps: queue, then the five stages. Done, present and coming are told apart by mark and word, not by colour alone. */
function steps(job) {
  const at = job.status === 'QUEUED' ? 0 : 1 + Math.max(0, stages.indexOf(job.stage));
  const names = [t('status.QUEUED'), ...stages.map((stage) => t(`stage.${stage}`))];
  return h(
    'ol',
    { className: 'steps' },
    names.map((name, index) => {
      const state = index < at ? 'done' : index === at ? 'now' : 'next';
      return h(
        'li',
        { className: `step step--${state}`, 'aria-current': state === 'now' ? 'step' : null },
        h('span', { className: 'step__mark' }, state === 'done' ? icon('check') : null),
        h('span', { className: 'step__name' }, name),
      );
    }),
  );
}

const fact = (name, value) => h('div', { className: 'fact' }, h('dt', {}, name), h('dd', {}, value));

/** The card of a job that is waiting or running. */
export function progressCard(job) {
  const running = job.status === 'RUNNING';
  const eta = job.eta_seconds ?? null;
  return h(
    'section',
    { className: 'card progress-card', 'aria-label': t('job.progress') },
    h('h2', { className: 'h6 progress-card__title' }, running ? t('job.worker') : t('job.waiting')),
    steps(job),
    h(
      'dl',
      { className: 'facts' },
      !running && fact(t('job.position'), job.queue_position ?? t('common.none')),
      fact(t('job.eta'), eta === null ? t('job.etaUnknown') : t('job.etaValue', { time: duration(Math.max(1, eta)) })),
      fact(t('job.attempt'), `${job.attempt} / ${job.max_attempts}`),
      fact(t('job.priority'), tOr(`priority.${job.priority}`, job.priority)),
      job.package && fact(t('job.model'), `${job.package.name} ${job.package.version}`),
    ),
  );
}

/** What happened, newest last. `events`: as the API lists them. */
export function historyCard(events) {
  if (!events.length) return null;
  return h(
    'details',
    { className: 'card history' },
    h(
      'summary',
      { className: 'history__summary' },
      t('job.history'),
      h('span', { className: 'history__count' }, events.length),
    ),
    h(
      'ol',
      { className: 'history__list' },
      events.map((event) =>
        h(
          'li',
          { className: 'history__event' },
          h('time', { datetime: event.occurred_at, title: event.occurred_at }, dateTime(event.occurred_at)),
          h('span', { className: 'history__kind' }, tOr(`job.events.${event.kind}`, event.kind)),
          h(
            'span',
            { className: 'history__detail' },
            [
              event.stage && tOr(`stage.${event.stage}`, event.stage),
              event.attempt && `${t('job.attempt')} ${event.attempt}`,
              event.actor,
              typeof event.detail === 'string' ? english(event.detail) : null,
            ]
              .filter(Boolean)
              .flatMap((part, index) => (index ? [' · ', part] : [part])),
          ),
        ),
      ),
    ),
  );
}
