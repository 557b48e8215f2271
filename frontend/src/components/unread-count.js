/** How many results the person has not read: in the tab's title, and at the view that lists them. */
import { h, visuallyHidden } from '../dom.js';
import { count } from '../format.js';
import { plural, t } from '../strings/index.js';

/** The server counts no further. */
const counted = 100;

const shortOf = (unread) => (unread >= counted ? `${count(counted - 1)}+` : count(unread));

/** “(3) Worklist · MammoServe”. */
export function unreadTitle(unread) {
  const title = `${t('pages.worklist')} · ${t('product')}`;
  return unread > 0 ? `(${shortOf(unread)}) ${title}` : title;
}

/** The number as a badge with its words for who does not see it; null where everything is read. */
export function unreadBadge(unread) {
  if (!unread) return null;
  return [
    h('span', { className: 'views__count', 'aria-hidden': 'true' }, shortOf(unread)),
    visuallyHidden(`, ${plural('views.unread', unread, { n: shortOf(unread) })}`),
  ];
}
