/** An ordered list of words typed one by one: the labels of a model, in the order of its outputs. Order is changed with buttons, by keyboard too. */
import { h } from '../dom.js';
import { t } from '../strings/index.js';
import { icon } from './icons.js';

/** `onChange(words)`. Returns { node, words() }. */
export function chipsCreate({ label, hint, placeholder, onChange }) {
  let words = [];
  const list = h('ol', { className: 'chips', 'aria-label': label });
  const input = h('input', {
    className: 'form-control',
    id: 'chips-input',
    placeholder,
    maxlength: 64,
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-describedby': 'chips-hint',
  });

  function change(next, focus = null) {
    words = next;
    draw();
    onChange(words);
    const target = focus && list.children[focus.index]?.querySelector(`[data-do="${focus.act}"]:not(:disabled)`);
    if (focus) (target ?? list.children[focus.index]?.querySelector('button:not(:disabled)') ?? input).focus();
  }

  function move(index, by) {
    const next = [...words];
    [next[index], next[index + by]] = [next[index + by], next[index]];
    change(next, { index: index + by, act: by < 0 ? 'earlier' : 'later' });
  }

  function chip(word, index) {
    const act = (name, glyph, disabled, onClick) =>
      h(
        'button',
        {
          type: 'button',
          className: 'chip__button',
          dataset: { do: name },
          disabled,
          'aria-label': t(`chips.${name}`, { word }),
          onClick,
        },
        icon(glyph),
      );
    return h(
      'li',
      { className: 'chip' },
      h('span', { className: 'chip__number' }, index + 1),
      h('span', {}, word),
      act('earlier', 'chevronLeft', index === 0, () => move(index, -1)),
      act('later', 'chevronRight', index === words.length - 1, () => move(index, 1)),
      act('remove', 'x', false, () =>
        change(
          words.filter((_, other) => other !== index),
          { index, act: 'remove' },
        ),
      ),
    );
  }

  const draw = () => list.replaceChildren(...words.map(chip));

  function take() {
    const typed = input.value.split(',').map((word) => word.trim());
    const added = typed.filter((word, index) => word && !words.includes(word) && typed.indexOf(word) === index);
    input.value = '';
    if (added.length) change([...words, ...added]);
  }

  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' || event.key === ',') {
      event.preventDefault();
      take();
    } else if (event.key === 'Backspace' && input.value === '' && words.length) change(words.slice(0, -1));
  });
  input.addEventListener('blur', take);

  const node = h(
    'div',
    { className: 'field' },
    h('label', { className: 'form-label', for: 'chips-input' }, label),
    list,
    input,
    h('p', { className: 'form-text', id: 'chips-hint' }, hint),
  );
  return { node, words: () => words };
}
