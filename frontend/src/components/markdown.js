/**
 * Model cards: the Markdown people write in them, as nodes. Markup in the text stays text, links leave only over http(s) and say so,
 * pictures come from the package alone. Not a complete Markdown: what it does not know is shown as it was written.
 */
import { h } from '../dom.js';
import { makersLang } from '../server-words.js';

// Spans are bounded and brackets do not nest, so that no text makes it look at the same letters again and again.
const inline =
  /(?<!`)(`{1,8})(?!`)([^`]|[^`][\s\S]{0,2000}?[^`])\1(?!`)|!\[([^[\]]*)\]\(([^()\s]+)\)|\[([^[\]]+)\]\(([^()\s]+)\)|\*\*([^*]+)\*\*|__([^_]+)__|(?<![\w*])[*_]([^*_\s](?:[^*_]*[^*_\s])?)[*_](?![\w*])/g;

const safeLink = (address) => /^https?:\/\//i.test(address);
const insidePackage = (path) => /^[\w.-]+(\/[\w.-]+)*$/.test(path) && !path.split('/').includes('..');

/** Text with emphasis, code, links and pictures as nodes. `imageUrl(path)` → address of a picture of the package. */
export function inlineNodes(text, { imageUrl }) {
  const nodes = [];
  let at = 0;
  for (const found of text.matchAll(inline)) {
    const [whole, , code, alt, picture, words, address, strong, strong2, emphasis] = found;
    if (found.index > at) nodes.push(text.slice(at, found.index));
    at = found.index + whole.length;
    if (code !== undefined) nodes.push(h('code', {}, code.trim()));
    else if (picture !== undefined) {
      nodes.push(insidePackage(picture) ? h('img', { src: imageUrl(picture), alt, loading: 'lazy' }) : whole);
    } else if (address !== undefined) {
      const external = { href: address, rel: 'noopener noreferrer nofollow', target: '_blank' };
      nodes.push(safeLink(address) ? h('a', external, words) : whole);
    } else if (strong ?? strong2) nodes.push(h('strong', {}, strong ?? strong2));
    else nodes.push(h('em', {}, emphasis));
  }
  if (at < text.length) nodes.push(text.slice(at));
  return nodes;
}

const cellsOf = (line) =>
  line
    .trim()
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => cell.trim());

function tableNode(lines, options) {
  const [head, , ...body] = lines.map(cellsOf);
  return h(
    'div',
    { className: 'data-table', tabindex: '0', role: 'region', 'aria-label': head.join(', ') },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          head.map((cell) => h('th', { scope: 'col' }, inlineNodes(cell, options))),
        ),
      ),
      h(
        'tbody',
        {},
        body.map((row) =>
          h(
            'tr',
            {},
            row.map((cell) => h('td', {}, inlineNodes(cell, options))),
          ),
        ),
      ),
    ),
  );
}

const isTable = (lines) =>
  lines.length >= 2 && lines[0].includes('|') && /^[\s|:-]+$/.test(lines[1]) && lines[1].includes('-');
const bullet = /^\s*[-*+]\s+/;
const numbered = /^\s*\d+[.)]\s+/;

function listNode(lines, mark, options) {
  const items = [];
  for (const line of lines) {
    if (mark.test(line)) items.push(line.replace(mark, ''));
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return h(
    mark === bullet ? 'ul' : 'ol',
    {},
    items.map((item) => h('li', {}, inlineNodes(item, options))),
  );
}

/** Headings within one block of lines end it, though no blank line does. */
function blockNodes(lines, options) {
  if (!lines.length) return [];
  const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(lines[0]);
  if (heading) {
    const level = Math.min(6, heading[1].length + options.headingShift);
    return [h(`h${level}`, {}, inlineNodes(heading[2], options)), ...blockNodes(lines.slice(1), options)];
  }
  if (lines.length === 1 && /^([-*_])\s*(\1\s*){2,}$/.test(lines[0].trim())) return [h('hr', {})];
  if (isTable(lines)) return [tableNode(lines, options)];
  if (lines.every((line) => line.startsWith('>'))) {
    return [
      h(
        'blockquote',
        {},
        blockNodes(
          lines.map((line) => line.replace(/^>\s?/, '')),
          options,
        ),
      ),
    ];
  }
  for (const mark of [bullet, numbered]) if (mark.test(lines[0])) return [listNode(lines, mark, options)];
  const next = lines.findIndex((line, index) => index > 0 && (bullet.test(line) || /^#{1,6}\s/.test(line)));
  const own = next < 0 ? lines : lines.slice(0, next);
  const rest = next < 0 ? [] : blockNodes(lines.slice(next), options);
  return [h('p', {}, inlineNodes(own.join(' '), options)), ...rest];
}

/** The whole text as nodes. `headingShift` lowers its headings below those of the page. */
export function markdownNodes(text, { imageUrl, headingShift = 1 }) {
  const options = { imageUrl, headingShift };
  const nodes = [];
  let block = [];
  let fenced = null;
  const flush = () => {
    nodes.push(...blockNodes(block, options));
    block = [];
  };
  for (const line of text.replace(/\r\n?/g, '\n').split('\n')) {
    if (/^\s*```/.test(line)) {
      if (fenced === null) {
        flush();
        fenced = [];
      } else {
        nodes.push(h('pre', { tabindex: '0' }, h('code', {}, fenced.join('\n'))));
        fenced = null;
      }
    } else if (fenced !== null) fenced.push(line);
    else if (line.trim() === '') flush();
    else block.push(line);
  }
  if (fenced !== null) nodes.push(h('pre', { tabindex: '0' }, h('code', {}, fenced.join('\n'))));
  flush();
  for (const node of nodes) if (makersLang) node.lang = makersLang;
  return nodes;
}
