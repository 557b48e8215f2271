/** Numbers, times and sizes as people read them in this page's language. Pure; the clock is handed in. */
import { locale, t } from './strings/index.js';

const percentFormat = new Intl.NumberFormat(locale, {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const shareFormat = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 4 });
const countFormat = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const relativeFormat = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
const dateFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });

/** A probability in [0, 1] as a percentage. Never rounds a doubt away: 0.9996 is “>99.9 %”, 0.0004 is “<0.1 %”. */
export function percent(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return t('common.none');
  if (value > 0 && value < 0.001) return `<${percentFormat.format(0.001)}`;
  if (value < 1 && value > 0.999) return `>${percentFormat.format(0.999)}`;
  return percentFormat.format(value);
}

/** A share in [0, 1] as a percentage with no more digits than it has: 0 is “0%”, 0.125 is “12.5%”. For ends and ticks of scales. */
export const share = (value) => shareFormat.format(value);

/** A number with exactly so many decimals, without thousands apart. */
export const decimal = (value, digits) =>
  value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });

const shortened = (value, options) => value.toLocaleString(locale, { ...options, useGrouping: false });

/** A raw number with three significant digits. */
export function significant(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return t('common.none');
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e5) {
    const [digitsOf, exponent] = value.toExponential(digits - 1).split('e');
    return `${decimal(Number(digitsOf), digits - 1)}e${exponent}`;
  }
  return shortened(value, { maximumSignificantDigits: digits });
}

/** A whole number with thousands apart: 12,340. */
export function count(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return t('common.none');
  return countFormat.format(Math.round(value));
}

/** Square millimetres with three significant digits, whole from 100 upward: 4.25 mm², 1,234 mm². */
export function area(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return t('common.none');
  return `${value >= 100 ? count(value) : significant(value)}\u00a0mm²`;
}

/** Seconds as “340 ms”, “8 s”, “3 min”, “1 h 20 min”. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return t('common.none');
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))}\u00a0ms`;
  if (seconds < 10) return `${shortened(seconds, { maximumFractionDigits: 1 })}\u00a0s`;
  if (seconds < 90) return `${Math.round(seconds)}\u00a0s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes}\u00a0min`;
  const rest = minutes % 60;
  return rest ? `${Math.floor(minutes / 60)}\u00a0h ${rest}\u00a0min` : `${minutes / 60}\u00a0h`;
}

const steps = [
  [60, 'second', 1],
  [3600, 'minute', 60],
  [86400, 'hour', 3600],
  [2592000, 'day', 86400],
  [31536000, 'month', 2592000],
  [Infinity, 'year', 31536000],
];

/** An ISO time as “2 minutes ago”. A clock a little ahead of ours reads as now, not as the future. */
export function age(isoTime, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(isoTime)) / 1000);
  if (Number.isNaN(seconds)) return t('common.none');
  if (seconds < 10) return relativeFormat.format(0, 'second');
  const [, unit, size] = steps.find(([limit]) => seconds < limit);
  return relativeFormat.format(-Math.floor(seconds / size), unit);
}

export function dateTime(isoTime) {
  const at = Date.parse(isoTime);
  return Number.isNaN(at) ? t('common.none') : dateFormat.format(at);
}

/** Bytes with decimal prefixes, as file managers show them. */
export function bytes(count) {
  if (!Number.isFinite(count)) return t('common.none');
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${shortened(value, { maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 })} ${units[unit]}`;
}

/** The first twelve digits of “sha256:…”: enough to tell packages apart on a page; the whole stands in its title. */
export function digestShort(digest) {
  if (typeof digest !== 'string') return t('common.none');
  return digest.replace(/^sha256:/, '').slice(0, 12);
}

/** Seconds between two ISO times, or null when one is missing. */
export function elapsed(from, to) {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}
