import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { enAdministration } from '@/strings/en-administration.js';
import { enDeployments } from '@/strings/en-deployments.js';
import { enOnboarding } from '@/strings/en-onboarding.js';
import { enOperations } from '@/strings/en-operations.js';
import { esOnboarding } from '@/strings/es-onboarding.js';
import { esOperations } from '@/strings/es-operations.js';
import { enRegistry } from '@/strings/en-registry.js';
import { en } from '@/strings/en.js';
import { enWorklist } from '@/strings/en-worklist.js';
import { plural, t } from '@/strings/index.js';

/** The text of every file that asks for strings. */
function sources() {
  return ['src', 'templates', 'build'].flatMap((folder) =>
    readdirSync(path.resolve(folder), { recursive: true })
      .filter((name) => /\.(js|ejs)$/.test(name) && !name.startsWith('strings'))
      .map((name) => readFileSync(path.resolve(folder, name), 'utf8')),
  );
}

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
  const asked = sources().flatMap((source) =>
    [...source.matchAll(/\b(t|plural)\('([a-z]\w*(?:\.\w+)+)'/gi)].map(([, how, key]) =>
      how === 'plural' ? `${key}.other` : key,
    ),
  );
  expect(asked.length).toBeGreaterThan(150);
  for (const key of new Set(asked)) {
    expect(() => t(key), key).not.toThrow();
  }
});

/** Dotted paths of all strings; the forms of a plural count as one. */
function pathsOf(node, at = []) {
  if (typeof node === 'string') return [at.join('.')];
  if (typeof node.other === 'string' && Object.keys(node).every((form) => form === 'one' || form === 'other')) {
    return [at.join('.')];
  }
  return Object.entries(node).flatMap(([name, inner]) => pathsOf(inner, [...at, name]));
}

it('holds no string that nothing asks for', () => {
  const source = sources().join('\n');
  const literals = new Set([...source.matchAll(/['"]([a-z]\w*(?:\.\w+)*)['"]/gi)].map(([, text]) => text));
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const made = [...source.matchAll(/`([\w.]*\$\{[^`]*)`/g)].map(([, text]) => text.split(/\$\{[^}]*\}/));
  // “deployments.decisions.${decision}Title”: a place for one word
  const patterns = made
    .filter(([first]) => first.includes('.'))
    .map((parts) => new RegExp(`^${parts.map(escaped).join('\\w+')}$`));
  // “${title}Chart”: a whole path that stands elsewhere, and an ending
  const endings = made.filter(([first, last]) => first === '' && /^[A-Z]\w*$/.test(last ?? '')).map(([, last]) => last);
  const asked = (path) =>
    literals.has(path) ||
    patterns.some((pattern) => pattern.test(path)) ||
    endings.some((ending) => path.endsWith(ending) && literals.has(path.slice(0, -ending.length)));
  const catalogues = [en, enAdministration, enRegistry, enDeployments, enWorklist, enOnboarding, enOperations];
  const paths = catalogues.flatMap((catalogue) => pathsOf(catalogue));
  expect(paths.length).toBeGreaterThan(500);
  expect(paths.filter((path) => !asked(path))).toEqual([]);
});

it('gives no area to two catalogues, of which one would hide the other', () => {
  const catalogues = [en, enAdministration, enRegistry, enDeployments, enWorklist, enOnboarding, enOperations];
  const areas = catalogues.flatMap((catalogue) => Object.keys(catalogue));
  expect(areas).toEqual([...new Set(areas)]);
});

it('says the first steps and the operators’ times in Spanish too, with the same places to fill in', () => {
  const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
  const leaves = (node) =>
    typeof node === 'string' ? [places(node)] : Object.values(node).flatMap((inner) => leaves(inner));
  for (const [english, spanish] of [
    [enOnboarding, esOnboarding],
    [enOperations, esOperations],
  ]) {
    expect(pathsOf(spanish)).toEqual(pathsOf(english));
    expect(leaves(spanish)).toEqual(leaves(english));
  }
});

it('names the items of validations and builds as the worker names them', () => {
  const source = readFileSync(path.resolve('../inference_worker/contract/checks.py'), 'utf8');
  const bodies = [...source.matchAll(/_ITEMS: dict\[str, str\] = \{([^}]*)\}/g)].map(([, body]) => body).join('\n');
  const named = Object.fromEntries([...bodies.matchAll(/"(\w+)": "([^"]+)"/g)].map(([, name, title]) => [name, title]));
  expect(Object.keys(named).length).toBeGreaterThan(5);
  expect(enRegistry.checks.items).toMatchObject(
    Object.fromEntries(Object.entries(named).map(([name, title]) => [name, title.replaceAll("'", '’')])),
  );
});
