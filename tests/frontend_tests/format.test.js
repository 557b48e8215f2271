import { age, bytes, digestShort, duration, elapsed, percent, significant } from '@/format.js';

const plain = (text) => text.replaceAll('\u00a0', ' ');

it.each([
  [0.734, '73.4%'],
  [0, '0.0%'],
  [1, '100.0%'],
  [0.9996, '>99.9%'],
  [0.0004, '<0.1%'],
  [null, '—'],
  [NaN, '—'],
])('writes the probability %s as %s: doubt is never rounded away', (value, text) => {
  expect(percent(value)).toBe(text);
});

it.each([
  [0, '0'],
  [1.38456, '1.38'],
  [0.000012, '1.20e-5'],
  [-0.31, '-0.31'],
  [undefined, '—'],
])('writes the raw number %s as %s', (value, text) => {
  expect(significant(value)).toBe(text);
});

it.each([
  [0.012, '12 ms'],
  [4.26, '4.3 s'],
  [42, '42 s'],
  [190, '3 min'],
  [4800, '1 h 20 min'],
  [7200, '2 h'],
  [null, '—'],
])('writes %s seconds as %s', (seconds, text) => {
  expect(plain(duration(seconds))).toBe(text);
});

it('tells ages in the largest whole unit and never the future', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  expect(age('2026-03-01T11:57:10Z', now)).toBe('2 minutes ago');
  expect(age('2026-02-28T12:00:00Z', now)).toBe('yesterday');
  expect(age('2026-03-01T12:00:05Z', now)).toBe('now');
  expect(age('nonsense', now)).toBe('—');
});

it('writes sizes with decimal prefixes', () => {
  expect(bytes(0)).toBe('0 B');
  expect(bytes(6_717_000)).toBe('6.7 MB');
  expect(bytes(200_000_000)).toBe('200 MB');
});

it('shortens a digest to twelve digits', () => {
  expect(digestShort(`sha256:${'ab'.repeat(32)}`)).toBe('abababababab');
  expect(digestShort(null)).toBe('—');
});

it('gives no elapsed time where one end is missing', () => {
  expect(elapsed('2026-03-01T12:00:00Z', '2026-03-01T12:00:03.500Z')).toBe(3.5);
  expect(elapsed(null, '2026-03-01T12:00:03Z')).toBeNull();
});
