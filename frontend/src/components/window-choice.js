/** Which stretch of time a page shows: one radio button a window. `wordsOf(name)`: what it is called; `choose(name)`: on a change. */
import { h } from '../dom.js';

export function windowChoice({ legend, windows, chosen, wordsOf, choose }) {
  return h(
    'fieldset',
    { className: 'segmented-set' },
    h('legend', { className: 'visually-hidden' }, legend),
    h(
      'div',
      { className: 'segmented' },
      windows.map((name) =>
        h(
          'label',
          { className: 'segmented__item' },
          h('input', {
            type: 'radio',
            name: 'window',
            value: name,
            checked: name === chosen,
            onChange: () => choose(name),
          }),
          h('span', {}, wordsOf(name)),
        ),
      ),
    ),
  );
}
