/** One row of the worklist. Pure: a job in, a <tr> out; the table decides when to draw it anew. */
import { h } from '../dom.js';
import { age, dateTime, digestShort } from '../format.js';
import { jobPath } from '../navigation.js';
import { t, tOr } from '../strings/index.js';
import { icon } from './icons.js';
import { studyName } from './job-actions.js';
import { progressWords, stageSegments } from './job-progress.js';
import { sampleBadge } from './sample.js';
import { outcomeBadge, statusBadge } from './status-badge.js';

const cell = (name, ...children) =>
  h('td', { className: `worklist__${name}`, 'data-label': t(`worklist.columns.${name}`) }, children);

function actionButton(kind, job, onAction, glyph) {
  return h(
    'button',
    {
      type: 'button',
      className: 'btn btn-sm btn-outline-secondary worklist__button',
      'aria-label': t(`worklist.${kind}Aria`, { id: studyName(job) }),
      title: t(`worklist.${kind}Confirm`),
      dataset: { action: kind },
      onClick: () => onAction(kind, job),
    },
    icon(glyph),
    h('span', { className: 'worklist__button-text' }, t(`common.${kind}`)),
  );
}

function selectBox(job, selection) {
  return h('input', {
    className: 'form-check-input worklist__select',
    type: 'checkbox',
    checked: selection.has(job.id),
    'aria-label': t('worklist.select', { id: studyName(job) }),
    dataset: { action: 'select' },
    onChange: (event) => selection.set(job.id, event.target.checked),
  });
}

/** `selection`: { has(id), set(id, on) } where rows can be selected, else null. `mayChange`: with the buttons of what the job allows. */
export function jobRow(job, { onAction, selection = null, mayChange = true, site = null, now = Date.now() }) {
  const words = progressWords(job);
  return h(
    'tr',
    { className: job.unread ? 'worklist__row--unread' : null, dataset: { id: job.id, status: job.status } },
    h(
      'th',
      { scope: 'row', className: 'worklist__study' },
      selection && selectBox(job, selection),
      h('a', { className: 'worklist__link', href: jobPath(job.id) }, studyName(job)),
      sampleBadge(job.study),
      job.unread && h('span', { className: 'worklist__unread' }, t('reading.unread')),
      site && h('span', { className: 'worklist__site' }, site),
      job.purpose === 'rerun' && h('span', { className: 'worklist__repeat' }, t('worklist.repeat')),
    ),
    cell('status', statusBadge(job.status)),
    cell(
      'progress',
      job.status === 'RUNNING' && stageSegments(job),
      words && h('span', { className: 'worklist__words' }, words),
    ),
    cell('outcome', outcomeBadge(job.outcome)),
    cell(
      'priority',
      h('span', { className: `priority priority--${job.priority}` }, tOr(`priority.${job.priority}`, job.priority)),
    ),
    cell(
      'model',
      job.package &&
        h(
          'span',
          { title: `${job.package.name} ${job.package.version} · ${digestShort(job.package.digest)}` },
          h('span', { className: 'worklist__package' }, job.package.name),
          h('br'),
          h('span', { className: 'worklist__version' }, job.package.version),
        ),
    ),
    cell(
      'age',
      h(
        'time',
        { datetime: job.created_at, title: dateTime(job.created_at), dataset: { age: '' } },
        age(job.created_at, now),
      ),
    ),
    h(
      'td',
      { className: 'worklist__actions' },
      mayChange && job.actions?.cancel && actionButton('cancel', job, onAction, 'x'),
      mayChange && job.actions?.retry && actionButton('retry', job, onAction, 'arrowRepeat'),
    ),
  );
}
