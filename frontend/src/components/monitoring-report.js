/** How a deployment does over a window: volume, failures, latency, scores, drift. Bands and words come with the figures; nothing is guessed. */
import { h } from '../dom.js';
import { count, decimal, duration, percent } from '../format.js';
import { modelPath } from '../navigation.js';
import { alertNode } from '../server-words.js';
import { t } from '../strings/index.js';
import { axisPercent, barChart, lineChart } from './charts.js';
import { badge } from './package-parts.js';
import { dataTable, emptyCard, link, panel } from './registry-page.js';

const bandLooks = {
  stable: ['good', 'check'],
  watch: ['warn', 'warning'],
  shifted: ['bad', 'xCircle'],
  too_few_cases: ['quiet', 'pause'],
};
const driftNames = ['suspicion', 'brightness', 'manufacturer', 'size'];

/** Points of time as short words: hours within two days, days beyond. */
export function timeLabels(points, stepSeconds) {
  const options =
    stepSeconds >= 86400
      ? { month: 'short', day: 'numeric' }
      : stepSeconds > 3600
        ? { weekday: 'short', hour: '2-digit', hourCycle: 'h23' }
        : { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };
  const format = new Intl.DateTimeFormat(t('locale'), options);
  return points.map(({ at }) => format.format(new Date(at)));
}

const tile = (name, value, hint = null, badgeNode = null) =>
  h(
    'div',
    { className: 'metric-tile' },
    h('dt', {}, name),
    h('dd', {}, value, hint && h('span', { className: 'metric-tile__interval' }, hint), badgeNode),
  );

function tiles({ totals }) {
  return h(
    'dl',
    { className: 'metric-tiles' },
    tile(t('monitoring.jobs'), count(totals.jobs), t('monitoring.cancelled', { n: count(totals.cancelled) })),
    tile(
      t('monitoring.failureShare'),
      percent(totals.failure_share),
      t('monitoring.failedOf', { n: count(totals.failed) }),
    ),
    tile(
      t('monitoring.latency'),
      duration(totals.latency.p50),
      t('monitoring.p95', { value: duration(totals.latency.p95) }),
    ),
    tile(
      t('monitoring.waiting'),
      duration(totals.waiting.p50),
      t('monitoring.p95', { value: duration(totals.waiting.p95) }),
    ),
    tile(t('monitoring.notAssessable'), percent(totals.not_assessable_share)),
  );
}

function driftNode(name, drift) {
  const [tone, glyph] = bandLooks[drift.band] ?? ['quiet', 'info'];
  const value =
    drift.psi === null
      ? t('monitoring.tooFew', { cases: count(drift.cases), needed: count(drift.needed) })
      : t('monitoring.psi', { value: decimal(drift.psi, 3), cases: count(drift.cases) });
  return h(
    'li',
    { className: 'drift' },
    h('span', { className: 'drift__name' }, t(`monitoring.drifts.${name}`)),
    badge(tone, glyph, t(`monitoring.bands.${drift.band}`)),
    h('span', { className: 'muted' }, value),
  );
}

function driftPanel({ drift, reference }) {
  return panel(
    { title: t('monitoring.drift') },
    h('p', { className: 'summary__hint' }, t('monitoring.driftHint')),
    h(
      'ul',
      { className: 'drifts' },
      driftNames.filter((name) => drift[name]).map((name) => driftNode(name, drift[name])),
    ),
    h(
      'p',
      { className: 'summary__hint' },
      t(`monitoring.reference.${reference.source}`, { cases: count(reference.cases) }),
    ),
  );
}

function scoresPanel({ totals, reference }) {
  const shares = (counts) => {
    const total = counts.reduce((sum, one) => sum + one, 0);
    return counts.map((one) => (total ? one / total : null));
  };
  const bins = Math.max(totals.suspicion.length, reference.suspicion.length, 1);
  return panel(
    { title: t('monitoring.scores') },
    barChart({
      title: t('monitoring.scoresChart'),
      xName: t('result.suspicion'),
      labels: Array.from({ length: bins }, (_, index) => decimal(index / bins, 2)),
      format: percent,
      axis: axisPercent,
      series: [
        { name: t('monitoring.thisWindow'), values: shares(totals.suspicion) },
        { name: t('monitoring.referenceName'), values: shares(reference.suspicion) },
      ],
    }),
  );
}

function meanSuspicion({ suspicion }) {
  const total = suspicion.reduce((sum, one) => sum + one, 0);
  if (!total) return null;
  return suspicion.reduce((sum, one, index) => sum + one * ((index + 0.5) / suspicion.length), 0) / total;
}

