/** Two results of one study: what each says, the same views beside each other, and what differs in figures. */
import { h, styleSet } from '../dom.js';
import { digestShort, percent, significant } from '../format.js';
import { jobPath } from '../navigation.js';
import { plural, t } from '../strings/index.js';
import { classBars } from './class-bars.js';
import { failureCard } from './failure-card.js';
import { packageLink } from './package-parts.js';
import { callout, dataTable, panel } from './registry-page.js';
import { shownProbabilities } from './result-summary.js';
import { statusBadge } from './status-badge.js';
import { stillCardCreate } from './still-card.js';
import { suspicionMark } from './suspicion-mark.js';
import { viewTitle } from './view-card.js';

function sideNode(name, { job, result }) {
  const { study, suspicion, classes } = result ?? {};
  const assessed = result && study.assessment !== 'not_assessable';
  return h(
    'section',
    { className: 'card panel', 'aria-label': name },
    h('p', { className: 'muted' }, name, ' · ', h('a', { href: jobPath(job.id) }, t('jobCompare.openJob'))),
    h(
      'h2',
      { className: 'h5' },
      job.package ? packageLink(job.package) : t('common.unknown'),
      ' ',
      statusBadge(job.status),
    ),
    assessed &&
      h(
        'p',
        {},
        suspicionMark({
          suspicion: study.suspicion,
          threshold: suspicion.threshold,
          above: study.suspicion >= suspicion.threshold,
        }),
        h(
          'span',
          { className: 'compare__threshold muted' },
          t('result.threshold', { value: percent(suspicion.threshold) }),
        ),
      ),
    assessed && classBars({ probabilities: shownProbabilities(study).values, classes }),
    result && !assessed && h('p', {}, t('result.notAssessableStudy')),
    !result && job.failure && failureCard(job.failure),
    !result && !job.failure && h('p', { className: 'muted' }, t('jobCompare.noResult')),
  );
}

/** Views of both results by the image they show: [{ left, right }], those of one side alone included. */
export function viewPairs(left, right) {
  const rights = new Map((right?.images ?? []).map((image) => [image.id, image]));
  const pairs = (left?.images ?? []).map((image) => {
    const other = rights.get(image.id) ?? null;
    rights.delete(image.id);
    return { left: image, right: other };
  });
  return [...pairs, ...[...rights.values()].map((image) => ({ left: null, right: image }))];
}

function viewsNode(left, right) {
  const state = { on: true };
  const cards = [];
  const cardOf = (image, result) => {
    if (!image) return h('div', { className: 'still still--missing' }, t('jobCompare.viewMissing'));
    const card = stillCardCreate(image, result);
    cards.push({ card, target: result.suspicion.target });
    return card.node;
  };
  const node = h('div', { className: 'pairs' });
  const slider = h('input', {
    className: 'form-range',
    type: 'range',
    id: 'pair-opacity',
    min: 0,
    max: 100,
    value: 60,
  });
  const toggle = h('input', {
    className: 'form-check-input',
    type: 'checkbox',
    role: 'switch',
    id: 'pair-on',
    checked: true,
  });
  const apply = () => cards.forEach(({ card, target }) => card.heatmapShow({ target, on: state.on }));
  const fade = () => {
    styleSet(node, { '--heatmap-opacity': slider.value / 100 });
    styleSet(slider, { '--filled': `${slider.value}%` });
  };
  slider.addEventListener('input', fade);
  toggle.addEventListener('change', () => {
    state.on = toggle.checked;
    slider.disabled = !state.on;
    apply();
  });
  node.append(
    ...viewPairs(left, right).map((pair) =>
      h(
        'div',
        { className: 'pair', role: 'group', 'aria-label': viewTitle(pair.left ?? pair.right) },
        cardOf(pair.left, left),
        cardOf(pair.right, right),
      ),
    ),
  );
  fade();
  apply();
  return h(
    'section',
    { className: 'stills', 'aria-label': t('result.views'), 'data-bs-theme': 'dark' },
    h(
      'div',
      { className: 'stills__controls', role: 'group', 'aria-label': t('jobCompare.controls') },
      h(
        'div',
        { className: 'form-check form-switch' },
        toggle,
        h('label', { className: 'form-check-label', for: 'pair-on' }, t('jobCompare.maps')),
      ),
      h('div', { className: 'stills__opacity' }, h('label', { for: 'pair-opacity' }, t('result.opacity')), slider),
    ),
    node,
  );
}

function valueNode(value) {
  if (typeof value === 'number') return significant(value, 4);
  if (/^sha256:[0-9a-f]{64}$/.test(value)) return h('code', { title: value }, digestShort(value));
  return value === null ? t('common.none') : String(value);
}

function differencesTable(differences, caption) {
  return dataTable({
    caption,
    className: 'data-table--paths',
    columns: [t('jobCompare.where'), t('compare.left'), t('compare.right'), t('jobCompare.difference')],
    rows: differences.map((one) => [h('code', {}, one.where), ...[one.left, one.right, one.difference].map(valueNode)]),
  });
}

/** What differs for the whole study first; breasts and views on demand. */
function differencesPanel(differences) {
  const ofPart = ({ where }) => /^(breasts|images)\b/.test(where);
  const parts = differences.filter(ofPart);
  const whole = differences.filter((one) => !ofPart(one));
  return panel(
    { title: t('jobCompare.differences') },
    !differences.length && h('p', { className: 'muted' }, t('jobCompare.none')),
    whole.length > 0 && differencesTable(whole, t('jobCompare.differences')),
    parts.length > 0 &&
      h(
        'details',
        { className: 'more' },
        h('summary', {}, plural('jobCompare.parts', parts.length)),
        differencesTable(parts, t('jobCompare.partsCaption')),
      ),
  );
}

export function resultCompare({ left, right, same_study: sameStudy, differences }) {
  return [
    !sameStudy && callout({ tone: 'warning', title: t('jobCompare.otherStudy'), text: t('jobCompare.otherStudyText') }),
    h('div', { className: 'compare__sides' }, sideNode(t('compare.left'), left), sideNode(t('compare.right'), right)),
    (left.result || right.result) && viewsNode(left.result, right.result),
    left.result && right.result && sameStudy && differencesPanel(differences),
  ];
}
