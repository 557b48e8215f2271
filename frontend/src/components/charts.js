/**
 * Small charts drawn as SVG at the width they have, each with the same numbers as a table below it.
 * Series differ by line and mark as well as by colour. Draws what it is given: no statistics here.
 */
import { h, svg } from '../dom.js';
import { share } from '../format.js';
import { t } from '../strings/index.js';
import { dataTable } from './registry-page.js';

const height = 190;
const margin = { top: 10, right: 26, bottom: 26, left: 52 };
const firstWidth = 520;
const dashes = ['', '6 4', '2 3', '10 3 2 3'];

/** Round steps from 0 to at least `maximum`: [0, step, …]. */
export function ticks(maximum, wanted = 4) {
  if (!(maximum > 0)) return [0, 1];
  const raw = maximum / wanted;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * size).find((one) => one >= raw - 1e-12);
  const steps = Math.ceil(maximum / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** Ticks whose words differ: a chart of few jobs is counted in whole ones, because “1, 1, 1, 0, 0” says nothing. */
export function ticksNamed(maximum, axis) {
  const found = [4, 3, 2]
    .map((wanted) => ticks(maximum, wanted))
    .find((tried) => new Set(tried.map(axis)).size === tried.length);
  return found ?? ticks(maximum, 1);
}

const known = (values) => values.filter((value) => typeof value === 'number' && Number.isFinite(value));

function frame({ width, yTicks, axis, xLabels, xAt, yAt }) {
  const every = Math.max(1, Math.ceil((xLabels.length * 74) / Math.max(1, width - margin.left - margin.right)));
  return [
    yTicks.map((value) => [
      svg('line', { class: 'chart__grid', x1: margin.left, x2: width - margin.right, y1: yAt(value), y2: yAt(value) }),
      svg(
        'text',
        { class: 'chart__tick', x: margin.left - 7, y: yAt(value) + 4, 'text-anchor': 'end' },
        value === 0 ? '0' : axis(value),
      ),
    ]),
    xLabels.map(
      (label, index) =>
        index % every === 0 &&
        svg('text', { class: 'chart__tick', x: xAt(index), y: height - 8, 'text-anchor': 'middle' }, label),
    ),
  ];
}

function pathOf(values, xAt, yAt) {
  let drawing = false;
  return values
    .map((value, index) => {
      if (typeof value !== 'number') {
        drawing = false;
        return '';
      }
      const command = drawing ? 'L' : 'M';
      drawing = true;
      return `${command}${xAt(index).toFixed(1)} ${yAt(value).toFixed(1)}`;
    })
    .join('');
}

function lines({ width, labels, series, format, axis, maximum }) {
  const top = Math.max(maximum ?? 0, ...known(series.flatMap(({ values }) => values)), 0);
  const yTicks = ticksNamed(top, axis);
  const limit = yTicks.at(-1);
  const inner = width - margin.left - margin.right;
  const xAt = (index) => margin.left + (labels.length > 1 ? (inner * index) / (labels.length - 1) : inner / 2);
  const yAt = (value) => margin.top + (height - margin.top - margin.bottom) * (1 - value / limit);
  return [
    frame({ width, yTicks, axis, xLabels: labels, xAt, yAt }),
    series.map(({ name, values }, number) => [
      svg('path', {
        class: `chart__line chart__line--${number}`,
        d: pathOf(values, xAt, yAt),
        'stroke-dasharray': dashes[number % dashes.length] || null,
      }),
      values.map(
        (value, index) =>
          typeof value === 'number' &&
          svg(
            'circle',
            {
              class: `chart__mark chart__mark--${number}`,
              cx: xAt(index),
              cy: yAt(value),
              r: values.length > 60 ? 1.5 : 3,
            },
            svg('title', {}, `${labels[index]} · ${name}: ${format(value)}`),
          ),
      ),
    ]),
  ];
}

function bars({ width, labels, series, format, axis }) {
  const yTicks = ticksNamed(Math.max(0, ...known(series.flatMap(({ values }) => values))), axis);
  const limit = yTicks.at(-1);
  const slot = (width - margin.left - margin.right) / labels.length;
  const barWidth = (slot * 0.76) / series.length;
  const yAt = (value) => margin.top + (height - margin.top - margin.bottom) * (1 - value / limit);
  const xAt = (index) => margin.left + slot * (index + 0.5);
  return [
    frame({ width, yTicks, axis, xLabels: labels, xAt, yAt }),
    series.map(({ name, values }, number) =>
      values.map(
        (value, index) =>
          typeof value === 'number' &&
          svg(
            'rect',
            {
              class: `chart__bar chart__bar--${number}`,
              x: xAt(index) - (barWidth * series.length) / 2 + barWidth * number,
              y: yAt(value),
              width: Math.max(1, barWidth - 1),
              height: Math.max(0, yAt(0) - yAt(value)),
            },
            svg('title', {}, `${labels[index]} · ${name}: ${format(value)}`),
          ),
      ),
    ),
  ];
}

function legend(series, kind) {
  return h(
    'ul',
    { className: 'chart__legend' },
    series.map(({ name }, number) =>
      h(
        'li',
        {},
        svg(
          'svg',
          { class: 'chart__key', viewBox: '0 0 24 10', 'aria-hidden': 'true' },
          kind === 'bars'
            ? svg('rect', { class: `chart__bar chart__bar--${number}`, x: 2, y: 1, width: 20, height: 8 })
            : svg('line', {
                class: `chart__line chart__line--${number}`,
                x1: 0,
                x2: 24,
                y1: 5,
                y2: 5,
                'stroke-dasharray': dashes[number % dashes.length] || null,
              }),
        ),
        name,
      ),
    ),
  );
}

function chart({ kind, title, labels, series, format = String, axis = format, maximum, xName = '', note = null }) {
  const empty = known(series.flatMap(({ values }) => values)).length === 0;
  const body = svg('svg', { class: 'chart__svg', role: 'img', 'aria-label': t('charts.label', { title }) });
  const draw = (width) => {
    body.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const nodes = (kind === 'bars' ? bars : lines)({ width, labels, series, format, axis, maximum });
    body.replaceChildren(...nodes.flat(Infinity).filter(Boolean));
  };
  const node = h(
    'figure',
    { className: 'chart' },
    h('figcaption', { className: 'chart__title' }, title),
    !empty && series.length > 1 && legend(series, kind),
    empty ? h('p', { className: 'chart__empty' }, t('charts.empty')) : body,
    note && h('p', { className: 'chart__note' }, note),
    !empty &&
      h(
        'details',
        { className: 'chart__numbers' },
        h('summary', {}, t('charts.numbers'), h('span', { className: 'visually-hidden' }, ` ${title}`)),
        dataTable({
          caption: title,
          cards: false, // many short rows
          columns: [xName, ...series.map(({ name }) => name)],
          rows: labels.map((label, index) => [
            label,
            ...series.map(({ values }) =>
              typeof values[index] === 'number' ? format(values[index]) : t('common.none'),
            ),
          ]),
        }),
      ),
  );
  if (!empty) {
    draw(firstWidth);
    // the words of a drawing that is merely scaled become too small on a phone
    if (typeof ResizeObserver !== 'undefined') {
      new ResizeObserver(([entry]) => entry.contentRect.width > 0 && draw(Math.round(entry.contentRect.width))).observe(
        node,
      );
    }
  }
  return node;
}

/**
 * `labels` along x; `series`: [{ name, values }] with null where nothing was measured.
 * `format` writes a value in full, `axis` the round ones beside the axis.
 */
export const lineChart = (options) => chart({ ...options, kind: 'lines' });

export const barChart = (options) => chart({ ...options, kind: 'bars' });

/** A share beside an axis: “5%”, “2.5%”. */
export const axisPercent = share;
