import { dataTable } from '@/components/registry-page.js';
import { h } from '@/dom.js';
import { focusKeep } from '@/focus.js';

const table = (columns, more = {}) =>
  dataTable({ caption: 'Jobs', columns, rows: [columns.map((name) => `${name} of it`)], ...more });
const isCards = (node) => node.classList.contains('data-table--cards');

describe('a table', () => {
  let measured = null;

  beforeEach(() => {
    vi.stubGlobal(
      'ResizeObserver',
      class {
        constructor(set) {
          measured = set;
        }

        observe() {}
      },
    );
  });

  const sized = (node, sizes) => {
    for (const [name, value] of Object.entries(sizes)) {
      Object.defineProperty(node, name, { value, configurable: true });
    }
    measured();
    return node;
  };

  it('becomes cards on a phone above two columns, unless it must stay a table', () => {
    expect(isCards(table(['What', 'Size']))).toBe(false);
    expect(isCards(table(['What', 'Median', '95 %']))).toBe(true);
    expect(isCards(table(['In service', 'benign', 'normal'], { cards: false }))).toBe(false);
  });

  it('names the column in each cell', () => {
    const cells = [...table(['What', 'Median', '95 %']).querySelectorAll('tbody td')];
    expect(cells.map((cell) => cell.dataset.label)).toEqual(['Median', '95 %']);
  });

  it('is a stop of the keyboard, and named, until it is found to fit, and again when it scrolls', () => {
    const node = table(['What', 'Median', '95 %']);
    const stop = () => [node.getAttribute('tabindex'), node.getAttribute('role'), node.getAttribute('aria-label')];
    expect(stop()).toEqual(['0', 'region', 'Jobs']);
    sized(node, { scrollWidth: 400, clientWidth: 0, scrollHeight: 100, clientHeight: 0 });
    expect(stop()).toEqual(['0', 'region', 'Jobs']);
    sized(node, { scrollWidth: 400, clientWidth: 400, clientHeight: 100 });
    expect(stop()).toEqual([null, null, null]);
    sized(node, { scrollWidth: 900 });
    expect(stop()).toEqual(['0', 'region', 'Jobs']);
  });
});

describe('the focus of what is drawn anew', () => {
  const place = h('div', {});
  const links = (...names) => names.map((name) => h('a', { href: `/batches/${name}` }, name));
  const redraw = (...nodes) => {
    const back = focusKeep(place);
    place.replaceChildren(...nodes);
    back();
    return document.activeElement;
  };

  beforeEach(() => {
    document.body.replaceChildren(place);
    place.replaceChildren(...links('a', 'b'));
  });

  it('stays on what has the same name, wherever that stands now', () => {
    place.lastElementChild.focus();
    expect(redraw(...links('new', 'a', 'b')).textContent).toBe('b');
  });

  it('goes to what stands where it stood when that is gone', () => {
    place.lastElementChild.focus();
    expect(redraw(...links('a')).textContent).toBe('a');
  });

  it('is left alone elsewhere', () => {
    expect(redraw(...links('a', 'c'))).toBe(document.body);
  });
});
