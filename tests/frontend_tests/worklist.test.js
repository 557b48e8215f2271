import { outcomesCount, outcomesWords } from '@/components/job-bulk.js';
import { filtersAsked, filtersParse, isFiltered, noFilters } from '@/worklist-filters.js';

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
