import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { plural, t } from '@/strings/index.js';

it('fills values in and leaves unknown braces alone', () => {
  expect(t('worklist.attempt', { n: 2, max: 3 })).toBe('attempt 2 of 3');
  expect(t('worklist.attempt', { n: 2 })).toBe('attempt 2 of {max}');
});

it('picks the plural by count', () => {
  expect(plural('upload.count', 1)).toBe('1 image');
  expect(plural('upload.count', 4)).toBe('4 images');
});

it('refuses a key that is not in the catalogue', () => {
  expect(() => t('no.such.key')).toThrow(RangeError);
});

it('has every key that pages and templates ask for by name', () => {
  const roots = ['src', 'templates'].map((folder) => path.resolve(folder));
  const files = roots.flatMap((root) =>
    readdirSync(root, { recursive: true })
      .filter((name) => /\.(js|ejs)$/.test(name))
      .map((name) => path.join(root, name)),
  );
  const asked = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\bt\('([a-z]\w*(?:\.\w+)+)'/gi)].map(([, key]) => key),
  );
  expect(asked.length).toBeGreaterThan(150);
  for (const key of new Set(asked)) {
    expect(() => t(key), key).not.toThrow();
  }
});
