/**
 * The Markdown of a model card as nodes: headings, lists, tables, code and paragraphs; emphasis and links lose their marks. Text is
 * always text, so a card can bring no markup of its own.
 */
import { h } from '../dom.js';
import { makersLang } from '../server-words.js';

const plain = (text) =>
  text
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/(\*\*|__)(.+?)\1/g, '$2')
    .replace(/`([^`]+)`/g, '$1')
    .trim();

const cells = (line) =>
  line
    .trim()
    .replace(/^\||\|$/g, '')
    .split('|')
    .map(plain);

function table(lines) {
  const [head, , ...rows] = lines.map(cells);
  return h(
    'div',
    { className: 'card-text__table' },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          head.map((cell) => h('th', { scope: 'col' }, cell)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((row) =>
          h(
            'tr',
            {},
            row.map((cell) => h('td', {}, cell)),
          ),
        ),
      ),
    ),
  );
}

const starts = {
  heading: /^(#{1,6})\s+(.*)$/,
  item: /^\s*(?:[-*+]|\d+\.)\s+(.*)$/,
  fence: /^\s*```/,
  row: /^\s*\|.*\|\s*$/,
};

/** Headings begin at level 4, below those of the dialog. */
export function markdownNodes(text) {
  const lines = text.split(/\r?\n/);
  const nodes = [];
  const take = (pattern) => {
    const taken = [];
    while (lines.length && pattern.test(lines[0])) taken.push(lines.shift());
    return taken;
  };
  while (lines.length) {
    const [line] = lines;
    if (!line.trim()) lines.shift();
    else if (starts.heading.test(line)) {
      const [, marks, words] = starts.heading.exec(lines.shift());
      nodes.push(h(marks.length < 3 ? 'h4' : 'h5', { className: 'h6' }, plain(words)));
    } else if (starts.fence.test(line)) {
      lines.shift();
      const code = take(/^(?!\s*```)/);
      lines.shift();
      nodes.push(h('pre', {}, h('code', {}, code.join('\n'))));
    } else if (starts.row.test(line)) nodes.push(table(take(starts.row)));
    else if (starts.item.test(line)) {
      const items = [];
      while (lines.length && lines[0].trim() && (starts.item.test(lines[0]) || /^\s+\S/.test(lines[0]))) {
        const found = starts.item.exec(lines[0]);
        if (found) items.push(found[1]);
        else items[items.length - 1] += ` ${lines[0].trim()}`;
        lines.shift();
      }
      nodes.push(
        h(
          'ul',
          {},
          items.map((item) => h('li', {}, plain(item))),
        ),
      );
    } else {
      const words = [lines.shift()];
      while (lines.length && lines[0].trim() && !Object.values(starts).some((start) => start.test(lines[0])))
        words.push(lines.shift());
      nodes.push(h('p', {}, plain(words.join(' '))));
    }
  }
  for (const node of nodes) if (makersLang) node.lang = makersLang;
  return nodes;
}
