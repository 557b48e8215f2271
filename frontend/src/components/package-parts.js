/** The parts by which a package is known everywhere: name, validation, places, figures, classes. */
import { h } from '../dom.js';
import { decimal, digestShort, significant } from '../format.js';
import { modelPath } from '../navigation.js';
import { makersLang } from '../server-words.js';
import { t, tOr } from '../strings/index.js';
import { icon } from './icons.js';
import { classTone } from './status-badge.js';

const validationLooks = {
  '': ['quiet', 'circle'],
  QUEUED: ['quiet', 'clock'],
  RUNNING: ['info', 'play'],
  PASSED: ['good', 'check'],
  FAILED: ['bad', 'xCircle'],
};

export const badge = (tone, glyph, words) =>
  h('span', { className: `badge badge--${tone}` }, glyph && icon(glyph), words);

export function validationBadge(state) {
  const [tone, glyph] = validationLooks[state] ?? ['quiet', 'info'];
  return badge(tone, glyph, tOr(`models.validation.${state || 'NONE'}`, state));
}

export const scopeWords = ({ scope, site }) =>
  scope === 'all' || (!scope && !site) ? t('deployments.everySite') : t('deployments.site', { site });

/** Where a package serves and where it is tried; archived says so. */
export function placeBadges(model) {
  return [
    ...(model.deployed_as ?? []).map((place) =>
      badge('accent', 'check', t('models.servesAs', { name: place.name, scope: scopeWords(place) })),
    ),
    ...(model.candidate_of ?? []).map((place) =>
      badge(
        'info',
        'flask',
        t('models.candidateOf', { name: place.name, mode: tOr(`deployments.modes.${place.mode}`, place.mode) }),
      ),
    ),
    model.archived_at && badge('quiet', 'archive', t('models.archived')),
  ].filter(Boolean);
}

export const packageName = ({ name, version }) => `${name} ${version}`;

export function packageLink(model, className = '') {
  return h('a', { className, href: modelPath(model.digest), title: digestShort(model.digest) }, packageName(model));
}

/** Classes in the order of the model's outputs; the order is part of what they say, so it is numbered. */
export function classList(classes) {
  return h(
    'ol',
    { className: 'class-list' },
    classes.map((label) =>
      h(
        'li',
        { className: `class-list__item tone-${classTone(label, classes)}` },
        h('span', { className: 'class-list__swatch' }),
        h('span', { lang: makersLang }, label),
      ),
    ),
  );
}

/** A figure as people read it: shares as they stand, with their interval where one was measured. */
export function metricWords({ value, low, high }) {
  const digits = (number) => (Math.abs(number) <= 1 ? decimal(number, 3) : significant(number));
  const interval = low === null || low === undefined || high === null || high === undefined;
  return interval ? digits(value) : `${digits(value)} (${digits(low)}–${digits(high)})`;
}

/** The first figures of a package, large. */
export function metricTiles(metrics, atMost = 4) {
  return h(
    'dl',
    { className: 'metric-tiles' },
    metrics
      .slice(0, atMost)
      .map((metric) =>
        h(
          'div',
          { className: 'metric-tile', title: metric.method },
          h('dt', { lang: makersLang }, metric.name),
          h(
            'dd',
            {},
            Math.abs(metric.value) <= 1 ? decimal(metric.value, 3) : significant(metric.value),
            typeof metric.low === 'number' &&
              typeof metric.high === 'number' &&
              h(
                'span',
                { className: 'metric-tile__interval' },
                t('models.interval', { low: decimal(metric.low, 3), high: decimal(metric.high, 3) }),
              ),
          ),
        ),
      ),
  );
}
