/**
 * Vite plugin: compiles `templates/<page>.ejs` inside `templates/partials/layout.ejs` to one static HTML file a page.
 *
 * Templates see the string catalogue (`t`), the icon reader (`icon`) and the page's own table row (`page`), nothing else:
 * no user data exists at build time. Not for rendering anything at run time.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import ejs from 'ejs';

import { t } from '../src/strings/index.js';

const iconFolder = 'node_modules/bootstrap-icons/icons';

function iconReader(root) {
  return (name, className = 'icon') =>
    readFileSync(path.join(root, iconFolder, `${name}.svg`), 'utf8')
      .replace(/class="[^"]*"/, `class="${className}" aria-hidden="true" focusable="false"`)
      .trim();
}

function pageRender({ root, page, pages }) {
  const templates = path.join(root, 'templates');
  const locals = { t, page, pages, icon: iconReader(root) };
  const render = (file, extra) => {
    const filename = path.join(templates, file);
    return ejs.render(readFileSync(filename, 'utf8'), { ...locals, ...extra }, { filename, rmWhitespace: true });
  };
  return render('partials/layout.ejs', { body: render(`${page.name}.ejs`, {}) });
}

/** `blocking`: a classic script copied beside the bundles and loaded before first paint, so that the theme never flashes. */
export function ejsPages({ pages, blocking }) {
  let root = '';
  let blockingName = '';
  let blockingSource = '';
  const pageOf = (id) => pages.find((page) => id === path.join(root, `${page.name}.html`));
  return {
    name: 'mammoserve-ejs-pages',
    enforce: 'pre',
    config() {
      return { build: { rollupOptions: { input: pages.map((page) => path.resolve(`${page.name}.html`)) } } };
    },
    configResolved(config) {
      root = config.root;
      blockingSource = readFileSync(path.join(root, blocking), 'utf8');
      const digest = createHash('sha256').update(blockingSource).digest('hex').slice(0, 8);
      blockingName = `static/${path.basename(blocking, '.js')}-${digest}.js`;
    },
    resolveId(id) {
      return pageOf(id) ? id : null;
    },
    load(id) {
      const page = pageOf(id);
      return page ? pageRender({ root, page, pages }) : null;
    },
    transformIndexHtml: {
      order: 'post',
      handler: () => [{ tag: 'script', attrs: { src: `/${blockingName}` }, injectTo: 'head-prepend' }],
    },
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: blockingName, source: blockingSource });
    },
  };
}
