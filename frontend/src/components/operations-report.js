/** The operators' dashboard from one answer of the API. Data in, nodes out; the figures are the server's. */
import { h, styleSet } from '../dom.js';
import { bytes, count, dateTime, duration, percent } from '../format.js';
import { locale, plural, t, tOr } from '../strings/index.js';
import { barChart, lineChart } from './charts.js';
import { badge } from './package-parts.js';
import { callout, dataTable, panel, timeNode } from './registry-page.js';

const hourFormat = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const dayFormat = new Intl.DateTimeFormat(locale, {
  weekday: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});
const outcomes = ['succeeded', 'failed', 'cancelled'];
const percentiles = ['p50', 'p95', 'p99'];
const diskLowShare = 0.1;

const kindWords = (kind) => tOr(`operations.kinds.${kind}`, tOr(`operationsTime.kinds.${kind}`, kind));

/** Kinds of which none is alive: what a whole platform has, and what has reported once. A replaced process is no loss. */
function kindsMissing({ processes, missing = [] }) {
  const alive = new Set(processes.filter((process) => process.alive).map(({ kind }) => kind));
  return [...new Set([...missing, ...processes.map(({ kind }) => kind)])].filter((kind) => !alive.has(kind));
}

const lastWords = ({ window }) => t(`operationsTime.last.w${window}`);
const labelsOf = ({ window, throughput: steps }) =>
  steps.map(({ at }) => (window === '7d' ? dayFormat : hourFormat).format(new Date(at)));

const total = (hours, outcome) => hours.reduce((sum, hour) => sum + hour[outcome], 0);

function tile(name, value, { note = null, tone = null } = {}) {
  return h(
    'div',
    { className: `metric-tile${tone ? ` metric-tile--${tone}` : ''}` },
    h('dt', {}, name),
    h('dd', {}, value, note && h('span', { className: 'metric-tile__interval' }, note)),
  );
}

function tiles(report) {
  const waiting = report.queues.reduce((sum, queue) => sum + queue.waiting, 0);
  const oldest = Math.max(...report.queues.map((queue) => queue.oldest_seconds ?? -1));
  const alive = report.processes.filter((process) => process.alive).length;
  const missing = kindsMissing(report);
  const failed = total(report.throughput, 'failed');
  const silent = report.processes.length - alive;
  return h(
    'dl',
    { className: 'metric-tiles' },
    tile(t('operations.finished'), count(total(report.throughput, 'succeeded')), { note: lastWords(report) }),
    tile(t('operations.failed'), count(failed), { note: lastWords(report), tone: failed ? 'bad' : null }),
    tile(t('operations.waiting'), count(waiting), {
      note: oldest >= 0 ? t('operations.oldest', { time: duration(oldest) }) : t('operations.nobodyWaits'),
    }),
    tile(t('operationsTime.totalMedian'), duration(report.total_seconds.p50), {
      note: t('operations.p95Of', { time: duration(report.total_seconds.p95) }),
    }),
    tile(t('operations.alive'), count(alive), {
      note: missing.length
        ? t('operations.missing', { kinds: missing.map(kindWords).join(', ') })
        : t(silent ? 'operations.everyKindAlive' : 'operations.allAlive'),
      tone: missing.length ? 'bad' : null,
    }),
    tile(t('operations.diskFree'), bytes(report.storage.disk_free_bytes), {
      note: t('operations.diskOf', { size: bytes(report.storage.disk_total_bytes) }),
      tone: report.storage.disk_free_bytes < diskLowShare * report.storage.disk_total_bytes ? 'bad' : null,
    }),
  );
}

function throughput(report) {
  return panel(
    { title: t('operations.throughput'), aside: lastWords(report) },
    barChart({
      title: t('operationsTime.throughputChart'),
      xName: t(`operationsTime.step.w${report.window}`),
      labels: labelsOf(report),
      series: outcomes.map((name) => ({
        name: t(`operations.outcomes.${name}`),
        values: report.throughput.map((step) => step[name]),
      })),
      format: count,
    }),
  );
}

