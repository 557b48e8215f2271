/**
 * The integrator's guide as one page, out of the Markdown that people read beside the code: no second text to keep true.
 *
 * Takes the parts of those files that are for integrators, gives every heading and every failure code an address of its own, and
 * turns links between the files into links within the page. Markup in the texts stays text. Raises Error when a heading that it
 * cuts at is gone, or a link leads to what is not on the page.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

import MarkdownIt from 'markdown-it';

/** In the order of the page. `from`: the heading it begins with; `until`: the one it ends before; without them the whole file. */
const parts = [
  { id: 'start', file: 'platform/docs/README.md' },
  { id: 'client', file: 'platform/client/README.md', until: '## How it is built' },
  { id: 'batches', file: 'platform/batches/README.md', from: '# The API of batches' },
  {
    id: 'webhooks',
    file: 'platform/notifications/README.md',
    from: '## For receivers of webhooks',
    until: '## Decisions',
  },
  { id: 'failures', file: 'platform/docs/failures.md' },
];
/** Everything that the page is made of: files below the repository's root. */
export const guideFiles = parts.map(({ file }) => file);

/** Addresses of this site that the texts name as code, and that a person may want to open. */
const ownAddresses = ['/api/v1/docs', '/api/v1/schema', '/tokens'];
const failureCode = /^[a-z]+:[a-z_]+$/;

/** The place of a failure code on the page. */
export const failureAnchor = (code) => code.replace(':', '-');

const slugOf = (text) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\d]+/gu, '-')
    .replace(/^-|-$/g, '');

/** The lines of a part, without comments. */
export function excerpt(text, { from, until, file }) {
  const lines = text.replace(/<!--[\s\S]*?-->\n*/g, '').split('\n');
  const placeOf = (heading) => {
    const at = lines.indexOf(heading);
    if (at < 0) throw new Error(`${file} has no heading “${heading}” any more`);
    return at;
  };
  return lines.slice(from ? placeOf(from) : 0, until ? placeOf(until) : undefined).join('\n');
}

const textOf = (inline) => inline.children.map(({ content }) => content).join('');

/** Headings below the page's own, with addresses. → [{ level, id, title }], levels from 2. */
function headingsPrepare(tokens, { id }) {
  const first = tokens.find(({ type }) => type === 'heading_open');
  const shift = 2 - Number(first.tag[1]);
  const found = [];
  tokens.forEach((token, at) => {
    if (token.type !== 'heading_open' && token.type !== 'heading_close') return;
    token.tag = `h${Number(token.tag[1]) + shift}`;
    if (token.type === 'heading_close') return;
    const title = textOf(tokens[at + 1]);
    const address = token === first ? id : `${id}-${slugOf(title)}`;
    token.attrSet('id', address);
    found.push({ level: Number(token.tag[1]), id: address, title });
  });
  return found;
}

/** Tables say their columns in every cell, for phones, where rows are cards; rows of failure codes get addresses. → the codes. */
function tablesPrepare(tokens, { id: part }) {
  const codes = [];
  let columns = [];
  let heading = '';
  let row = null;
  let column = 0;
  tokens.forEach((token, at) => {
    if (token.type === 'heading_open') heading = textOf(tokens[at + 1]);
    if (token.type === 'table_open') columns = [];
    if (token.type === 'tr_open') [row, column] = [token, 0];
    if (token.type === 'th_open') {
      columns.push(textOf(tokens[at + 1]));
      if (columns.at(-1)) token.attrSet('scope', 'col');
      else token.tag = 'td'; // a column without a name has no header to be read out
    }
    if (token.type === 'th_close' && !columns.at(-1)) token.tag = 'td';
    if (token.type === 'thead_close') token.meta = { name: `${heading}: ${columns.filter(Boolean).join(', ')}` };
    if (token.type !== 'td_open') return;
    token.attrSet('data-label', columns[column]);
    column += 1;
    const code = part === 'failures' && tokens[at + 1].children.find(({ type }) => type === 'code_inline')?.content;
    if (!code || !failureCode.test(code) || row.attrGet('id')) return;
    row.attrSet('id', failureAnchor(code));
    codes.push(code);
  });
  return codes;
}

/** Where a link of one of the texts leads on the page: { href } and, to elsewhere, how it opens. */
function linkRead(href, { file }) {
  if (/^https:\/\//.test(href)) return { href, rel: 'noopener noreferrer', target: '_blank' };
  const wanted = path.posix.join(path.posix.dirname(file), href);
  const part = parts.find((one) => one.file === wanted);
  if (!part) throw new Error(`${file}: “${href}” is not on the guide's page`);
  return { href: `#${part.id}` };
}

function linksPrepare(tokens, part) {
  for (const inline of tokens.filter(({ type }) => type === 'inline')) {
    for (const token of inline.children.filter(({ type }) => type === 'link_open')) {
      for (const [name, value] of Object.entries(linkRead(token.attrGet('href'), part))) token.attrSet(name, value);
    }
  }
}

function markdownCreate() {
  const markdown = new MarkdownIt({ html: false, linkify: false, typographer: false });
  const { rules } = markdown.renderer;
  const { escapeHtml } = markdown.utils;
  const code = (tokens, at) =>
    `<div class="guide__code"><pre tabindex="0"><code>${escapeHtml(tokens[at].content.trimEnd())}</code></pre></div>\n`;
  rules.fence = code;
  rules.code_block = code;
  rules.heading_open = (tokens, at, options, env, self) =>
    `${self.renderToken(tokens, at, options)}<a href="#${tokens[at].attrGet('id')}">`;
  rules.heading_close = (tokens, at, options, env, self) => `</a>${self.renderToken(tokens, at, options)}`;
  rules.table_open = (tokens, at) => {
    const { name } = tokens.slice(at).find(({ type }) => type === 'thead_close').meta;
    return `<div class="data-table data-table--cards" tabindex="0" role="region" aria-label="${escapeHtml(name)}"><table>\n`;
  };
  rules.table_close = () => '</table></div>\n';
  rules.code_inline = (tokens, at, options, env) => {
    const { content } = tokens[at];
    const drawn = `<code>${escapeHtml(content)}</code>`;
    if (ownAddresses.includes(content)) return `<a href="${content}">${drawn}</a>`;
    if (!env.codes.includes(content)) return drawn;
    return `<a href="#${failureAnchor(content)}"><code>${content.replace(/_/g, '_<wbr>')}</code></a>`; // they are long
  };
  return markdown;
}

/** Headings of level 2 with those of level 3 below them, as the list of contents shows them. */
function contentsOf(headings) {
  const contents = [];
  for (const { level, id, title } of headings) {
    if (level === 2) contents.push({ id, title, children: [] });
    else if (level === 3) contents.at(-1).children.push({ id, title });
  }
  return contents;
}

/** `root`: the repository's. → { html, contents: [{ id, title, children: [{ id, title }] }], codes }. */
export function guideRender({ root }) {
  const markdown = markdownCreate();
  const codes = [];
  const headings = [];
  const parsed = parts.map((part) => {
    const tokens = markdown.parse(excerpt(readFileSync(path.join(root, part.file), 'utf8'), part), {});
    headings.push(...headingsPrepare(tokens, part));
    codes.push(...tablesPrepare(tokens, part));
    linksPrepare(tokens, part);
    return { part, tokens };
  });
  const html = parsed
    .map(({ part, tokens }) => {
      const drawn = markdown.renderer.render(tokens, markdown.options, { codes });
      return `<section class="guide__part" aria-labelledby="${part.id}">\n${drawn}</section>\n`;
    })
    .join('');
  return { html, contents: contentsOf(headings), codes };
}
