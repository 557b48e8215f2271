/** What every page of the registry shares: its start, its head, its refusals, and small parts made of several words. */
import { byId, h, textSet } from '../dom.js';
import { age, dateTime } from '../format.js';
import { t } from '../strings/index.js';
import { chromeStart, toLogin } from './chrome.js';
import { icon } from './icons.js';

export const content = () => byId('content');

export function contentShow(...nodes) {
  content().replaceChildren(...nodes.flat(Infinity).filter(Boolean));
  content().removeAttribute('aria-busy');
  byId('main').setAttribute('aria-busy', 'false');
}

export function headShow({ title, lead, badge = null, actions = [] }) {
  if (title) {
    textSet(byId('title'), title);
    document.title = `${title} · ${t('product')}`;
  }
  if (lead !== undefined) textSet(byId('lead'), lead);
  byId('title-badge')?.replaceChildren(...[badge].flat().filter(Boolean));
  byId('actions').replaceChildren(...actions.filter(Boolean));
}

/** An empty place that says what would stand here and how it comes about. */
export function emptyCard({ title, text, action = null, glyph = 'info', level = 'h2' }) {
  return h(
    'section',
    { className: 'empty card' },
    icon(glyph, 'icon empty__icon'),
    h(level, { className: 'h5' }, title),
    h('p', { className: 'text-body-secondary empty__text' }, text),
    action,
  );
}

/** A refusal of the whole page in the server's words. */
export function problemShow(problem, { again = null } = {}) {
  if (problem.name === 'AbortError') return;
  if (problem.status === 401) {
    toLogin();
    return;
  }
  contentShow(
    emptyCard({
      title: problem.title ?? t('errors.crashTitle'),
      text: (problem.sentences ?? [t('errors.crash')]).flatMap((sentence) => [sentence, ' ']),
      action: again && button({ words: t('common.tryAgain'), look: 'primary', onClick: again }),
    }),
  );
}

/** Starts the frame, then the page; a refusal of its first reading is shown in its place. Resolves to the session. */
export async function registryStart(draw) {
  const session = await chromeStart();
  const attempt = async () => {
    try {
      await draw(session);
    } catch (problem) {
      problemShow(problem, { again: attempt });
      if (!problem.sentences) throw problem; // no answer of the server, so an error of ours
    }
  };
  await attempt();
  return session;
}

export function button({ words, onClick, look = 'outline-secondary', glyph = null, small = false, ...more }) {
  return h(
    'button',
    { type: 'button', className: `btn btn-${look}${small ? ' btn-sm' : ''}`, onClick, ...more },
    glyph && icon(glyph),
    glyph ? ` ${words}` : words,
  );
}

export function link({ words, href, look = 'outline-secondary', glyph = null, small = false, ...more }) {
  return h(
    'a',
    { className: `btn btn-${look}${small ? ' btn-sm' : ''}`, href, ...more },
    glyph && icon(glyph),
    glyph ? ` ${words}` : words,
  );
}

export const timeNode = (iso) =>
  iso ? h('time', { datetime: iso, title: dateTime(iso) }, age(iso)) : t('common.none');

export const fact = (name, ...value) => h('div', { className: 'fact' }, h('dt', {}, name), h('dd', {}, value));

/** A card with its heading; `wide` spans the grid it stands in. */
export function panel({ title, level = 'h2', className = '', aside = null }, ...children) {
  return h(
    'section',
    { className: `card panel ${className}` },
    h(
      'div',
      { className: 'panel__head' },
      h(level, { className: 'h6 panel__title' }, title),
      aside && h('div', { className: 'panel__aside' }, aside),
    ),
    children,
  );
}

/**
 * A note that has to be seen: `tone` warning, bad or good; icon and words carry the meaning with the colour.
 * `live` false: it is drawn again and again, and must not be read aloud each time.
 */
export function callout({ tone = 'warning', title, text = null, children = [], live = true }) {
  const glyphs = { warning: 'warning', bad: 'xCircle', good: 'check', info: 'info' };
  return h(
    'div',
    { className: `callout callout--${tone}`, role: live && (tone === 'bad' || tone === 'warning') ? 'alert' : null },
    icon(glyphs[tone]),
    h('div', {}, h('strong', {}, title), text && h('p', {}, text), children),
  );
}

/** What scrolls by itself can be reached with the keyboard; what is found to fit is no stop on the way and no landmark. */
function scrollStop(node, name) {
  const attributes = Object.entries({ tabindex: '0', role: 'region', 'aria-label': name });
  const set = (scrolls) => {
    for (const [attribute, value] of attributes) {
      if (scrolls) node.setAttribute(attribute, value);
      else if (node !== document.activeElement) node.removeAttribute(attribute);
    }
  };
  set(true);
  if (typeof ResizeObserver === 'undefined') return node;
  const observer = new ResizeObserver(() => {
    if (!node.clientWidth || node.closest('details:not([open])')) return; // not known before it is unfolded
    const down = getComputedStyle(node).overflowY !== 'hidden' && node.scrollHeight > node.clientHeight;
    set(down || node.scrollWidth > node.clientWidth);
  });
  observer.observe(node);
  observer.observe(node.firstElementChild);
  return node;
}

/**
 * A table that scrolls by itself where it must. `rows`: arrays of cells; the first is the head. Each cell carries its column's name:
 * with `cards`, each row is a card on a phone, without a head above it. Two columns fit there as they are.
 */
export function dataTable({ caption, columns, rows, className = '', cards = columns.length > 2 }) {
  const labels = columns.map((name) => name.textContent ?? name);
  const node = h(
    'div',
    { className: `data-table ${cards ? 'data-table--cards ' : ''}${className}`.trim() },
    h(
      'table',
      {},
      h('caption', { className: 'visually-hidden' }, caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          columns.map((name) => h('th', { scope: 'col' }, name)),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map((cells) => {
          const { className: look, of } = Array.isArray(cells) ? { of: cells } : cells;
          return h(
            'tr',
            { className: look },
            of.map((cell, index) =>
              h(index ? 'td' : 'th', { scope: index ? null : 'row', dataset: { label: labels[index] } }, cell),
            ),
          );
        }),
      ),
    ),
  );
  return scrollStop(node, caption);
}
