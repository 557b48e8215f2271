import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { catalogue as en } from '@/strings/catalogue-en.js';
import { catalogue as es } from '@/strings/catalogue-es.js';
import { plural, t } from '@/strings/index.js';
import { languages } from '@/strings/languages.js';
import { translator } from '@/strings/translator.js';

const espree = createRequire(path.resolve('package.json'))('espree'); // ESLint's parser, which it brings along
const composed = { en, es };
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

const isPlural = (node) =>
  typeof node.other === 'string' && Object.keys(node).every((form) => form === 'one' || form === 'other');

/** Dotted paths of all strings; the forms of a plural count as one. */
function pathsOf(node, at = []) {
  if (typeof node === 'string' || isPlural(node)) return [at.join('.')];
  return Object.entries(node).flatMap(([name, inner]) => pathsOf(inner, [...at, name]));
}

const nodeAt = (catalogue, path) => path.split('.').reduce((node, key) => node?.[key], catalogue);

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
  const { viewer, ...areas } = en;
  expect(viewer).toBeDefined(); // asked for by parts of paths in too many ways to be followed here
  const paths = pathsOf(areas);
  expect(paths.length).toBeGreaterThan(500);
  expect(paths.filter((path) => !asked(path))).toEqual([]);
});

it.each(['en', 'es'])('composes every file of %s, and gives no area to two of them', (code) => {
  const files = import.meta.glob('@/strings/e[ns]*.js', { eager: true });
  const own = Object.entries(files).filter(([name]) =>
    name.split('/').at(-1).replace('.js', '').split('-')[0].startsWith(code),
  );
  const named = own.filter(([name]) => !/es-(failures-\w+|fields)\.js$/.test(name)); // parts of es-server.js
  expect(named.length).toBeGreaterThanOrEqual(7);
  const areas = named.flatMap(([, { ...exported }]) =>
    Object.values(exported).flatMap((content) =>
      Object.values(composed[code]).includes(content) ? ['(an area of its own)'] : Object.keys(content),
    ),
  );
  const shared = areas.filter((area) => area !== '(an area of its own)');
  expect(shared).toEqual([...new Set(shared)]);
  for (const area of shared) expect(composed[code], area).toHaveProperty(area);
});

it('has a catalogue for every language of the picker', () => {
  expect(languages.map(({ code }) => code)).toEqual(Object.keys(composed));
  for (const { code } of languages) expect(composed[code].locale).toBe(code);
});

describe('Spanish', () => {
  // `server` words what English takes from the server; the keys of the viewer's help are words themselves
  const pathsCompared = (catalogue) =>
    pathsOf(catalogue).filter((path) => !/^(locale$|server\.|viewer\.helpRows\.)/.test(path));
  const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
  const formsOf = (node) => (typeof node === 'string' ? { other: node } : node);

  it('has the same strings as English, none more and none less', () => {
    expect(pathsCompared(en).length).toBeGreaterThan(900);
    expect(pathsCompared(es).sort()).toEqual(pathsCompared(en).sort());
    for (const [group, rows] of Object.entries(en.viewer.helpRows)) {
      expect(Object.keys(es.viewer.helpRows[group]), group).toHaveLength(Object.keys(rows).length);
    }
  });

  it('fills in the same values, and leaves nothing empty that English says', () => {
    for (const path of pathsCompared(en)) {
      const [english, spanish] = [nodeAt(en, path), nodeAt(es, path)].map(formsOf);
      expect(Object.keys(spanish), path).toEqual(Object.keys(english));
      for (const form of Object.keys(english)) {
        expect(placeholders(spanish[form]), `${path}.${form}`).toEqual(placeholders(english[form]));
        expect(spanish[form].trim() === '', path).toBe(english[form].trim() === '');
      }
    }
  });

  it('left no sentence in English', () => {
    const sentences = pathsCompared(en).filter((path) => /\p{L}{2,} \p{L}{2,}/u.test(formsOf(nodeAt(en, path)).other));
    expect(sentences.length).toBeGreaterThan(500);
    expect(sentences.filter((path) => formsOf(nodeAt(en, path)).other === formsOf(nodeAt(es, path)).other)).toEqual([]);
    const english = /\b(the|and|with|which|does|cannot|this|that|study|studies|package|worker)\b/i;
    const values = [...pathsCompared(es), ...pathsOf({ server: es.server })].map((path) => [path, nodeAt(es, path)]);
    expect(
      values.filter(([, node]) =>
        Object.values(formsOf(node)).some((text) => english.test(text.replace(/\{\w+\}/g, ''))),
      ),
    ).toEqual([]);
  });

  it('picks plurals by its own rule, large round numbers included', () => {
    const spanish = translator(es);
    expect(spanish.plural('upload.count', 1)).toBe('1 imagen');
    expect(spanish.plural('upload.count', 0)).toBe('0 imágenes');
    expect(spanish.plural('upload.count', 1_000_000, { n: '1.000.000' })).toBe('1.000.000 imágenes');
  });

  it('says of the disclaimer what English says: research, no medical device, no diagnosis, treatment or exclusion', () => {
    expect(es.disclaimer.long).toMatch(/investigación.*no es un producto sanitario/);
    expect(es.disclaimer.long).toMatch(/Ningún resultado.*diagnosticar, tratar o descartar/);
    expect(es.server.disclaimer).toMatch(/no deben usarse para el diagnóstico ni para ninguna decisión/);
  });
});

