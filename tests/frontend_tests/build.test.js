// @vitest-environment node
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

let dist;
beforeAll(() => {
  dist = mkdtempSync(path.join(tmpdir(), 'mammoserve-dist-'));
  const vite = path.resolve('node_modules/vite/bin/vite.js');
  execFileSync(process.execPath, [vite, 'build', '--outDir', dist, '--logLevel', 'error', '--emptyOutDir']);
}, 120_000);
afterAll(() => rmSync(dist, { recursive: true, force: true }));

const pages = ['en/login', 'en/index', 'en/upload', 'en/job', 'es/login', 'es/index', 'es/upload', 'es/job'];
const page = (name) => readFileSync(path.join(dist, `${name}.html`), 'utf8');
const assets = () => readdirSync(path.join(dist, 'static'));

it.each(pages)('%s holds no inline script, style or handler', (name) => {
  const html = page(name);
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/i);
  expect(html).not.toMatch(/<style\b/i);
  expect(html).not.toMatch(/\sstyle=/i);
  expect(html).not.toMatch(/\son[a-z]+=/i);
});

it.each(pages)('%s names only assets of this host that exist', (name) => {
  const named = [...page(name).matchAll(/(?:src|href)="(\/static\/[^"#]+|https?:[^"]+)"/g)].map(
    ([, address]) => address,
  );
  expect(named.length).toBeGreaterThan(3);
  for (const address of named) expect(existsSync(path.join(dist, address)), address).toBe(true);
});

const notices = {
  en: 'Research software, not a medical device.',
  es: 'Software de investigación; no es un producto sanitario.',
};

it.each(pages)('%s shows the research-use notice without any script', (name) => {
  expect(page(name)).toContain(notices[name.split('/')[0]]);
});

it.each(pages)('%s says its language and loads the words of that one alone, before any module', (name) => {
  const [code] = name.split('/');
  const html = page(name);
  expect(html).toContain(`<html lang="${code}"`);
  expect([...html.matchAll(/words-(\w\w)-\w{8}\.js/g)].map(([, loaded]) => loaded)).toEqual([code]);
  expect(html).toMatch(/<script defer src="\/static\/words-/);
  expect(html.indexOf('/static/words-')).toBeLessThan(html.indexOf('type="module"'));
});

it('writes the guide into the page, in the language it is in', () => {
  const html = page('es/guide');
  expect(html).toMatch(/<article class="guide__text card" lang="en"/);
  expect(html).toContain('<tr id="input-not_mammography">');
  expect(html).toContain('Índice de la guía');
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style\b/i);
});

it('names every asset after its content, so that it may be cached for ever', () => {
  for (const name of assets()) expect(name).toMatch(/-[\w-]{8}\.(js|css|svg|woff2)$/);
});

it('asks for no eval and no other host', () => {
  for (const name of assets().filter((one) => /\.(js|css)$/.test(one))) {
    const text = readFileSync(path.join(dist, 'static', name), 'utf8');
    expect(text, name).not.toMatch(/\beval\(|new Function\(/);
    expect(text, name).not.toMatch(/url\(["']?(https?:)?\/\//);
    expect(text, name).not.toMatch(/(fetch|import|Worker)\(["'`]https?:/);
  }
});
