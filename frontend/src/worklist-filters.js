/** What the worklist is asked for: as it stands in the address bar, and as the API takes it. Pure. */

export const noFilters = {
  status: '',
  search: '',
  priority: '',
  deployment: '',
  side: '',
  from: '',
  until: '',
  sort: '',
  cursor: '',
};
const values = {
  status: ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  priority: ['stat', 'routine', 'backfill'],
  side: ['above', 'below'],
  sort: ['oldest'],
};
/** Those that stand behind “More filters”. */
export const moreFilters = ['deployment', 'side', 'from', 'until', 'sort'];
const day = /^\d{4}-\d{2}-\d{2}$/;

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

/** Midnight of a local day, some days on, as ISO 8601. Empty for no day, or one that the calendar does not know. */
function midnight(text, daysOn = 0) {
  if (!day.test(text)) return '';
  const [year, month, date] = text.split('-').map(Number);
  const at = new Date(year, month - 1, date + daysOn);
  return Number.isNaN(at.getTime()) ? '' : at.toISOString();
}

/** As the API takes them: days are the person's own, and “until” includes its day. */
export function filtersAsked({ from, until, ...others }) {
  return { ...others, created_after: midnight(from), created_before: midnight(until, 1) };
}