function seriesPanels({ points, step_seconds: step }) {
  const labels = timeLabels(points, step);
  const xName = t('monitoring.time');
  const draw = (title, series, options = {}) =>
    panel({ title: t(title) }, lineChart({ title: t(`${title}Chart`), xName, labels, series, ...options }));
  const of = (name, pick) => ({ name: t(name), values: points.map(pick) });
  return [
    draw(
      'monitoring.volume',
      [of('monitoring.succeeded', (p) => p.succeeded), of('monitoring.failed', (p) => p.failed)],
      { format: count },
    ),
    draw(
      'monitoring.latencySeries',
      [
        of('monitoring.median', (p) => p.latency.p50),
        of('monitoring.percentile95', (p) => p.latency.p95),
        of('monitoring.percentile99', (p) => p.latency.p99),
      ],
      { format: duration },
    ),
    draw(
      'monitoring.failureSeries',
      [
        of('monitoring.failureShare', (p) => p.failure_share),
        of('monitoring.notAssessable', (p) => p.not_assessable_share),
      ],
      { format: percent, axis: axisPercent, maximum: 0.05 },
    ),
    draw('monitoring.scoreSeries', [of('monitoring.meanSuspicion', meanSuspicion)], {
      format: percent,
      axis: axisPercent,
      maximum: 1,
    }),
  ];
}

function tallyPanel(title, tally, nameOf) {
  const rows = Object.entries(tally).sort((a, b) => b[1] - a[1]);
  if (!rows.length) return null;
  return panel(
    { title: t(title) },
    dataTable({
      caption: t(title),
      columns: [t(`${title}Column`), t('monitoring.countColumn')],
      rows: rows.map(([name, n]) => [nameOf(name), count(n)]),
    }),
  );
}

function packagesPanel({ packages, package: current }, names) {
  if (packages.length < 2) return null;
  return panel(
    { title: t('monitoring.packages') },
    dataTable({
      caption: t('monitoring.packages'),
      columns: [
        t('worklist.columns.model'),
        t('monitoring.jobs'),
        t('monitoring.failureShare'),
        t('monitoring.percentile95'),
      ],
      rows: packages.map((one) => [
        h(
          'span',
          {},
          h('a', { href: modelPath(one.package) }, names.get(one.package) ?? one.package.slice(7, 19)),
          one.package === current && [' ', badge('accent', 'check', t('monitoring.serves'))],
        ),
        count(one.jobs),
        percent(one.failure_share),
        duration(one.latency.p95),
      ]),
    }),
  );
}

/** `names`: digest → “name version” of packages the page knows. */
export function monitoringReport(series, { names }) {
  if (series.totals.jobs + series.totals.cancelled === 0) {
    return [
      emptyCard({
        title: t('monitoring.emptyTitle'),
        text: t('monitoring.emptyText'),
        glyph: 'pause',
        action: link({ words: t('nav.upload'), href: '/upload', look: 'primary' }),
      }),
    ];
  }
  return [
    tiles(series),
    h('div', { className: 'panel-grid' }, seriesPanels(series), driftPanel(series), scoresPanel(series)),
    h(
      'div',
      { className: 'panel-grid' },
      tallyPanel('monitoring.failures', series.totals.failures, (code) => h('code', {}, code)),
      tallyPanel('monitoring.labels', series.totals.labels, (label) => label),
      packagesPanel(series, names),
    ),
  ];
}

/** Alerts that stand come first; each says what it measured, and who has seen it. `onAcknowledge(alert)`. */
export function alertsPanel(alerts, { onAcknowledge, timeNode }) {
  const standing = alerts.filter((alert) => !alert.resolved_at);
  const rest = alerts.filter((alert) => alert.resolved_at);
  const one = (alert) =>
    h(
      'li',
      { className: `alert-row${alert.resolved_at ? ' alert-row--resolved' : ''}` },
      alert.resolved_at
        ? badge('quiet', 'check', t('monitoring.resolved'))
        : badge('bad', 'warning', t('monitoring.stands')),
      h(
        'div',
        { className: 'alert-row__body' },
        h('p', {}, alertNode(alert)),
        h(
          'p',
          { className: 'muted' },
          t('monitoring.raised'),
          ' ',
          timeNode(alert.raised_at),
          alert.acknowledged_at && [
            ' · ',
            t('monitoring.seenBy', { who: alert.acknowledged_by ?? t('registry.platform') }),
          ],
        ),
      ),
      !alert.acknowledged_at &&
        h(
          'button',
          { type: 'button', className: 'btn btn-sm btn-outline-secondary', onClick: () => onAcknowledge(alert) },
          t('monitoring.acknowledge'),
          h('span', { className: 'visually-hidden' }, ': ', alertNode(alert)),
        ),
    );
  return panel(
    {
      title: t('monitoring.alerts'),
      aside: standing.length
        ? badge('bad', 'warning', t('monitoring.standing', { n: standing.length }))
        : badge('good', 'check', t('monitoring.noneStanding')),
    },
    standing.length > 0 && h('ul', { className: 'alert-list' }, standing.map(one)),
    !standing.length && h('p', { className: 'muted' }, t('monitoring.alertsHint')),
    rest.length > 0 &&
      h(
        'details',
        {},
        h('summary', {}, t('monitoring.resolvedAlerts', { n: rest.length })),
        h('ul', { className: 'alert-list' }, rest.map(one)),
      ),
  );
}