/** Template text and the attributes that people read, without what EJS puts in. */
function templateWords(source) {
  const still = source.replace(/<%[\s\S]*?%>/g, '');
  const attributes = [...still.matchAll(/\b(?:aria-label|title|placeholder|alt)="([^"]*)"/g)].map(([, text]) => text);
  return [...attributes, still.replace(/<[^>]*>/g, ' ')].filter((text) => /\p{L}/u.test(text));
}

it('writes no word into a template but through the catalogue', () => {
  expect(templateWords('<p title="A word"><%= t("a") %> left</p>')).toHaveLength(2);
  const templates = readdirSync(path.resolve('templates'), { recursive: true }).filter((name) => name.endsWith('.ejs'));
  expect(templates.length).toBeGreaterThan(20);
  for (const name of templates) {
    expect(templateWords(readFileSync(path.resolve('templates', name), 'utf8')), name).toEqual([]);
  }
});

/** Literals that read like a sentence: two words of letters beside each other, neither class names nor the text of an Error. */
function sentencesOf(source) {
  const found = [];
  const walk = (node, quiet) => {
    if (node === null || typeof node !== 'object') return;
    if (Array.isArray(node)) {
      for (const one of node) walk(one, quiet);
      return;
    }
    const text = node.type === 'Literal' ? node.value : node.type === 'TemplateElement' ? node.value.cooked : null;
    if (!quiet && typeof text === 'string' && /(^|\s)\p{L}{2,},? \p{L}{2,}/u.test(text)) found.push(text);
    const hushed =
      quiet ||
      (node.type === 'NewExpression' && /Error$/.test(node.callee.name ?? '')) ||
      (node.type === 'Property' && /^(className|class|rel)$/.test(node.key.name ?? node.key.value));
    for (const inner of Object.values(node)) walk(inner, hushed);
  };
  walk(espree.parse(source, { ecmaVersion: 2024, sourceType: 'module' }).body, false);
  return found;
}

it('writes no sentence into a script but through the catalogue', () => {
  expect(
    sentencesOf("h('p', {}, 'No study here'); h('p', { className: 'two words' }); throw new Error('for us');"),
  ).toEqual(['No study here']);
  const allowed = /^(icon [\w -]+|t(head|body) t[hr]|the painter stopped|.*[.#][a-z-]+.*|(input|select)\b[^A-Z]*)$/; // classes, selectors, our log
  const scripts = readdirSync(path.resolve('src'), { recursive: true }).filter(
    (name) => name.endsWith('.js') && !name.startsWith('strings') && !name.endsWith('syntaxes.js'), // names of the standard
  );
  for (const name of scripts) {
    const sentences = sentencesOf(readFileSync(path.resolve('src', name), 'utf8'));
    expect(
      sentences.filter((text) => !allowed.test(text)),
      name,
    ).toEqual([]);
  }
});

it('has a name for every action that the platform writes into its audit', () => {
  const sources_ = readdirSync(path.resolve('../platform'), { recursive: true })
    .filter((name) => name.endsWith('.py'))
    .map((name) => readFileSync(path.resolve('../platform', name), 'utf8'))
    .join('\n');
  const actions = new Set([...sources_.matchAll(/action="([a-z_]+\.[a-z_]+)"/g)].map(([, action]) => action));
  expect(actions.size).toBeGreaterThan(15);
  for (const action of actions) expect(en.audit.actions).toHaveProperty(action.replace('.', '_'));
});

it('names the items of validations and builds as the worker names them', () => {
  const source = readFileSync(path.resolve('../inference_worker/contract/checks.py'), 'utf8');
  const bodies = [...source.matchAll(/_ITEMS: dict\[str, str\] = \{([^}]*)\}/g)].map(([, body]) => body).join('\n');
  const named = Object.fromEntries([...bodies.matchAll(/"(\w+)": "([^"]+)"/g)].map(([, name, title]) => [name, title]));
  expect(Object.keys(named).length).toBeGreaterThan(5);
  expect(en.checks.items).toMatchObject(
    Object.fromEntries(Object.entries(named).map(([name, title]) => [name, title.replaceAll("'", '’')])),
  );
});
