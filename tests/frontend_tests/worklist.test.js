import { outcomesCount, outcomesWords } from '@/components/job-bulk.js';
import { jobRow } from '@/components/job-row.js';
import { viewAddress, viewLinks } from '@/components/saved-views.js';
import { unreadTitle } from '@/components/unread-count.js';
import { headStart } from '@/head-start.js';
import { enWorklist } from '@/strings/en-worklist.js';
import { esWorklist } from '@/strings/es-worklist.js';
import {
  filtersAsked,
  filtersParse,
  isFiltered,
  noFilters,
  sameQuery,
  sortNext,
  sortOf,
  viewQuery,
} from '@/worklist-filters.js';

describe('the worklist’s filters', () => {
  it('are read from the address, and what it does not know is left out', () => {
    const filters = filtersParse(
      '?status=FAILED&priority=now&side=above&from=2026-03-01&until=soon&sort=oldest&search=a',
    );
    expect(filters).toEqual({
      ...noFilters,
      status: 'FAILED',
      side: 'above',
      from: '2026-03-01',
      sort: 'oldest',
      search: 'a',
    });
  });

  it('ask for the person’s own days, the last one included', () => {
    const asked = filtersAsked({
      ...noFilters,
      from: '2026-02-28',
      until: '2026-02-28',
    });
    expect(asked.created_after).toBe(new Date(2026, 1, 28).toISOString());
    expect(asked.created_before).toBe(new Date(2026, 2, 1).toISOString());
    expect(asked).not.toHaveProperty('from');
    expect(filtersAsked(noFilters).created_after).toBe('');
  });

  it('know today as the person’s own day, whenever the list is opened', () => {
    const asked = filtersAsked({ ...noFilters, period: 'today' }, new Date(2026, 1, 28, 23, 59));
    expect(asked.created_after).toBe(new Date(2026, 1, 28).toISOString());
    expect(asked).not.toHaveProperty('period');
  });

  it('leave something out only where they choose; the order and the page do not', () => {
    expect(isFiltered({ ...noFilters, sort: 'oldest', cursor: 'x' })).toBe(false);
    expect(isFiltered({ ...noFilters, until: '2026-02-28' })).toBe(true);
  });
});

it('tells of many jobs what was done and what was not', () => {
  const counted = outcomesCount([{ outcome: 'done' }, { outcome: 'refused' }, { outcome: 'refused' }]);
  expect(counted).toEqual({ done: 1, refused: 2, notFound: 0 });
  expect(outcomesWords(counted)).toEqual(['2 were in a state that does not allow it.']);
});

describe('the order of the list', () => {
  it('is told by one column alone, and newest first is the empty one', () => {
    expect(['age', 'outcome', 'priority'].map((column) => sortOf(column, ''))).toEqual(['descending', 'none', 'none']);
    expect(sortOf('outcome', 'least_suspicious')).toBe('ascending');
  });

  it('falls first, then rises, then falls again', () => {
    expect(sortNext('outcome', '')).toBe('most_suspicious');
    expect(sortNext('outcome', 'most_suspicious')).toBe('least_suspicious');
    expect(sortNext('age', 'oldest')).toBe('');
  });
});

