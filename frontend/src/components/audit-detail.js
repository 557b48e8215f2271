/** What an entry of the audit history holds: the reason as a sentence, the rest as short facts. Shows all of it; whole values in titles. */
import { h } from '../dom.js';
import { digestShort } from '../format.js';
import { modelPath } from '../navigation.js';
import { fieldWords } from '../server-words.js';
import { t } from '../strings/index.js';

const digest = /^sha256:[0-9a-f]{64}$/;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const packages = new Set(['from', 'to', 'package', 'candidate']);

/** What people call an object, its key where nobody calls it anything; the key stays at hand. */
const nameNode = (key, name) => name ?? h('code', {}, digest.test(key) ? digestShort(key) : key.slice(0, 8));

function valueNode(name, value, called) {
  if (digest.test(value)) {
    const href = packages.has(name) ? modelPath(value) : null;
    return h(href ? 'a' : 'span', { href, title: value }, nameNode(value, called));
  }
  if (called) return h('span', { title: String(value) }, called);
  if (uuid.test(value)) return h('span', { title: value }, nameNode(value));
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

/** `names`: by fact, what people call the object whose key it holds. */
export function auditDetail(detail, names = {}) {
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
        facts.map(([name, value], index) => [
          index > 0 && ' · ',
          fieldWords(name),
          ' ',
          valueNode(name, value, names[name]),
        ]),
      ),
  );
}

/** Where an object has a page of its own that stays, by the area of the action. */
const pages = { job: '/jobs/', batch: '/batches/' };

export function auditSubject({ action, subject, subject_name: name }) {
  if (digest.test(subject)) return h('a', { href: modelPath(subject), title: subject }, nameNode(subject, name));
  const key = uuid.test(subject);
  if (!key && !name) return subject;
  const page = key && action !== 'job.export' && pages[action.split('.')[0]];
  const href = page ? `${page}${subject}` : null;
  return h(href ? 'a' : 'span', { href, title: subject }, nameNode(subject, name));
}
