/** How far a job has come, in words and in five segments. Not for the result. */
import { h } from '../dom.js';
import { duration, elapsed } from '../format.js';
import { t, tOr } from '../strings/index.js';

export const stages = ['FETCHING', 'PREPROCESSING', 'INFERRING', 'EXPLAINING', 'STORING'];

/** One line: queue position and time left, stage, or how long it took. Empty where there is nothing true to say. */
export function progressWords(job) {
  if (job.status === 'QUEUED') {
    const parts = [];
    if (job.queue_position !== null && job.queue_position !== undefined) {
      const next = job.queue_position <= 1;
      parts.push(next ? t('worklist.queuePositionNext') : t('worklist.queuePosition', { n: job.queue_position }));
    }
    parts.push(etaWords(job));
    if (job.attempt > 1) parts.push(t('worklist.attempt', { n: job.attempt, max: job.max_attempts }));
    return parts.filter(Boolean).join(' · ');
  }
  if (job.status === 'RUNNING') {
    const stage = tOr(`stage.${job.stage}`, job.stage ?? t('stage.starting'));
    const parts = [job.stage ? stage : t('stage.starting'), etaWords(job)];
    if (job.attempt > 1) parts.push(t('worklist.attempt', { n: job.attempt, max: job.max_attempts }));
    return parts.filter(Boolean).join(' · ');
  }
  if (job.status === 'SUCCEEDED') {
    const seconds = elapsed(job.started_at, job.finished_at);
    return seconds === null ? '' : t('worklist.took', { time: duration(seconds) });
  }
  if (job.status === 'FAILED') return job.failure?.title ?? '';
  return '';
}

function etaWords(job) {
  if (job.eta_seconds === null || job.eta_seconds === undefined) return '';
  return t('worklist.eta', { time: duration(Math.max(1, job.eta_seconds)) });
}

/** Five segments; those behind are full, the present one moves. `label` for screen readers says the same in words. */
export function stageSegments(job) {
  const at = stages.indexOf(job.stage);
  return h(
    'span',
    {
      className: 'segments',
      role: 'img',
      'aria-label': t('worklist.stageOf', {
        stage: tOr(`stage.${job.stage}`, t('stage.starting')),
        n: at + 1,
        total: stages.length,
      }),
    },
    stages.map((_, index) =>
      h('span', {
        className: index < at ? 'segment segment--done' : index === at ? 'segment segment--now' : 'segment',
      }),
    ),
  );
}
