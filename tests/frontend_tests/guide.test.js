/** The integrator's guide: the page made of the rooms' Markdown, and the ways that lead into it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { failureCard } from '@/components/failure-card.js';
import { failureCode, guidePath } from '@/components/failure-code.js';
import { contentsFollow, examplesPrepare } from '@/components/guide-parts.js';
import { h } from '@/dom.js';
import { signInPath } from '@/navigation.js';

import { excerpt, guideFiles, guideRender } from '../../frontend/build/guide.js';

const root = path.resolve('..');
let guide;
let page;
beforeAll(() => {
  guide = guideRender({ root });
  page = new DOMParser().parseFromString(guide.html, 'text/html');
});

describe('the page', () => {
  it('has every failure code of the list at an address of its own', () => {
    const listed = readFileSync(path.join(root, 'platform/docs/failures.md'), 'utf8');
    const codes = [...new Set([...listed.matchAll(/^\|(?: \d+ \|)? `([a-z]+:[a-z_]+)`/gm)].map(([, code]) => code))];
    expect(codes.length).toBeGreaterThan(100);
    expect(guide.codes).toEqual(codes);
    for (const code of codes) {
      const row = page.getElementById(code.replace(':', '-'));
      expect(row?.tagName, code).toBe('TR');
      expect(row.textContent).toContain(code);
    }
  });

  it('gives no address twice, and follows every link of its own', () => {
    const ids = [...page.querySelectorAll('[id]')].map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)]);
    const hrefs = [...page.querySelectorAll('a')].map((link) => link.getAttribute('href'));
    const within = hrefs.filter((href) => href.startsWith('#')).map((href) => href.slice(1));
    expect(within).toEqual(expect.arrayContaining(['failures', 'client', 'batches', 'webhooks']));
    expect(within.filter((id) => !ids.includes(id))).toEqual([]);
    const others = hrefs.filter((href) => !href.startsWith('#'));
    for (const href of others) expect(href).toMatch(/^(https:\/\/|\/api\/v1\/(docs|schema)$|\/tokens$)/);
    for (const link of page.querySelectorAll('a[href^=https]')) expect(link.rel).toContain('noopener');
  });

  it('lists in its contents every part and what it is made of, in order', () => {
    const listed = guide.contents.flatMap(({ id, children }) => [id, ...children.map((child) => child.id)]);
    expect(listed).toEqual([...page.querySelectorAll('h2, h3')].map(({ id }) => id));
    expect(guide.contents.map(({ id }) => id)).toEqual(['start', 'client', 'batches', 'webhooks', 'failures']);
    expect(guide.contents[0].children.map(({ title }) => title)).toContain('In five minutes');
    expect(page.querySelector('h1')).toBeNull();
  });

  it('shows the examples word for word, and none of what is for engineers alone', () => {
    const text = readFileSync(path.join(root, guideFiles[0]), 'utf8');
    const written = [...text.matchAll(/^```bash\n([\s\S]*?)\n```/gm)].map(([, code]) => code);
    expect(written.length).toBeGreaterThan(2);
    const shown = [...page.querySelectorAll('pre > code')].map(({ textContent }) => textContent);
    expect(shown).toEqual(expect.arrayContaining(written));
    for (const inside of ['How it is built', 'Decisions', 'failure_guide']) {
      expect(page.body.textContent).not.toContain(inside);
    }
  });

  it('holds no script, no style and no handler, as the policy of the pages asks', () => {
    expect(page.querySelectorAll('script, style, iframe, object, form')).toHaveLength(0);
    const names = new Set([...page.querySelectorAll('*')].flatMap((node) => node.getAttributeNames()));
    expect([...names].filter((name) => name === 'style' || name.startsWith('on'))).toEqual([]);
  });

  it('says in every cell what column it is of, where rows are cards', () => {
    const row = page.getElementById('input-not_mammography');
    expect([...row.children].map((cell) => cell.dataset.label)).toEqual(['Code', 'Meaning', 'What to do', 'Again']);
    const region = row.closest('[role=region]');
    const name = 'input: the sender must act: Code, Meaning, What to do, Again';
    expect([region.tabIndex, region.getAttribute('aria-label')]).toEqual([0, name]);
    const names = [...page.querySelectorAll('[role=region]')].map((one) => one.getAttribute('aria-label'));
    expect(names).toEqual([...new Set(names)]);
    for (const head of page.querySelectorAll('th')) expect(head.textContent).not.toBe('');
  });

  it('refuses a text whose heading is gone, and takes comments for what they are', () => {
    const text = '# A\n<!-- of no\ninterest -->\n\none\n## B\ntwo\n## C\nthree';
    expect(excerpt(text, { from: '## B', until: '## C' })).toBe('## B\ntwo');
    expect(excerpt(text, { until: '## B' })).toBe('# A\none');
    expect(() => excerpt(text, { from: '## D', file: 'x.md' })).toThrow(/x\.md.*## D/);
  });
});

describe('the ways in', () => {
  it('lead from a code of the catalogue to its row, and from no other', () => {
    const inCatalogue = guide.codes.filter((code) => guidePath(code));
    expect(inCatalogue.length).toBeGreaterThan(100);
    for (const code of inCatalogue) {
      expect(page.getElementById(guidePath(code).replace('/guide#', '')), code).not.toBeNull();
    }
    expect(guidePath('client:connection_lost')).toBeNull();
    expect(guidePath('http:502')).toBeNull();
    expect(guidePath('input:" onclick="x')).toBeNull();
    expect(failureCode('http:502').tagName).toBe('CODE');
    expect(failureCode('input:too_large').textContent).toContain('What this means');
  });

  it('stand in words beside the failure of a job', () => {
    const card = failureCard({ code: 'system:worker_lost', title: 'T', message: 'M', action: 'A', detail: '' });
    const link = card.querySelector('.state-card__code a');
    expect([link.textContent, link.getAttribute('href')]).toEqual(['What this means', '/guide#system-worker_lost']);
  });

  it('lead back from signing in to the very place', () => {
    expect(signInPath({ pathname: '/guide', search: '', hash: '#failures' })).toBe('/login?next=%2Fguide%23failures');
  });
});

describe('an example', () => {
  const example = (text) => h('div', { className: 'guide__code' }, h('pre', {}, h('code', {}, text)));
  const settled = () => new Promise((resolve) => setTimeout(resolve, 0));
  let said;
  let text;
  beforeEach(() => {
    said = h('p', { role: 'status' });
    text = h(
      'article',
      {},
      example('export A=http://localhost:8000\ncurl https://mammoserve.example/api http://localhost:80001'),
    );
    document.body.replaceChildren(text, said);
    examplesPrepare(text, { origin: 'https://north.hospital:8443', said });
  });
  afterEach(() => vi.unstubAllGlobals());

  it('names this server, and nothing else in it changes', () => {
    expect(text.querySelector('code').textContent).toBe(
      'export A=https://north.hospital:8443\ncurl https://north.hospital:8443/api http://localhost:80001',
    );
  });

  it('is copied as it is shown', async () => {
    const writeText = vi.fn(async () => {});
    vi.stubGlobal('navigator', { clipboard: { writeText } });
    text.querySelector('button').click();
    await settled();
    expect(writeText).toHaveBeenCalledWith(text.querySelector('code').textContent);
    expect(said.textContent).toBe('Copied.');
  });

  it('is selected where the browser does not let a page copy', async () => {
    vi.stubGlobal('navigator', {});
    text.querySelector('button').click();
    await settled();
    expect(getSelection().toString()).toBe(text.querySelector('code').textContent);
    expect(said.textContent).toMatch(/Ctrl\+C/);
  });
});

it('marks in the contents what is being read', () => {
  const heads = ['one', 'two', 'three'].map((id) => h('h2', { id }, id));
  const contents = h(
    'nav',
    {},
    heads.map(({ id }) => h('a', { href: `#${id}` }, id)),
  );
  document.body.replaceChildren(contents, ...heads);
  heads[0].getBoundingClientRect = () => ({ top: -900 });
  heads[1].getBoundingClientRect = () => ({ top: 40 });
  heads[2].getBoundingClientRect = () => ({ top: 700 });
  contentsFollow(contents);
  expect([...contents.querySelectorAll('[aria-current]')].map((link) => link.textContent)).toEqual(['two']);
});
