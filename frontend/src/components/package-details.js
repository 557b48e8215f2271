/** A package's manifest and files for reading: preparation of images, suspicion, intended use, provenance. Pure; says only what is declared. */
import { artifactUrl } from '../api.js';
import { h } from '../dom.js';
import { bytes, count, decimal, digestShort, percent } from '../format.js';
import { registryUrl } from '../registry-api.js';
import { english, fieldWords, makersLang } from '../server-words.js';
import { t, tOr } from '../strings/index.js';
import { markdownNodes } from './markdown.js';
import { metricWords } from './package-parts.js';
import { dataTable, fact, panel } from './registry-page.js';

const plotPattern = /\.(svg|png)$/i;

function settingWords(value) {
  if (Array.isArray(value)) return value.map(settingWords).join(' × ');
  if (value === true) return t('models.yes');
  if (value === false) return t('models.no');
  if (value === null) return t('common.none');
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

/** Steps in the order in which they are done, each with its settings. */
export function preprocessingList(profile) {
  return h(
    'ol',
    { className: 'step-list' },
    profile.steps.map(({ step, ...settings }) =>
      h(
        'li',
        {},
        h('span', { className: 'step-list__name' }, tOr(`models.steps.${step}`, step.replaceAll('_', ' '))),
        h(
          'span',
          { className: 'muted' },
          Object.entries(settings).map(([name, value], index) => [
            index > 0 && ' · ',
            fieldWords(name),
            ` ${settingWords(value)}`,
          ]),
        ),
      ),
    ),
  );
}

export function metricsTable(metrics) {
  if (!metrics.length) return h('p', { className: 'muted' }, t('models.noMetrics'));
  const methods = new Set(metrics.map(({ method }) => method));
  const alike = methods.size === 1; // said once above the table, not in every row
  return [
    alike && h('p', { className: 'summary__hint', lang: makersLang }, ...methods),
    dataTable({
      caption: t('models.metrics'),
      columns: [t('models.metric'), t('models.valueInterval'), ...(alike ? [] : [t('models.method')])],
      rows: metrics.map((metric) => [
        english(metric.name),
        metricWords(metric),
        ...(alike ? [] : [english(metric.method)]),
      ]),
    }),
  ];
}

export function answerPanel(manifest) {
  const { suspicion, calibration, explanation, aggregation } = manifest;
  return panel(
    { title: t('models.answers') },
    h(
      'dl',
      { className: 'facts facts--stack' },
      suspicion && fact(t('models.suspicionIs'), english(suspicion.classes.join(' + '))),
      suspicion &&
        fact(
          t('models.threshold'),
          percent(suspicion.threshold),
          suspicion.operating_point &&
            h('p', { className: 'summary__hint', lang: makersLang }, suspicion.operating_point),
        ),
      calibration &&
        fact(t('models.calibration'), t('models.temperature', { value: decimal(calibration.temperature, 3) })),
      explanation && fact(t('models.maps'), `${explanation.method}: ${explanation.targets.join(', ')}`),
      aggregation &&
        fact(
          t('models.aggregation'),
          t('models.aggregationOf', { breast: aggregation.image_to_breast, study: aggregation.breast_to_study }),
        ),
      manifest.input_shape && fact(t('models.input'), manifest.input_shape.join(' × ')),
      manifest.batch_sizes && fact(t('models.batchSizes'), manifest.batch_sizes.join(', ')),
    ),
  );
}

export function usePanel({ intended_use: use }) {
  if (!use) return null;
  return panel(
    { title: t('models.use') },
    h('p', { lang: makersLang }, use.statement),
    h(
      'dl',
      { className: 'facts facts--stack' },
      use.views?.length > 0 && fact(t('result.intendedViews'), use.views.join(', ')),
      use.acquisitions?.length > 0 && fact(t('result.intendedAcquisitions'), english(use.acquisitions.join(', '))),
    ),
    use.not_validated?.length > 0 && [
      h('h3', { className: 'panel__subtitle' }, t('result.notValidated')),
      h(
        'ul',
        { className: 'plain-list' },
        use.not_validated.map((item) => h('li', { lang: makersLang }, item)),
      ),
    ],
  );
}

export function provenancePanel(model) {
  const { provenance } = model.manifest;
  if (!provenance) return null;
  return panel(
    { title: t('models.provenance') },
    h(
      'dl',
      { className: 'facts facts--stack' },
      fact(t('result.digest'), h('code', {}, model.digest)),
      fact(t('models.architecture'), english(provenance.architecture)),
      fact(t('models.parameters'), count(provenance.parameters)),
      fact(t('models.trainedOn'), english(provenance.training_data)),
      fact(t('models.trainedBy'), h('code', {}, provenance.training_command)),
      fact(t('models.licence'), english(provenance.licence)),
      provenance.created && fact(t('models.created'), provenance.created),
      fact(
        t('models.signature'),
        model.signed_by ? t('models.signedBy', { who: model.signed_by }) : t('models.unsigned'),
      ),
    ),
  );
}

export function cardPanel(model) {
  if (!model.card) return null;
  const nodes = markdownNodes(model.card, {
    imageUrl: (path) => registryUrl.file(model.digest, path),
    headingShift: 2,
  });
  return panel({ title: t('models.card'), className: 'markdown' }, nodes);
}

export function plotsPanel(model) {
  const plots = model.files.filter(({ path }) => plotPattern.test(path) && !/golden|example/i.test(path));
  if (!plots.length) return null;
  return panel(
    { title: t('models.plots') },
    h(
      'div',
      { className: 'plot-grid' },
      plots.map(({ path }) => {
        const name = path.split('/').at(-1).replace(plotPattern, '').replaceAll(/[_-]/g, ' ');
        const address = artifactUrl(registryUrl.file(model.digest, path));
        return h(
          'figure',
          { className: 'plot' },
          h('img', { src: address, alt: name, loading: 'lazy', lang: makersLang }),
          h('figcaption', { lang: makersLang }, name),
        );
      }),
    ),
  );
}

export function filesPanel(model) {
  return h(
    'details',
    { className: 'card history' },
    h(
      'summary',
      { className: 'history__summary' },
      t('models.files'),
      h('span', { className: 'history__count' }, model.files.length),
    ),
    dataTable({
      caption: t('models.files'),
      columns: [t('models.file'), t('models.size'), t('result.digest')],
      rows: model.files.map(({ path, size_bytes: size, sha256 }) => [
        h('a', { href: registryUrl.file(model.digest, path), download: '' }, path),
        bytes(size),
        h('code', { title: sha256 }, digestShort(sha256)),
      ]),
    }),
  );
}
