/** The judgement panel of a result: study ring, bars, breasts, what is not validated, cautions, the research notice. */
import { h } from '../dom.js';
import { percent } from '../format.js';
import { english, makersLang } from '../server-words.js';
import { t, tOr } from '../strings/index.js';
import { certaintyRing } from './certainty-ring.js';
import { classBars } from './class-bars.js';
import { icon } from './icons.js';

const sideName = (side) => t({ R: 'result.right', L: 'result.left' }[side] ?? 'result.sideUnknown');

/** Calibrated numbers where the package has them, and the word that says which they are. */
export function shownProbabilities(part) {
  const calibrated = part.calibrated_probabilities ?? null;
  return {
    values: calibrated ?? part.probabilities,
    word: t(calibrated ? 'result.calibrated' : 'result.uncalibrated'),
  };
}

function notAssessable(text) {
  return h(
    'div',
    { className: 'not-assessable' },
    icon('slash'),
    h('div', {}, h('strong', {}, t('result.notAssessableTitle')), h('p', {}, text)),
  );
}

function studyPart(result) {
  const { study, suspicion, classes } = result;
  if (study.assessment === 'not_assessable') return notAssessable(t('result.notAssessableStudy'));
  const { values, word } = shownProbabilities(study);
  return [
    certaintyRing({ suspicion: study.suspicion, threshold: suspicion.threshold }),
    h(
      'p',
      { className: 'summary__hint' },
      t('result.suspicionOf', { kind: word, classes: suspicion.classes.join(' + ') }),
    ),
    h('h3', { className: 'summary__subtitle' }, t('result.perClass'), h('span', { className: 'summary__tag' }, word)),
    classBars({ probabilities: values, classes }),
  ];
}

function notValidatedPart(result) {
  const items = result.intended_use?.not_validated ?? [];
  if (!items.length || result.study.assessment === 'not_assessable') return null;
  return h(
    'div',
    { className: 'caution-box' },
    icon('warning'),
    h(
      'div',
      {},
      h('strong', {}, t('result.notValidated')),
      h(
        'ul',
        {},
        items.map((item) => h('li', { lang: makersLang }, item)),
      ),
      h('p', {}, t('result.notValidatedHint')),
    ),
  );
}

/** Right, left, then what states no side: as the views hang. */
export function breastsOrder(breasts) {
  const place = ({ image_laterality: side }) => ['R', 'L'].indexOf(side) >>> 0; // −1, unknown, becomes last
  return [...breasts].sort((a, b) => place(a) - place(b));
}

function breastPart(breast, result) {
  const { values } = shownProbabilities(breast);
  const assessed = breast.assessment !== 'not_assessable';
  return h(
    'li',
    { className: 'breast' },
    certaintyRing({ suspicion: breast.suspicion, threshold: result.suspicion.threshold, small: true }),
    h(
      'div',
      { className: 'breast__body' },
      h('h4', { className: 'breast__name' }, sideName(breast.image_laterality)),
      assessed
        ? classBars({ probabilities: values, classes: result.classes, compact: true })
        : h('p', { className: 'summary__hint' }, t('result.notAssessableTitle')),
    ),
  );
}

/** One line a caution, with the views it concerns. */
export function cautionsGather(images, nameOf) {
  const gathered = new Map();
  for (const image of images) {
    for (const { code, message } of image.cautions ?? []) {
      if (!gathered.has(code)) gathered.set(code, { message, views: [] });
      gathered.get(code).views.push(nameOf(image));
    }
  }
  return [...gathered.values()];
}

function cautionsPart(result, nameOf) {
  const gathered = cautionsGather(result.images, nameOf);
  if (!gathered.length) return null;
  return h(
    'div',
    { className: 'summary__part' },
    h('h3', { className: 'summary__subtitle' }, t('result.cautions')),
    h(
      'ul',
      { className: 'cautions' },
      gathered.map(({ message, views }) =>
        h(
          'li',
          {},
          icon('warning'),
          h('span', {}, message, h('span', { className: 'cautions__views' }, ` ${views.join(', ')}`)),
        ),
      ),
    ),
  );
}

export function resultSummary(result, { nameOf }) {
  const point = result.suspicion.operating_point;
  return h(
    'section',
    { className: 'card summary', 'aria-labelledby': 'summary-title' },
    h('h2', { className: 'h6 summary__title', id: 'summary-title' }, t('result.wholeStudy')),
    studyPart(result),
    notValidatedPart(result),
    result.breasts.length > 0 &&
      h(
        'div',
        { className: 'summary__part' },
        h('h3', { className: 'summary__subtitle' }, t('result.breasts')),
        h(
          'ul',
          { className: 'breasts' },
          breastsOrder(result.breasts).map((breast) => breastPart(breast, result)),
        ),
      ),
    cautionsPart(result, nameOf),
    point &&
      result.study.assessment !== 'not_assessable' &&
      h(
        'p',
        { className: 'summary__hint' },
        h('strong', {}, `${t('result.operatingPoint')} ${percent(result.suspicion.threshold)}: `),
        english(point),
      ),
    h(
      'div',
      { className: 'research-box' },
      icon('warning'),
      h('p', {}, tOr('server.disclaimer', result.disclaimer || `${t('disclaimer.badge')}. ${t('disclaimer.long')}`)),
    ),
  );
}
