/** What an entry of the audit history holds: the reason as a sentence, the rest as short facts. Shows all of it; whole values in titles. */
import { h } from '../dom.js';
import { digestShort } from '../format.js';
import { modelPath } from '../navigation.js';
import { fieldWords } from '../server-words.js';
import { t } from '../strings/index.js';

const digest = /^sha256:[0-9a-f]{64}$/;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const packages = new Set(['from', 'to', 'package', 'candidate']);

function valueNode(name, value) {
  if (digest.test(value)) {
    const code = h('code', { title: value }, digestShort(value));
    return packages.has(name) ? h('a', { href: modelPath(value) }, code) : code;
  }
  if (uuid.test(value)) return h('code', { title: value }, value.slice(0, 8));
  if (Array.isArray(value)) return value.length ? value.join(', ') : t('common.none');
  if (value !== null && typeof value === 'object') {
    const inner = Object.entries(value).map(([key, one], index) => [
      index > 0 && ', ',
      fieldWords(key),
      ` ${JSON.stringify(one)}`,
    ]);
    return inner.length ? inner : t('common.none');
  }
  return String(value);
}

/** A pointer that did not move says nothing by naming the same package twice. */
const unmoved = ({ from, to }, name) => (name === 'from' || name === 'to') && from === to;

const isRecord = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** “before” and “after” told as one change for each thing that differs. */
function changesTold(detail) {
  const { before, after, ...others } = detail ?? {};
  if (!isRecord(before) || !isRecord(after)) return detail ?? {};
  const told = (value) => (value === null || value === undefined ? t('common.none') : String(value));
  const changed = Object.keys(after).filter((name) => before[name] !== after[name]);
  const changes = changed.map((name) => [name, `${told(before[name])} → ${told(after[name])}`]);
  return { ...others, ...Object.fromEntries(changes) };
}

export function auditDetail(detail) {
  const facts = Object.entries(changesTold(detail)).filter(
    ([name, value]) => name !== 'reason' && value !== null && value !== '' && !unmoved(detail, name),
  );
  const reason = detail?.reason;
  if (!facts.length && !reason) return t('common.none');
  return h(
    'div',
    { className: 'audit__detail' },
    reason && h('p', { className: 'audit__reason' }, String(reason)),
    facts.length > 0 &&
      h(
        'p',
        {},
        facts.map(([name, value], index) => [index > 0 && ' · ', fieldWords(name), ' ', valueNode(name, value)]),
      ),
  );
}

export const auditSubject = (subject) =>
  digest.test(subject)
    ? h('a', { href: modelPath(subject), title: subject }, h('code', {}, digestShort(subject)))
    : uuid.test(subject)
      ? h('code', { title: subject }, subject.slice(0, 8))
      : subject;
