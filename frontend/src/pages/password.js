/** A password of one's own: changing it, or choosing it where an administrator gave the first one. */
import { admin } from '../admin-api.js';
import { toastCarry } from '../components/chrome.js';
import { problemNode } from '../components/form-dialog.js';
import { callout, contentShow, registryStart } from '../components/registry-page.js';
import { h } from '../dom.js';
import { nextPath } from '../navigation.js';
import { t } from '../strings/index.js';

const required = new URLSearchParams(location.search).has('required');

function field(name, autocomplete, hint = null) {
  const id = `password-${name}`;
  return h(
    'div',
    { className: 'field' },
    h('label', { className: 'form-label', for: id }, t(`password.${name}`)),
    h('input', {
      className: 'form-control',
      id,
      name,
      type: 'password',
      autocomplete,
      required: true,
      maxlength: 200,
      'aria-describedby': hint && `${id}-hint`,
    }),
    hint && h('p', { className: 'form-text', id: `${id}-hint` }, hint),
  );
}

registryStart(async (session) => {
  const problems = h('div', {});
  const submit = h('button', { className: 'btn btn-primary', type: 'submit' }, t('password.submit'));
  const form = h(
    'form',
    { className: 'card panel password-form' },
    required && callout({ tone: 'info', title: t('password.requiredTitle'), text: t('password.requiredText') }),
    h('input', {
      className: 'visually-hidden',
      name: 'username',
      autocomplete: 'username',
      value: session.user.username,
      readonly: true,
      tabindex: '-1',
      'aria-label': t('people.name'),
    }),
    field('current', 'current-password', required ? t('password.currentHint') : null),
    field('wanted', 'new-password', t('password.wantedHint')),
    field('again', 'new-password'),
    problems,
    submit,
  );
  const refuse = (problem) => {
    problems.replaceChildren(problemNode(problem));
    problems.firstElementChild.focus();
  };
  form.again.addEventListener('input', () => form.again.setCustomValidity(''));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (form.wanted.value !== form.again.value) {
      form.again.setCustomValidity(t('password.differ'));
      form.again.reportValidity();
      return;
    }
    submit.disabled = true;
    try {
      await admin.passwordChange({ current_password: form.current.value, new_password: form.wanted.value });
    } catch (problem) {
      refuse(problem);
      if (!problem.sentences) throw problem; // no answer of the server, so an error of ours
      return;
    } finally {
      submit.disabled = false;
    }
    toastCarry({ kind: 'success', title: t('password.done') });
    location.assign(nextPath(location.search));
  });
  contentShow(form);
  form.current.focus();
});
