/** What a worker found when it proved a package: every item with its verdict, figures on demand, and how fast it is. */
import { h } from '../dom.js';
import { bytes, dateTime, duration, significant } from '../format.js';
import { english, fieldWords } from '../server-words.js';
import { t, tOr } from '../strings/index.js';
import { barChart } from './charts.js';
import { failureCode } from './failure-code.js';
import { icon } from './icons.js';
import { badge, validationBadge } from './package-parts.js';
import { callout, fact, timeNode } from './registry-page.js';

const looks = {
  passed: ['good', 'check'],
  warning: ['warn', 'warning'],
  failed: ['bad', 'xCircle'],
  skipped: ['quiet', 'skip'],
};

function valueWords(value) {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : significant(value, 4);
  if (value !== null && typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

function itemNode(item) {
  const verdict = item.verdict.toLowerCase();
  const [tone, glyph] = looks[verdict] ?? ['quiet', 'info'];
  const figures = Object.entries(item.figures ?? {});
  const head = [
    badge(tone, glyph, tOr(`checks.verdicts.${verdict}`, item.verdict)),
    h(
      'span',
      { className: 'check-item__title' },
      tOr(`checks.items.${item.name}`, item.title || item.name.replaceAll('_', ' ')),
    ),
    h('span', { className: 'check-item__seconds' }, duration(item.seconds)),
  ];
  const more = [
    item.failure && h('p', {}, `${item.failure.message} ${item.failure.action}`),
    item.detail && h('p', { className: 'muted' }, english(item.detail)),
    item.code && h('p', {}, `${t('common.code')} `, failureCode(item.code)),
    figures.length > 0 &&
      h(
        'dl',
        { className: 'facts facts--stack' },
        figures.map(([name, value]) => fact(fieldWords(name), valueWords(value))),
      ),
  ].filter(Boolean);
  return h(
    'li',
    { className: `check-item check-item--${verdict}` },
    more.length
      ? h(
          'details',
          { open: verdict === 'failed' },
          h('summary', {}, head),
          h('div', { className: 'check-item__more' }, more),
        )
      : h('div', { className: 'check-item__plain' }, head),
  );
}

function performanceNodes(performance) {
  if (!performance?.length) return null;
  const labels = performance.map(({ batch_size: size }) => t('checks.batch', { n: size }));
  const chartOf = (title, name, format) =>
    barChart({
      title: t(title),
      xName: t('checks.batchSize'),
      labels,
      format,
      series: [{ name: t(title), values: performance.map((row) => row[name] ?? null) }],
    });
  return h(
    'div',
    { className: 'chart-grid' },
    chartOf('checks.latency', 'median_seconds', duration),
    chartOf('checks.memory', 'peak_memory_bytes', bytes),
    chartOf('checks.throughput', 'images_per_second', (value) => significant(value)),
  );
}

/** A check that is still under way. */
export function checkProgress(check) {
  const known = check.steps_total > 0;
  return h(
    'div',
    { className: 'check-progress' },
    h(
      'p',
      {},
      validationBadge(check.state),
      ' ',
      check.state === 'QUEUED'
        ? t('checks.waiting')
        : t('checks.step', {
            step: tOr(`checks.items.${check.step}`, (check.step ?? '').replaceAll('_', ' ')),
            done: check.steps_done ?? 0,
            total: check.steps_total ?? 0,
          }),
    ),
    h('progress', {
      className: 'meter',
      max: known ? check.steps_total : 1,
      value: known ? check.steps_done : null,
      'aria-label': t('checks.progress'),
    }),
  );
}

/** The whole of one check, ended or not. */
export function checkReport(check) {
  if (check.state === 'QUEUED' || check.state === 'RUNNING') return checkProgress(check);
  const { failure, report } = check;
  return h(
    'div',
    { className: 'check-report' },
    failure &&
      callout({
        tone: 'bad',
        title: failure.title,
        text: failure.message,
        children: [failure.action && h('p', {}, failure.action), h('p', {}, failureCode(failure.code))],
      }),
    h(
      'p',
      { className: 'check-report__where' },
      t('checks.where', {
        worker: check.worker || t('common.unknown'),
        provider: check.provider || report?.provider || t('common.unknown'),
        time: dateTime(check.finished_at),
      }),
    ),
    report?.items?.length > 0 && h('ul', { className: 'check-items' }, report.items.map(itemNode)),
    report && performanceNodes(report.performance),
    report?.software &&
      Object.keys(report.software).length > 0 &&
      h(
        'p',
        { className: 'summary__hint' },
        Object.entries(report.software)
          .map(([name, version]) => `${name} ${valueWords(version)}`)
          .join(' · '),
      ),
  );
}

/** One line a check; `onOpen(check)` shows its report. */
export function checkHistory(checks, { onOpen }) {
  return h(
    'ul',
    { className: 'check-history' },
    checks.map((check) =>
      h(
        'li',
        {},
        validationBadge(check.state),
        h('span', {}, tOr(`checks.kinds.${check.kind}`, check.kind)),
        h('span', { className: 'muted' }, timeNode(check.finished_at ?? check.requested_at)),
        h('span', { className: 'muted' }, [check.worker, check.provider].filter(Boolean).join(' · ')),
        h(
          'button',
          { type: 'button', className: 'btn btn-sm btn-outline-secondary', onClick: () => onOpen(check) },
          icon('clipboard'),
          ` ${t('checks.show')}`,
        ),
      ),
    ),
  );
}
