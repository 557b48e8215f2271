/** The raw numbers and the provenance of a result: what an engineer or an auditor asks for. */
import { h } from '../dom.js';
import { digestShort, duration, percent, significant } from '../format.js';
import { english, makersLang } from '../server-words.js';
import { t, tOr } from '../strings/index.js';
import { heatmapOf } from './heatmap-layer.js';
import { icon } from './icons.js';
import { isSegmentation } from './mask.js';

function numberRows(result, nameOf) {
  const sides = { R: t('result.right'), L: t('result.left') };
  const parts = [
    { name: t('result.wholeStudy'), part: result.study },
    ...result.breasts.map((part) => ({ name: sides[part.image_laterality] ?? t('result.sideUnknown'), part })),
    ...result.images.map((part) => ({ name: nameOf(part), part })),
  ];
  const line = (name, label, part, first, span) =>
    h(
      'tr',
      { className: first ? 'numbers__first' : null },
      first && h('th', { scope: 'rowgroup', rowspan: span }, name),
      h('th', { scope: 'row', lang: makersLang }, label),
      h('td', {}, significant(part.logits?.[label], 4)),
      h('td', {}, percent(part.probabilities?.[label])),
      h('td', {}, percent(part.calibrated_probabilities?.[label])),
      h('td', {}, significant(heatmapOf(part, label)?.raw_maximum, 4)),
    );
  return parts.map(({ name, part }) =>
    h(
      'tbody',
      {},
      result.classes.map((label, index) => line(name, label, part, index === 0, result.classes.length + 1)),
      h(
        'tr',
        { className: 'numbers__suspicion' },
        h('th', { scope: 'row' }, t('result.suspicion')),
        h('td', {}, t('common.none')),
        h('td', {}, t('common.none')),
        h('td', {}, part.assessment === 'not_assessable' ? t('result.notAssessableTitle') : percent(part.suspicion)),
        h('td', {}, significant(heatmapOf(part, 'suspicion')?.raw_maximum, 4)),
      ),
    ),
  );
}

export function numbersCard(result, { nameOf }) {
  const columns = ['where', 'klass', 'logit', 'probability', 'calibrated', isSegmentation(result) ? 'mask' : 'map'];
  return h(
    'details',
    { className: 'card numbers' },
    h('summary', { className: 'history__summary' }, t('result.numbers')),
    h('p', { className: 'summary__hint numbers__hint' }, t('result.numbersHint')),
    h(
      'div',
      { className: 'numbers__scroll', tabindex: '0', role: 'region', 'aria-label': t('result.numbers') },
      h(
        'table',
        { className: 'numbers__table' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            columns.map((name) => h('th', { scope: 'col' }, t(`result.columns.${name}`))),
          ),
        ),
        numberRows(result, nameOf),
      ),
    ),
  );
}

const fact = (name, ...value) => h('div', { className: 'fact' }, h('dt', {}, name), h('dd', {}, value));

function elapsedList(elapsed) {
  const entries = Object.entries(elapsed ?? {}).filter(([name]) => name.toLowerCase() !== 'total');
  const total = elapsed?.total ?? elapsed?.TOTAL ?? entries.reduce((sum, [, seconds]) => sum + seconds, 0);
  return h(
    'ul',
    { className: 'elapsed' },
    entries.map(([name, seconds]) =>
      h(
        'li',
        {},
        tOr(`result.elapsedStages.${name}`, tOr(`stage.${name.toUpperCase()}`, name)),
        h('span', {}, duration(seconds)),
      ),
    ),
    h('li', { className: 'elapsed__total' }, t('result.elapsedTotal'), h('span', {}, duration(total))),
  );
}

/** `onCopy(text)` puts the digest on the clipboard. */
export function provenanceCard(result, { onCopy }) {
  const { package: model, intended_use: use } = result;
  return h(
    'section',
    { className: 'card provenance', 'aria-labelledby': 'provenance-title' },
    h('h2', { className: 'h6', id: 'provenance-title' }, t('result.provenance')),
    h(
      'dl',
      { className: 'facts facts--stack' },
      fact(
        t('result.package'),
        h('strong', { lang: makersLang }, model.title || model.name),
        h('br'),
        `${model.name} ${model.version}`,
      ),
      fact(
        t('result.digest'),
        h('code', { title: model.digest }, digestShort(model.digest)),
        h(
          'button',
          {
            type: 'button',
            className: 'btn btn-sm btn-ghost',
            'aria-label': t('result.copyDigest'),
            onClick: () => onCopy(model.digest),
          },
          icon('clipboard'),
        ),
      ),
      fact(
        t('result.preprocessing'),
        h('code', { title: model.preprocessing_digest }, digestShort(model.preprocessing_digest)),
      ),
      isSegmentation(result)
        ? fact(t('result.task'), t('result.mask'))
        : fact(t('result.explanation'), model.explanation_method),
      fact(t('result.provider'), result.provider),
      use?.views?.length > 0 && fact(t('result.intendedViews'), use.views.join(', ')),
      use?.acquisitions?.length > 0 && fact(t('result.intendedAcquisitions'), english(use.acquisitions.join(', '))),
      fact(t('result.elapsed'), elapsedList(result.elapsed_seconds)),
      h('div', { className: 'fact print-only' }, h('dt', {}, t('result.job')), h('dd', {}, h('code', {}, result.job))),
    ),
    use?.statement &&
      h('p', { className: 'summary__hint' }, h('strong', {}, `${t('result.intendedUse')}: `), english(use.statement)),
  );
}
