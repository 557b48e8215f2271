/** What the worklist is asked for: as it stands in the address bar, and as the API takes it. Pure. */

export const noFilters = {
  status: '',
  search: '',
  priority: '',
  deployment: '',
  side: '',
  from: '',
  until: '',
  period: '',
  reading: '',
  site: '',
  sort: '',
  cursor: '',
};
const values = {
  status: ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  priority: ['stat', 'routine', 'backfill'],
  side: ['above', 'below'],
  period: ['today'],
  reading: ['unread', 'read'],
  sort: ['oldest', 'most_suspicious', 'least_suspicious', 'most_urgent', 'least_urgent'],
};
/** Those that stand behind “More filters”. */
export const moreFilters = ['reading', 'deployment', 'side', 'from', 'until', 'site'];
const day = /^\d{4}-\d{2}-\d{2}$/;

/** Columns whose header sorts: the order that falls, and the one that rises. The empty order is newest first. */
export const sortColumns = {
  age: { descending: '', ascending: 'oldest' },
  outcome: { descending: 'most_suspicious', ascending: 'least_suspicious' },
  priority: { descending: 'most_urgent', ascending: 'least_urgent' },
};

/** The `aria-sort` of a column under an order. */
export const sortOf = (column, sort) =>
  Object.entries(sortColumns[column]).find(([, order]) => order === sort)?.[0] ?? 'none';

/** What a press on the column's header sorts by next. */
export const sortNext = (column, sort) =>
  sortColumns[column][sortOf(column, sort) === 'descending' ? 'ascending' : 'descending'];

/** Filters from an address; what it does not know is left out. */
export function filtersParse(search) {
  const given = new URLSearchParams(search);
  const filters = { ...noFilters };
  for (const name of Object.keys(filters)) {
    const value = given.get(name) ?? '';
    const known = values[name]?.includes(value) ?? (['from', 'until'].includes(name) ? day.test(value) : true);
    if (known) filters[name] = value;
  }
  return filters;
}

/** Whether anything is left out of the list. The order and the page leave nothing out. */
export const isFiltered = (filters) =>
  Object.entries(filters).some(([name, value]) => value && name !== 'cursor' && name !== 'sort');

/** What a view keeps: filters and order that say something, in one order of names. */
export const viewQuery = (filters) =>
  Object.fromEntries(
    Object.keys(noFilters)
      .filter((name) => name !== 'cursor' && filters[name])
      .map((name) => [name, filters[name]]),
  );

export const sameQuery = (one, other) =>
  JSON.stringify(viewQuery({ ...noFilters, ...one })) === JSON.stringify(viewQuery({ ...noFilters, ...other }));

/** Midnight of a local day, some days on, as ISO 8601. Empty for no day, or one that the calendar does not know. */
function midnight(text, daysOn = 0) {
  if (!day.test(text)) return '';
  const [year, month, date] = text.split('-').map(Number);
  const at = new Date(year, month - 1, date + daysOn);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

/** As the API takes them: days are the person's own, “until” includes its day, and today is the day of `now`. */
export function filtersAsked({ from, until, period, ...others }, now = new Date()) {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).toISOString();
  return {
    ...others,
    created_after: period === 'today' ? today : midnight(from),
    created_before: period === 'today' ? '' : midnight(until, 1),
  };
}
