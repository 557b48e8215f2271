/**
 * The server speaks English; known codes are worded by this page's catalogue (`server` in catalogue-<language>.js). What it does
 * not know stays as the server said it, marked as English so that it is spoken rightly. Codes alone decide, never words.
 */
import { h } from './dom.js';
import { duration, percent, significant } from './format.js';
import { locale, t, tOr } from './strings/index.js';

const isEnglish = locale === 'en';

/** The server's own English as a child for `h`. */
export const english = (text) => (isEnglish || !text ? text : h('span', { lang: 'en' }, text));

/**
 * The `lang` of what a package says of itself (its title, its classes, its limits, its card), which is its maker's and never
 * translated. Manifests name no language; packages are written in English. Null on an English page.
 */
export const makersLang = isEnglish ? null : 'en';

const partOf = (code, name) =>
  tOr(`server.failures.${code}.${name}`, null) ?? tOr(`server.problems.${code}.${name}`, null);

/** A problem document: what stays English is listed under `english`. */
function problemTold(problem) {
  const { code } = problem;
  const words = { title: partOf(code, 'title'), detail: partOf(code, 'message'), action: partOf(code, 'action') };
  const left = Object.keys(words).filter((name) => words[name] === null);
  return { ...problem, ...Object.fromEntries(Object.entries(words).filter(([, text]) => text)), english: left };
}

/** An entry of a problem's list about one file: the code's words; what the server adds in brackets is kept as `aside`. */
function entryTold(entry) {
  const message = partOf(entry.code, 'message');
  if (message === null) return { ...entry, english: true };
  return { ...entry, message, aside: /\.( \(.*\))$/s.exec(entry.message)?.[1] ?? '' };
}

function failureTold(failure) {
  const title = partOf(failure.code, 'title');
  if (title === null) return failure;
  return { ...failure, title, message: partOf(failure.code, 'message'), action: partOf(failure.code, 'action') };
}

/** Puts the page's words into one object of an answer, where it is a problem, a failure or a caution. */
export function told(value) {
  if (value === null || typeof value !== 'object' || typeof value.code !== 'string') return value;
  if (typeof value.status === 'number' && 'title' in value) return problemTold(value);
  if (typeof value.message !== 'string') return value;
  if ('title' in value) return failureTold(value);
  if ('field' in value) return entryTold(value);
  return { ...value, message: tOr(`server.cautions.${value.code}`, value.message, value.values ?? {}) };
}

/** Reads an answer's text in this page's language. Throws as JSON.parse does. */
export const answerParse = (text) => (isEnglish ? JSON.parse(text) : JSON.parse(text, (_key, value) => told(value)));

/** The name of a fact as the server lists it (“latency_p95_seconds”), as words: a child for `h`. */
export const fieldWords = (name) => tOr(`server.fields.${name}`, null) ?? english(name.replaceAll('_', ' '));

/** What a length measured on this image rests on. */
export const measuringWords = (image) =>
  tOr(`server.measuring.${image.spacing_plane ?? 'none'}`, image.measuring_text ?? '');

/** What the figures of a mask rest on, or that nothing was segmented. */
export function segmentationWords(found) {
  if (found.regions === 0) {
    return tOr('server.segmentation.nothing', found.text, {
      threshold: percent(found.threshold),
      maximum: percent(Math.min(found.maximum_probability, found.threshold - 0.001)), // never rounded up to the threshold
    });
  }
  return tOr(`server.segmentation.${found.spacing_plane ?? 'none'}`, found.text);
}

/** What the colours of a heatmap mean. */
export function scalingWords(map) {
  const known = map.scaling === 'package_reference' ? 'result.scalingPackage' : 'result.scalingImage';
  const reach = percent(map.scale_maximum > 0 ? map.raw_maximum / map.scale_maximum : 0);
  return tOr(`server.scaling.${map.scaling}`, map.scaling_text ?? t(known), { reach });
}

const alertFigures = {
  failure_share: percent,
  not_assessable_share: percent,
  latency_p95: duration,
  queue_wait: duration,
};

/** What an alert says, as a child for `h`. One that a rule raised keeps the rule's own words. */
export function alertNode(alert) {
  const figure = alertFigures[alert.metric] ?? significant;
  const where = [alert.deployment, alert.site && `(${alert.site})`].filter(Boolean).join(' ');
  const values = { where, value: figure(alert.value), threshold: figure(alert.threshold) };
  return tOr(`server.alerts.${alert.metric}`, null, values) ?? english(alert.message);
}
