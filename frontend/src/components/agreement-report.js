/** How a candidate agrees with what serves, in figures, charts and the cases that disagree most. Shows; computes nothing. */
import { h, visuallyHidden } from '../dom.js';
import { count, decimal, duration, percent, significant } from '../format.js';
import { jobPath, jobsComparePath } from '../navigation.js';
import { plural, t } from '../strings/index.js';
import { axisPercent, barChart } from './charts.js';
import { badge } from './package-parts.js';
import { callout, dataTable, emptyCard, fact, link, panel } from './registry-page.js';

const shownAtOnce = 10;
const none = (value) => value === null || value === undefined;
const tile = (name, value, hint = null) =>
  h(
    'div',
    { className: 'metric-tile' },
    h('dt', {}, name),
    h('dd', {}, value, hint && h('span', { className: 'metric-tile__interval' }, hint)),
  );

function headTiles(report) {
  const { label_agreement: labels } = report;
  const interval = none(labels.low)
    ? null
    : t('agreement.interval', { low: percent(labels.low), high: percent(labels.high) });
  return h(
    'dl',
    { className: 'metric-tiles' },
    tile(t('agreement.jobs'), count(report.jobs_compared)),
    tile(t('agreement.labels'), percent(labels.share), interval),
    tile(t('agreement.flips'), count(report.threshold_flips), t('agreement.flipsHint')),
    tile(t('agreement.assessment'), percent(report.assessment_agreement)),
    tile(
      t('agreement.correlation'),
      none(report.suspicion_correlation) ? t('common.none') : decimal(report.suspicion_correlation, 3),
      t('agreement.correlationHint'),
    ),
  );
}

function confusionPanel({ labels, confusion }) {
  if (!labels.length) return null;
  return panel(
    { title: t('agreement.confusion') },
    h('p', { className: 'summary__hint' }, t('agreement.confusionHint')),
    dataTable({
      caption: t('agreement.confusion'),
      className: 'confusion',
      cards: false, // a matrix is read both ways
      columns: [t('agreement.inService'), ...labels],
      rows: labels.map((label, row) => [
        label,
        ...labels.map((_, column) =>
          h(
            'span',
            {
              className: row === column ? 'confusion__same' : confusion[row][column] > 0 ? 'confusion__other' : 'muted',
            },
            count(confusion[row][column]),
          ),
        ),
      ]),
    }),
  );
}

function differencePanel({ probability_difference: difference }) {
  const { edges, counts } = difference.histogram;
  const labels = counts.map((_, index) => `${significant(edges[index])}–${significant(edges[index + 1])}`);
  return panel(
    { title: t('agreement.difference') },
    barChart({
      title: t('agreement.differenceChart'),
      xName: t('agreement.differenceX'),
      labels,
      format: count,
      series: [{ name: t('agreement.cases'), values: counts }],
    }),
    h(
      'dl',
      { className: 'facts' },
      ['mean', 'median', 'p95', 'maximum'].map((name) =>
        fact(t(`agreement.${name}`), none(difference[name]) ? t('common.none') : significant(difference[name])),
      ),
    ),
  );
}

function suspicionPanel({ suspicion, paired }) {
  if (!suspicion?.primary) return null;
  const shares = ({ counts }) => {
    const total = counts.reduce((sum, one) => sum + one, 0);
    return counts.map((one) => (total ? one / total : null));
  };
  const bins = suspicion.primary.counts.length;
  return panel(
    { title: t('agreement.suspicion') },
    barChart({
      title: t('agreement.suspicionChart'),
      xName: t('result.suspicion'),
      labels: suspicion.primary.counts.map((_, index) => decimal(index / bins, 2)),
      format: percent,
      axis: axisPercent,
      series: ['primary', 'candidate'].map((side) => ({
        name: t(`agreement.${side}`),
        values: shares(suspicion[side]),
      })),
      note: paired ? null : t('agreement.populations'),
    }),
  );
}

function operationPanel({ latency, failures }) {
  const cell = (side, name) => (none(latency[side][name]) ? t('common.none') : duration(latency[side][name]));
  const failed = ({ jobs, failed: bad, codes }) => [
    t('agreement.failedOf', { failed: count(bad), jobs: count(jobs) }),
    Object.entries(codes ?? {}).map(([code, n]) => h('div', {}, h('code', {}, code), ` × ${count(n)}`)),
  ];
  return panel(
    { title: t('agreement.operation') },
    dataTable({
      caption: t('agreement.operation'),
      columns: [t('agreement.figure'), t('agreement.primary'), t('agreement.candidate')],
      rows: [
        [t('agreement.latencyMedian'), cell('primary', 'median'), cell('candidate', 'median')],
        [t('agreement.latencyP95'), cell('primary', 'p95'), cell('candidate', 'p95')],
        [t('agreement.failures'), failed(failures.primary), failed(failures.candidate)],
      ],
    }),
  );
}

const sideWords = ({ label, assessed, suspicion }) =>
  assessed ? `${label ?? t('common.none')} · ${percent(suspicion)}` : t('result.notAssessableTitle');

/** What is different in a pair: the worst of it, in words. */
function differenceWords({ left, right, flipped }) {
  if (left.assessed !== right.assessed) return badge('warn', 'swap', t('agreement.assessedByOne'));
  if (flipped) return badge('warn', 'swap', t('agreement.flipped'));
  if (left.label !== right.label) return badge('info', 'swap', t('agreement.otherLabel'));
  return t('agreement.differsBy', { value: significant(Math.abs(left.suspicion - right.suspicion)) });
}

function disagreementsTable(pairs, first) {
  const caption = t('agreement.disagreements');
  const columns = [t('agreement.case'), t('agreement.primary'), t('agreement.candidate'), t('agreement.kind')];
  return dataTable({
    caption: first ? t('agreement.more', { from: first + 1 }) : caption,
    className: 'data-table--buttons',
    columns: [...columns, visuallyHidden(t('agreement.open'))],
    rows: pairs.map((pair, index) => [
      h('a', { href: jobPath(pair.origin) }, t('agreement.caseNumber', { n: first + index + 1 })),
      sideWords(pair.left),
      sideWords(pair.right),
      differenceWords(pair),
      link({
        words: t('agreement.open'),
        href: jobsComparePath(pair.origin, pair.candidate),
        glyph: 'columns',
        small: true,
      }),
    ]),
  });
}

function disagreementsPanel({ disagreements }) {
  const [first, rest] = [disagreements.slice(0, shownAtOnce), disagreements.slice(shownAtOnce)];
  return panel(
    { title: t('agreement.disagreements') },
    first.length ? disagreementsTable(first, 0) : h('p', { className: 'muted' }, t('agreement.noDisagreements')),
    rest.length > 0 &&
      h(
        'details',
        { className: 'more' },
        h('summary', {}, plural('agreement.rest', rest.length)),
        disagreementsTable(rest, shownAtOnce),
      ),
  );
}

export function agreementReport(report) {
  if (report.paired && report.jobs_compared === 0) {
    return [
      emptyCard({ title: t('agreement.emptyTitle'), text: t('agreement.emptyText'), glyph: 'pause' }),
      operationPanel(report),
    ];
  }
  const charts = h(
    'div',
    { className: 'panel-grid' },
    report.paired && differencePanel(report),
    suspicionPanel(report),
    report.paired && confusionPanel(report),
    operationPanel(report),
  );
  if (!report.paired)
    return [
      callout({ tone: 'info', title: t('agreement.populationsTitle'), text: t('agreement.populations') }),
      charts,
    ];
  return [headTiles(report), charts, disagreementsPanel(report)];
}
