/** Two packages side by side: cautions first, then every section; what differs is marked by a word, not by colour alone. */
import { h } from '../dom.js';
import { digestShort, significant } from '../format.js';
import { fieldWords } from '../server-words.js';
import { plural, t, tOr } from '../strings/index.js';
import { icon } from './icons.js';
import { callout, dataTable } from './registry-page.js';

const isDigest = (value) => typeof value === 'string' && /^(sha256:)?[0-9a-f]{64}$/.test(value);

/** “steps 3 isolate_breast”, as the server names a step of the preparation. */
function partWords(part) {
  const [, n, step] = /^steps (\d+) (\w+)$/.exec(part) ?? [];
  return n ? t('compare.step', { n, step: tOr(`models.steps.${step}`, step) }) : fieldWords(part);
}

/** Names of the manifest as words; paths of files and names of figures stay as they are. */
const nameOf = ({ name }, field) =>
  name === 'files' || name === 'metrics'
    ? field
    : field.split('.').flatMap((part, index) => [index > 0 && ' › ', partWords(part)]);

function valueNode(value) {
  if (value === null || value === undefined || value === '') return t('common.none');
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) {
    return h(
      'ol',
      { className: 'compare__order' },
      value.map((one) => h('li', {}, String(one))),
    );
  }
  if (Array.isArray(value) && value.every((one) => typeof one !== 'object' || one === null)) {
    return value.map((one) => valueNode(one)).join(', ');
  }
  if (isDigest(value)) return h('code', { title: value }, digestShort(value));
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : significant(value, 6);
  if (typeof value === 'object') return h('code', {}, JSON.stringify(value));
  return String(value);
}

const mark = (same) =>
  h(
    'span',
    { className: `compare__mark compare__mark--${same ? 'same' : 'different'}` },
    icon(same ? 'check' : 'swap'),
    t(same ? 'compare.same' : 'compare.different'),
  );

const sectionName = ({ name }) => tOr(`compare.sections.${name}`, name);

function sectionNode(section, columns, onlyDifferent) {
  const rows = section.rows.filter((row) => !onlyDifferent || !row.same);
  if (!rows.length) return null;
  const name = sectionName(section);
  return h(
    'section',
    { className: 'card panel compare__section' },
    h('div', { className: 'panel__head' }, h('h2', { className: 'h6 panel__title' }, name), mark(section.same)),
    dataTable({
      caption: name,
      className: 'compare__table',
      columns: [t('compare.field'), ...columns, ...(onlyDifferent ? [] : [t('compare.verdict')])],
      rows: rows.map((row) => ({
        className: row.same || onlyDifferent ? null : 'compare__row--different',
        of: [
          nameOf(section, row.field),
          valueNode(row.left),
          valueNode(row.right),
          ...(onlyDifferent ? [] : [mark(row.same)]),
        ],
      })),
    }),
  );
}

/** The sections that say the same on both sides, in one card. */
const sameNode = (sections) =>
  h(
    'section',
    { className: 'card panel compare__section' },
    h('h2', { className: 'h6 panel__title' }, t('compare.sameInBoth')),
    h(
      'ul',
      { className: 'compare__sames' },
      sections.map((section) =>
        h('li', { className: 'compare__mark compare__mark--same' }, icon('check'), sectionName(section)),
      ),
    ),
  );

/** The cautions of a comparison as one note, loud: a changed label order changes what every score means. Null without any. */
export const compareCautions = ({ cautions }) =>
  cautions.length > 0
    ? callout({
        tone: 'warning',
        title: plural('compare.cautions', cautions.length),
        children: h(
          'ul',
          { className: 'callout__list' },
          cautions.map(({ message }) => h('li', {}, message)),
        ),
      })
    : null;

/** `columns`: what the two sides are called; `keepSame`: sections without a difference are named, where they are not shown. */
export function compareSections(comparison, { columns, onlyDifferent = false, keepSame = false }) {
  const nodes = comparison.sections.map((section) => sectionNode(section, columns, onlyDifferent)).filter(Boolean);
  if (!nodes.length) nodes.push(callout({ tone: 'good', title: t('compare.allSame') }));
  const same = onlyDifferent && keepSame ? comparison.sections.filter((section) => section.same) : [];
  if (same.length) nodes.push(sameNode(same));
  return nodes;
}
