/** Asks before something that cannot be taken back at once. A native modal dialog: focus is held and Escape declines. */
import { h } from '../dom.js';
import { t } from '../strings/index.js';

/** Resolves to true when the person confirms. */
export function confirmAsk({ title, text, confirm, tone = 'primary' }) {
  return new Promise((resolve) => {
    const dialog = h(
      'dialog',
      { className: 'app-dialog', 'aria-labelledby': 'dialog-title', 'aria-describedby': 'dialog-text' },
      h(
        'form',
        { method: 'dialog' },
        h('h2', { className: 'h5', id: 'dialog-title' }, title),
        h('p', { id: 'dialog-text' }, text),
        h(
          'div',
          { className: 'app-dialog__buttons' },
          h('button', { className: 'btn btn-outline-secondary', value: 'no', autofocus: true }, t('common.keep')),
          h('button', { className: `btn btn-${tone}`, value: 'yes' }, confirm),
        ),
      ),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