/** The line chart in a sentence: what it shows to whoever does not see it, and what to look at first. */
export function turnaroundSummary({ throughput: steps, total_seconds: all }) {
  const worst = steps.reduce((one, step) => ((step.total_p95 ?? -1) > (one?.total_p95 ?? -1) ? step : one), null);
  if (!all.jobs || worst?.total_p95 === undefined || worst.total_p95 === null) return t('operationsTime.summaryNone');
  return t('operationsTime.summary', {
    jobs: count(all.jobs),
    p50: duration(all.p50),
    p95: duration(all.p95),
    at: dateTime(worst.at),
    worst: duration(worst.total_p95),
  });
}

function turnaround(report) {
  return panel(
    { title: t('operationsTime.total'), aside: lastWords(report) },
    lineChart({
      title: t('operationsTime.totalChart'),
      xName: t(`operationsTime.step.w${report.window}`),
      labels: labelsOf(report),
      series: [
        { name: t('operationsTime.median'), values: report.throughput.map((step) => step.total_p50) },
        { name: t('operationsTime.p95'), values: report.throughput.map((step) => step.total_p95) },
      ],
      format: duration,
      note: turnaroundSummary(report),
    }),
  );
}

function queues({ queues: rows }) {
  return panel(
    { title: t('operations.queues') },
    dataTable({
      caption: t('operations.queues'),
      columns: ['priority', 'waiting', 'oldest', 'sites'].map((name) => t(`operations.queueColumns.${name}`)),
      rows: rows.map((queue) => [
        tOr(`priority.${queue.priority}`, queue.priority),
        count(queue.waiting),
        queue.oldest_seconds === null ? t('common.none') : duration(queue.oldest_seconds),
        queue.sites.length
          ? queue.sites.map(({ site, waiting }) => t('operations.siteWaits', { site, n: count(waiting) })).join(', ')
          : t('common.none'),
      ]),
    }),
  );
}

const percentileCells = (found) => [...percentiles.map((one) => duration(found[one])), count(found.jobs)];
const percentileColumns = (first) => [
  first,
  ...percentiles.map((name) => t(`operations.percentiles.${name}`)),
  t('operations.jobs'),
];

function latency(report) {
  return panel(
    { title: t('operations.latency'), aside: lastWords(report) },
    dataTable({
      caption: t('operations.latency'),
      className: 'data-table--figures',
      columns: percentileColumns(t('operations.what')),
      rows: [
        [t('operationsTime.total_seconds'), ...percentileCells(report.total_seconds)],
        ...['wait_seconds', 'run_seconds'].map((name) => [t(`operations.${name}`), ...percentileCells(report[name])]),
      ],
    }),
    h('p', { className: 'form-text' }, t('operations.latencyHint')),
  );
}

const stageOrder = ['model', 'fetch', 'preprocess', 'infer', 'explain', 'aggregate', 'store'];
const stagePlace = ({ stage }) => stageOrder.indexOf(stage) + 1 || stageOrder.length + 1;

function stages(report) {
  const rows = [...report.stages].sort((one, other) => stagePlace(one) - stagePlace(other));
  return panel(
    { title: t('operationsTime.stages'), aside: lastWords(report) },
    rows.length
      ? dataTable({
          caption: t('operationsTime.stages'),
          className: 'data-table--figures',
          columns: percentileColumns(t('operationsTime.stage')),
          rows: rows.map((row) => [tOr(`result.elapsedStages.${row.stage}`, row.stage), ...percentileCells(row)]),
        })
      : h('p', { className: 'muted' }, t('operationsTime.stagesNone')),
  );
}

/** `titles`: Map of code → title from the catalogue. */
function failures(report, titles) {
  const rows = report.failures;
  return panel(
    { title: t('operations.failures'), aside: lastWords(report) },
    rows.length
      ? dataTable({
          caption: t('operations.failures'),
          columns: [t('operations.failure'), t('operations.jobs')],
          rows: rows.map(({ code, jobs }) => [
            [titles.has(code) && h('span', { className: 'd-block' }, titles.get(code)), h('code', {}, code)],
            count(jobs),
          ]),
        })
      : h('p', { className: 'muted' }, t('operations.noFailures')),
  );
}

