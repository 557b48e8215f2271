import { markdownNodes } from '@/components/markdown.js';
import { h } from '@/dom.js';

const draw = (text) => h('div', {}, markdownNodes(text, { imageUrl: (path) => `/files/${path}`, headingShift: 2 }));

describe('a model card', () => {
  it('never becomes markup, whatever it holds', () => {
    const node = draw('# <img src=x onerror=alert(1)>\n\n<script>alert(1)</script> **<b>x</b>**');
    expect(node.querySelectorAll('img, script, b')).toHaveLength(0);
    expect(node.textContent).toContain('<script>alert(1)</script>');
  });

  it.each([['javascript:alert(1)'], ['data:text/html,x'], ['//elsewhere.example'], ['/api/v1/session']])(
    'makes no link of %s',
    (address) => {
      expect(draw(`[words](${address})`).querySelector('a')).toBeNull();
    },
  );

  it('links to the web without telling it where from', () => {
    const link = draw('[words](https://example.org/a)').querySelector('a');
    expect(link.getAttribute('href')).toBe('https://example.org/a');
    expect(link.rel).toContain('noreferrer');
  });

  it('shows pictures of the package alone', () => {
    expect(draw('![Curve](plots/roc.svg)').querySelector('img').getAttribute('src')).toBe('/files/plots/roc.svg');
    for (const path of ['https://example.org/x.png', '../x.png', 'a/../../x.png', '/etc/x.png']) {
      expect(draw(`![x](${path})`).querySelector('img'), path).toBeNull();
    }
  });

  it('lowers headings below those of the page', () => {
    expect(draw('# One\n\n###### Six').querySelectorAll('h3, h6')).toHaveLength(2);
  });

  it('reads lists, tables, fences and emphasis', () => {
    const node = draw('- a\n- *b*\n\n| x | y |\n|---|---|\n| 1 | `2` |\n\n```\n**raw**\n```');
    expect(node.querySelectorAll('ul > li')).toHaveLength(2);
    expect(node.querySelector('li em').textContent).toBe('b');
    expect([...node.querySelectorAll('td')].map((cell) => cell.textContent)).toEqual(['1', '2']);
    expect(node.querySelector('pre').textContent).toBe('**raw**');
  });

  it('reads lines that belong together, lists in lists and tables without a name above a column', () => {
    const node = draw('One **two**\nthree.\n\n1. a\n   - b\n2. c\n\n| | x |\n|---|---|\n| y | 1 |');
    expect(node.querySelector('p').textContent).toBe('One two three.');
    expect(node.querySelector('ol > li > ul > li').textContent).toBe('b');
    expect([...node.querySelectorAll('thead > tr > *')].map(({ tagName }) => tagName)).toEqual(['TD', 'TH']);
  });

  it('says what a picture shows where no pictures are given', () => {
    const node = h('div', {}, markdownNodes('![Curve](plots/roc.svg)'));
    expect(node.querySelector('img')).toBeNull();
    expect(node.textContent).toBe('Curve');
  });

  it('reads a hostile card within the time that a test has', () => {
    const unclosed = Array.from({ length: 300 }, (_, index) => `${'`'.repeat(index + 1)}x`).join('');
    const node = draw([...['[x', '![', '*_[', '# '].map((text) => `x${text.repeat(10000)}`), unclosed].join('\n\n'));
    expect(node.textContent).toContain('![![');
  });
});
