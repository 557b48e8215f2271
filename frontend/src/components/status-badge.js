/** A job's status and a result's outcome as badges: a shape, a word and a colour, so that colour is never the only sign. */
import { h } from '../dom.js';
import { t, tOr } from '../strings/index.js';
import { icon } from './icons.js';
import { suspicionMark } from './suspicion-mark.js';

const statusIcons = { QUEUED: 'clock', RUNNING: 'play', SUCCEEDED: 'check', FAILED: 'xCircle', CANCELLED: 'slash' };

export function statusBadge(status) {
  return h(
    'span',
    { className: `status status--${status.toLowerCase()}` },
    icon(statusIcons[status] ?? 'info'),
    tOr(`status.${status}`, status),
  );
}

const palette = 6;

/**
 * The colour key of a class: normal blue (“no lesion” too), benign green, malignant red, whatever the label's case; other labels take the
 * fixed palette in class order, so that a class has the same colour everywhere on the page.
 */
export function classTone(label, classes) {
  const name = label.toLowerCase();
  if (/malignan|cancer/.test(name)) return 'malignant';
  if (/benign/.test(name))
    return name === 'benign' || !classes.some((other) => other.toLowerCase() === 'benign') ? 'benign' : 'other-0';
  if (/^normal|^negative|^no[ _-]/.test(name)) return 'normal';
  return `other-${classes.indexOf(label) % palette}`;
}

/** The result in one badge: its suspicion against the threshold, or that it is not assessable. */
export function outcomeBadge(outcome) {
  if (!outcome) return null;
  if (outcome.assessment === 'not_assessable') {
    return h('span', { className: 'outcome outcome--none' }, icon('slash'), t('worklist.notAssessable'));
  }
  const { suspicion, threshold, above_threshold: above } = outcome;
  return suspicionMark({ suspicion, threshold, above });
}