function processRow(process, missing) {
  return [
    [
      h('span', { className: 'd-block' }, kindWords(process.kind)),
      h('code', { className: 'operations__name' }, process.name),
    ],
    process.alive
      ? badge('good', 'check', t('operations.isAlive'))
      : badge(missing.includes(process.kind) ? 'bad' : 'quiet', 'xCircle', t('operations.isSilent')),
    process.device ?? t('common.none'),
    process.concurrency ? t('operations.busyOf', { n: process.active, of: process.concurrency }) : t('common.none'),
    process.resident_memory_bytes ? bytes(process.resident_memory_bytes) : t('common.none'),
    process.software_version ?? t('common.none'),
    timeNode(process.last_seen_at),
  ];
}

function processes(report) {
  const rows = report.processes;
  const missing = kindsMissing(report);
  const shown = rows.filter(({ alive, kind }) => alive || missing.includes(kind));
  const gone = rows.filter((process) => !shown.includes(process));
  const table = (caption, some) =>
    dataTable({
      caption,
      columns: ['name', 'state', 'device', 'busy', 'memory', 'version', 'seen'].map((name) =>
        t(`operations.processColumns.${name}`),
      ),
      rows: some.map((process) => processRow(process, missing)),
    });
  return panel(
    { title: t('operations.processes') },
    missing.length > 0 &&
      callout({
        tone: 'bad',
        live: false,
        title: t('operationsTime.missingTitle', { kinds: missing.map(kindWords).join(', ') }),
        text: t('operationsTime.missingText'),
      }),
    shown.length
      ? table(t('operations.processes'), shown)
      : h('p', { className: 'muted' }, t('operations.noProcesses')),
    gone.length > 0 &&
      h(
        'details',
        { className: 'more' },
        h('summary', {}, plural('operations.gone', gone.length)),
        table(t('operations.goneCaption'), gone),
      ),
  );
}

function storage({ storage: held }) {
  const used = held.disk_total_bytes - held.disk_free_bytes;
  const share = held.disk_total_bytes ? used / held.disk_total_bytes : 0;
  const fill = styleSet(h('span', { className: 'meter__fill' }), { width: `${(share * 100).toFixed(1)}%` });
  return panel(
    { title: t('operations.storage') },
    h('div', { className: `meter${share > 1 - diskLowShare ? ' meter--bad' : ''}`, 'aria-hidden': 'true' }, fill),
    h(
      'p',
      { className: 'operations__disk' },
      t('operations.diskUsed', {
        used: bytes(used),
        total: bytes(held.disk_total_bytes),
        share: percent(share),
      }),
    ),
    dataTable({
      caption: t('operations.storage'),
      columns: [t('operations.what'), t('operations.size')],
      rows: ['images', 'incoming', 'database'].map((name) => [
        t(`operations.held.${name}`),
        bytes(held[`${name}_bytes`]),
      ]),
    }),
  );
}

function inService({ in_service: rows }) {
  return panel(
    { title: t('operations.inService') },
    rows.length
      ? dataTable({
          caption: t('operations.inService'),
          columns: [t('operations.deployment'), t('operations.scope'), t('operations.package')],
          rows: rows.map((row) => [
            row.deployment,
            row.site ?? t('deployments.everySite'),
            h('a', { href: `/models/${encodeURIComponent(row.digest)}` }, row.package),
          ]),
        })
      : h('p', { className: 'muted' }, t('operations.nothingServes')),
  );
}

export function operationsReport(report, { titles = new Map() } = {}) {
  return [
    tiles(report),
    turnaround(report),
    throughput(report),
    h(
      'div',
      { className: 'panel-grid' },
      latency(report),
      stages(report),
      queues(report),
      failures(report, titles),
      storage(report),
      inService(report),
    ),
    processes(report),
  ];
}
