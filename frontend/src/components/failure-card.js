/** Why a job failed, and what to do about it. */
import { h } from '../dom.js';
import { english } from '../server-words.js';
import { t } from '../strings/index.js';
import { failureCodeExplained } from './failure-code.js';
import { icon } from './icons.js';

/** `failure`: { code, title, message, action, detail }; `retry`: a function when the server allows it, else null. */
export function failureCard(failure, { retry = null } = {}) {
  return h(
    'section',
    { className: 'state-card state-card--failed', 'aria-labelledby': 'failure-title' },
    icon('xCircle', 'icon state-card__icon'),
    h(
      'div',
      { className: 'state-card__body' },
      h('p', { className: 'state-card__kicker' }, t('job.failureTitle')),
      h('h2', { className: 'h5', id: 'failure-title' }, failure.title),
      h('p', {}, failure.message),
      failure.action &&
        h('p', { className: 'state-card__action' }, h('strong', {}, `${t('job.whatToDo')}: `), failure.action),
      h(
        'p',
        { className: 'state-card__code' },
        `${t('common.code')} `,
        failureCodeExplained(failure.code),
        failure.detail && [h('br'), `${t('job.detail')}: `, h('code', {}, english(failure.detail))],
      ),
      retry &&
        h(
          'button',
          { type: 'button', className: 'btn btn-primary', onClick: retry },
          icon('arrowRepeat'),
          ` ${t('common.retry')}`,
        ),
    ),
  );
}

export function cancelledCard({ retry = null } = {}) {
  return h(
    'section',
    { className: 'state-card' },
    icon('slash', 'icon state-card__icon'),
    h(
      'div',
      { className: 'state-card__body' },
      h('h2', { className: 'h5' }, t('job.cancelledTitle')),
      h('p', {}, t('job.cancelledText')),
      retry &&
        h(
          'button',
          { type: 'button', className: 'btn btn-primary', onClick: retry },
          icon('arrowRepeat'),
          ` ${t('common.retry')}`,
        ),
    ),
  );
}
