/** Shows something that is shown once: a token, a webhook's secret, a temporary password. Closes only when told to. */
import { h } from '../dom.js';
import { t } from '../strings/index.js';
import { icon } from './icons.js';

/** Copies where the browser allows it (secure origins alone); selects the text for the person's own copy where it does not. */
async function copy(field, said) {
  try {
    await navigator.clipboard.writeText(field.value);
    said.textContent = t('administration.copied');
  } catch {
    field.select();
    said.textContent = t('administration.copyByHand');
  }
}

function exampleNode({ label, text, note }, said) {
  const field = h('textarea', {
    className: 'form-control',
    id: 'secret-example',
    readonly: true,
    rows: 4,
    spellcheck: 'false',
    onFocus: (event) => event.target.select(),
  });
  field.value = text;
  return h(
    'div',
    { className: 'secret__try' },
    h('label', { className: 'form-label', for: 'secret-example' }, label),
    h(
      'div',
      { className: 'secret__row' },
      field,
      h(
        'button',
        { type: 'button', className: 'btn btn-outline-secondary', onClick: () => copy(field, said) },
        icon('clipboard'),
        ` ${t('administration.copy')}`,
        h('span', { className: 'visually-hidden' }, `: ${label}`),
      ),
    ),
    note && h('p', { className: 'form-text' }, note),
  );
}

/**
 * `facts`: [[name, value]] beside the secret; `example`: { label, text, note } to copy and try it with. Resolves when the person says that it is kept.
 */
export function secretShow({ title, text, label, secret, facts = [], example = null }) {
  return new Promise((resolve) => {
    const field = h('input', {
      className: 'form-control secret__value',
      id: 'secret-value',
      value: secret,
      readonly: true,
      spellcheck: 'false',
      autocomplete: 'off',
      'aria-describedby': 'secret-warning',
      onFocus: (event) => event.target.select(),
    });
    const said = h('p', { className: 'form-text secret__said', role: 'status' });
    const dialog = h(
      'dialog',
      { className: 'app-dialog secret', 'aria-labelledby': 'secret-title', 'aria-describedby': 'secret-text' },
      h(
        'form',
        { method: 'dialog' },
        h('h2', { className: 'h5', id: 'secret-title' }, title),
        h('p', { id: 'secret-text' }, text),
        facts.length > 0 &&
          h(
            'dl',
            { className: 'secret__facts' },
            facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
          ),
        h('label', { className: 'form-label', for: 'secret-value' }, label),
        h(
          'div',
          { className: 'secret__row' },
          field,
          h(
            'button',
            { type: 'button', className: 'btn btn-outline-secondary', onClick: () => copy(field, said) },
            icon('clipboard'),
            ` ${t('administration.copy')}`,
          ),
        ),
        said,
        example && exampleNode(example, said),
        h(
          'p',
          { className: 'secret__warning', id: 'secret-warning' },
          icon('warning'),
          h('span', {}, t('administration.shownOnce')),
        ),
        h(
          'div',
          { className: 'app-dialog__buttons' },
          h('button', { className: 'btn btn-primary', value: 'kept' }, t('administration.kept')),
        ),
      ),
    );
    dialog.addEventListener('cancel', (event) => event.preventDefault()); // Escape by habit would lose it for good
    dialog.addEventListener('close', () => {
      field.value = '';
      const tried = dialog.querySelector('#secret-example');
      if (tried) tried.value = '';
      dialog.remove();
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
