/**
 * Model cards: the Markdown people write in them, as nodes. Markup in the text stays text, links leave only over http(s) and without
 * saying where from, pictures come from the package alone. markdown-it reads; nothing of it but names of elements reaches the page.
 */
import MarkdownIt from 'markdown-it';

import { h } from '../dom.js';
import { makersLang } from '../server-words.js';

const safeLink = (address) => /^https?:\/\//i.test(address);
const insidePackage = (path) => /^[\w.-]+(\/[\w.-]+)*$/.test(path) && !path.split('/').includes('..');

const reader = new MarkdownIt({ html: false, linkify: false, typographer: false });
reader.validateLink = (address) => safeLink(address) || insidePackage(address); // others stay as they were written

function table(children) {
  const whole = h('table', {}, children);
  const name = [...whole.querySelectorAll('thead th')].map(({ textContent }) => textContent).join(', ');
  return h('div', { className: 'data-table', tabindex: '0', role: 'region', 'aria-label': name }, whole);
}

/** What begins and ends, around what stands in it. */
function around({ type, tag, hidden, ...token }, children, { headingShift }) {
  if (hidden) return children; // paragraphs of tight lists
  if (type === 'heading_open') return h(`h${Math.min(6, Number(tag[1]) + headingShift)}`, {}, children);
  if (type === 'table_open') return table(children);
  if (type === 'th_open' && children.flat(Infinity).length) return h('th', { scope: 'col' }, children);
  if (type === 'th_open') return h('td', {}); // a column without a name has no header to be read out
  if (type !== 'link_open') return h(tag, {}, children);
  const href = Object.fromEntries(token.attrs).href;
  return safeLink(href) ? h('a', { href, rel: 'noopener noreferrer nofollow', target: '_blank' }, children) : children;
}

/** What stands for itself. */
function alone({ type, content, children, ...token }, options) {
  if (type === 'inline') return nodesOf(children, options);
  if (type === 'softbreak') return ' ';
  if (type === 'hardbreak') return h('br', {});
  if (type === 'hr') return h('hr', {});
  if (type === 'code_inline') return h('code', {}, content);
  if (type === 'fence' || type === 'code_block') {
    return h('pre', { tabindex: '0' }, h('code', {}, content.replace(/\n$/, '')));
  }
  if (type !== 'image') return content;
  const { src } = Object.fromEntries(token.attrs);
  const shown = options.imageUrl && insidePackage(src);
  return shown ? h('img', { src: options.imageUrl(src), alt: content, loading: 'lazy' }) : content;
}

function nodesOf(tokens, options) {
  const open = [{ children: [] }];
  for (const token of tokens) {
    if (token.nesting > 0) open.push({ token, children: [] });
    else {
      const begun = token.nesting < 0 ? open.pop() : null;
      open.at(-1).children.push(begun ? around(begun.token, begun.children, options) : alone(token, options));
    }
  }
  return open[0].children.flat(Infinity);
}

/**
 * The whole text as nodes. `headingShift` lowers its headings below those of the page; `imageUrl(path)` → address of a picture of the
 * package, without which pictures are the words that stand for them.
 */
export function markdownNodes(text, { imageUrl = null, headingShift = 1 } = {}) {
  const nodes = nodesOf(reader.parse(text, {}), { imageUrl, headingShift });
  for (const node of nodes) if (makersLang) node.lang = makersLang;
  return nodes;
}
