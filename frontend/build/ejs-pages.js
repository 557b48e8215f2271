/**
 * Vite plugin: compiles `templates/<page>.ejs` inside `templates/partials/layout.ejs` to one static HTML file a page and language,
 * `<language>/<page>.html`.
 *
 * Templates see their language's strings (`t`), the languages, the icon reader (`icon`), the integrator's guide (`guide()`) and the
 * page's own table row (`page`), nothing else: no user data exists at build time. Not for rendering anything at run time.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import ejs from 'ejs';

import { translator } from '../src/strings/translator.js';
import { guideRender } from './guide.js';

const iconFolder = 'node_modules/bootstrap-icons/icons';

function iconReader(root) {
  return (name, className = 'icon') =>
    readFileSync(path.join(root, iconFolder, `${name}.svg`), 'utf8')
      .replace(/class="[^"]*"/, `class="${className}" aria-hidden="true" focusable="false"`)
      .trim();
}

function pageRender({ root, page, pages, catalogue, languages }) {
  const templates = path.join(root, 'templates');
  const locals = { t: translator(catalogue).t, page, pages, languages, icon: iconReader(root) };
  locals.guide = () => guideRender({ root: path.dirname(root) });
  const render = (file, extra) => {
    const filename = path.join(templates, file);
    return ejs.render(readFileSync(filename, 'utf8'), { ...locals, ...extra }, { filename, rmWhitespace: true });
  };
  return render('partials/layout.ejs', { body: render(`${page.name}.ejs`, {}) });
}

const digestOf = (source) => createHash('sha256').update(source).digest('hex').slice(0, 8);

/** What a chunk needs before it can run, itself included: file names. `bundle`: as Rollup names it. */
function chunkClosure(bundle, fileName, found = new Set()) {
  if (found.has(fileName)) return found;
  found.add(fileName);
  for (const imported of bundle[fileName].imports) chunkClosure(bundle, imported, found);
  return found;
}

/** The chunks of a page's `later` modules that the page does not load anyway, as hints to fetch them while it starts. */
function laterHints({ page, root, bundle, html }) {
  const modules = (page.later ?? []).map((file) => path.join(root, file));
  const chunks = Object.values(bundle).filter(({ facadeModuleId }) => modules.includes(facadeModuleId));
  if (chunks.length < modules.length) throw new Error(`${page.name}: a module to load later is no chunk of its own`);
  const files = new Set(chunks.flatMap(({ fileName }) => [...chunkClosure(bundle, fileName)]));
  return [...files]
    .filter((fileName) => !html.includes(`"/${fileName}"`))
    .map((fileName) => ({
      tag: 'link',
      attrs: { rel: 'modulepreload', crossorigin: true, href: `/${fileName}` },
      injectTo: 'head',
    }));
}

/** The script that hands a page its words: { fileName, source }. */
function wordsScript(code, catalogue) {
  const source = `globalThis.mammoserveWords=${JSON.stringify(catalogue)};`;
  return { fileName: `static/words-${code}-${digestOf(source)}.js`, source };
}

/**
 * `catalogues`: the words by language; `languages`: their codes and names, for the picker.
 * `blocking`: a classic script copied beside the bundles and loaded before first paint, so that the theme never flashes.
 */
export function ejsPages({ pages, languages, catalogues, blocking }) {
  let root = '';
  let boot = null;
  const words = Object.fromEntries(
    Object.entries(catalogues).map(([code, catalogue]) => [code, wordsScript(code, catalogue)]),
  );
  const files = Object.keys(catalogues).flatMap((code) =>
    pages.map((page) => ({ code, page, name: `${code}/${page.name}.html` })),
  );
  const fileOf = (id) => files.find(({ name }) => id === path.join(root, name));
  const script = ({ fileName }, attrs = {}) => ({
    tag: 'script',
    attrs: { ...attrs, src: `/${fileName}` },
    injectTo: 'head-prepend',
  });
  return {
    name: 'mammoserve-ejs-pages',
    enforce: 'pre',
    config() {
      return { build: { rollupOptions: { input: files.map(({ name }) => path.resolve(name)) } } };
    },
    configResolved(config) {
      root = config.root;
      const source = readFileSync(path.join(root, blocking), 'utf8');
      boot = { fileName: `static/${path.basename(blocking, '.js')}-${digestOf(source)}.js`, source };
    },
    resolveId(id) {
      return fileOf(id) ? id : null;
    },
    load(id) {
      const file = fileOf(id);
      return file ? pageRender({ root, page: file.page, pages, languages, catalogue: catalogues[file.code] }) : null;
    },
    transformIndexHtml: {
      order: 'post',
      // deferred scripts and modules run in the order of the page, so the words are there before any module asks
      handler(html, { filename, bundle }) {
        const { code, page } = fileOf(filename);
        const hints = bundle ? laterHints({ page, root, bundle, html }) : [];
        return [script(boot), script(words[code], { defer: true }), ...hints];
      },
    },
    generateBundle() {
      for (const { fileName, source } of [boot, ...Object.values(words)]) {
        this.emitFile({ type: 'asset', fileName, source });
      }
    },
  };
}