describe('views', () => {
  const mine = { id: 'v1', name: 'Mine', query: { sort: 'most_urgent', status: 'FAILED' }, is_default: true };

  it('keep filters and order, not the page, in whatever order they were set', () => {
    expect(viewQuery({ ...noFilters, sort: 'oldest', cursor: 'x', search: 'a' })).toEqual({
      search: 'a',
      sort: 'oldest',
    });
    expect(sameQuery({ sort: 'oldest', search: 'a' }, { search: 'a', sort: 'oldest' })).toBe(true);
    expect(sameQuery({ search: 'a' }, { search: 'a', sort: 'oldest' })).toBe(false);
  });

  it('are links, one of them marked, and opened in place', () => {
    const opened = [];
    const items = viewLinks({
      views: [mine],
      query: { status: 'FAILED', sort: 'most_urgent' },
      onOpen: (q) => opened.push(q),
    });
    const links = items.map((item) => item.querySelector('a'));
    expect(links.map((link) => link.textContent)).toEqual(['All', 'Needs reading', 'Failed', 'Today', 'Mine']);
    expect(links.filter((link) => link.hasAttribute('aria-current')).map((link) => link.textContent)).toEqual(['Mine']);
    expect(links[1].getAttribute('href')).toBe('/?reading=unread');
    links[2].click();
    expect(opened).toEqual([{ status: 'FAILED' }]);
  });

  it('say how many results need reading, at the view of them alone, and as words for who does not see it', () => {
    const linksOf = (unread, views = [mine]) =>
      viewLinks({ views, query: {}, onOpen: () => {}, unread }).map((item) => item.querySelector('a'));
    const [all, needsReading] = linksOf(3);
    expect(needsReading.querySelector('[aria-hidden]').textContent).toBe('3');
    expect(needsReading.querySelector('.visually-hidden').textContent).toBe(', 3 unread results');
    expect(all.textContent).toBe('All');
    expect(linksOf(1)[1].textContent).toContain('1 unread result');
    expect(linksOf(100)[1].textContent).toBe('Needs reading99+, 99+ unread results');
    expect(linksOf(0)[1].textContent).toBe('Needs reading');
    expect(unreadTitle(3)).toBe('(3) Worklist · MammoServe');
    expect(unreadTitle(100)).toBe('(99+) Worklist · MammoServe');
    expect(unreadTitle(0)).toBe('Worklist · MammoServe');
  });

  it('give the whole list an address of its own where the list starts with another', () => {
    expect(viewAddress({})).toBe('/');
    expect(viewAddress({}, { startsElsewhere: true })).toBe('/?view=all');
  });
});

describe('an unread result', () => {
  const job = { id: 'j', status: 'SUCCEEDED', priority: 'routine', study: {}, created_at: '2026-03-01T12:00:00Z' };

  it('says so in words, besides its dot and its weight', () => {
    const row = jobRow({ ...job, unread: true }, { onAction: () => {} });
    expect(row.className).toBe('worklist__row--unread');
    expect(row.querySelector('th').textContent).toContain('Unread');
    expect(jobRow({ ...job, unread: false }, { onAction: () => {} }).textContent).not.toContain('Unread');
  });

  it('offers no change to who may only read', () => {
    const failed = { ...job, status: 'FAILED', actions: { cancel: false, retry: true } };
    expect(jobRow(failed, { onAction: () => {} }).querySelector('[data-action=retry]')).not.toBeNull();
    expect(jobRow(failed, { onAction: () => {}, mayChange: false }).querySelector('[data-action=retry]')).toBeNull();
  });
});

describe('the first question', () => {
  const answered = () => {
    const asked = [];
    const start = headStart((query, { signal }) => {
      asked.push({ query: { ...query }, signal });
      return Promise.resolve(asked.length);
    });
    return { asked, start };
  };

  it('is asked early and its answer taken, once', async () => {
    const { asked, start } = answered();
    const { signal } = new AbortController();
    start.begin({ status: '' });
    expect(await start.fetch({ status: '' }, { signal })).toBe(1);
    expect(await start.fetch({ status: '' }, { signal })).toBe(2);
    expect(asked).toHaveLength(2);
  });

  it('is given up where another one turns out to be the right one', async () => {
    const { asked, start } = answered();
    const filters = { status: '' };
    start.begin(filters);
    filters.status = 'FAILED';
    expect(await start.fetch(filters, { signal: new AbortController().signal })).toBe(2);
    expect(asked.map(({ query, signal }) => [query.status, signal.aborted])).toEqual([
      ['', true],
      ['FAILED', false],
    ]);
  });

  it('stops with whoever took it, and a refusal is theirs to hear', async () => {
    const stop = new AbortController();
    const asked = [];
    const start = headStart((_query, { signal }) => {
      asked.push(signal);
      return Promise.reject(new Error('refused'));
    });
    start.begin({});
    await new Promise((resolve) => setTimeout(resolve, 0)); // an unhandled refusal would fail this test
    await expect(start.fetch({}, { signal: stop.signal })).rejects.toThrow('refused');
    stop.abort();
    expect(asked[0].aborted).toBe(true);
  });
});

it('has the same strings in Spanish', () => {
  const paths = (node, at = '') =>
    typeof node === 'string' ? [at] : Object.entries(node).flatMap(([name, inner]) => paths(inner, `${at}.${name}`));
  expect(paths(esWorklist)).toEqual(paths(enWorklist));
});
