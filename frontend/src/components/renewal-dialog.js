/** Signing in again on the spot, where leaving for the login page would lose what a person typed or chose. */
import { api } from '../api.js';
import { h } from '../dom.js';
import { t } from '../strings/index.js';
import { problemNode } from './form-dialog.js';
import { toast } from './toasts.js';

let dialog = null;

/** Announced on `window` once the session is there again: pollers that the end of the session stopped go on. */
export const renewed = 'session-renewed';

/** Asks `username` for the password; the page stays as it is. `leave`: to the login page after all. Once, however many ask. */
export function renewalAsk({ username, leave }) {
  if (dialog) return;
  const problems = h('div', { className: 'renewal__problem' });
  const password = h('input', {
    className: 'form-control',
    id: 'renewal-password',
    type: 'password',
    autocomplete: 'current-password',
    required: true,
  });
  const submit = h('button', { className: 'btn btn-primary', type: 'submit' }, t('renewal.submit'));

  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    problems.replaceChildren();
    try {
      await api.sessionOpen({ username, password: password.value });
      dialog.close();
      toast({ kind: 'success', title: t('renewal.done'), sentences: [t('renewal.again')] });
      window.dispatchEvent(new Event(renewed));
    } catch (problem) {
      problems.replaceChildren(problemNode(problem));
      password.select();
    } finally {
      submit.disabled = false;
    }
  }

  dialog = h(
    'dialog',
    { className: 'app-dialog', 'aria-labelledby': 'renewal-title', 'aria-describedby': 'renewal-text' },
    h(
      'form',
      { onSubmit: send },
      h('h2', { className: 'h5', id: 'renewal-title' }, t('renewal.title')),
      h('p', { id: 'renewal-text' }, t('renewal.text')),
      // for password managers, which fill in a password where they see whose it is
      h('input', {
        type: 'text',
        name: 'username',
        autocomplete: 'username',
        value: username,
        hidden: true,
        readonly: true,
      }),
      h('label', { className: 'form-label', for: 'renewal-password' }, t('renewal.password', { name: username })),
      password,
      problems,
      h(
        'div',
        { className: 'app-dialog__buttons' },
        h('button', { className: 'btn btn-outline-secondary', type: 'button', onClick: leave }, t('renewal.leave')),
        submit,
      ),
    ),
  );
  dialog.addEventListener('cancel', (event) => event.preventDefault()); // behind it nothing works
  dialog.addEventListener('close', () => {
    dialog.remove();
    dialog = null;
  });
  document.body.append(dialog);
  dialog.showModal();
  password.focus();
}
