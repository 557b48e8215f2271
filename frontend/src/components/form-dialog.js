/**
 * A modal form: asks for what a change needs, sends it, and keeps a refusal in the server's words beside the fields.
 * Knows nothing of what is sent. Native dialog: focus is held and Escape declines.
 */
import { h } from '../dom.js';
import { t } from '../strings/index.js';

let serial = 0;

function optionNodes(options) {
  return options.map(({ value, label, disabled }) => h('option', { value, disabled }, label));
}

function control(field, id, described) {
  const common = { id, name: field.name, required: field.required, 'aria-describedby': described };
  if (field.type === 'textarea') {
    return h('textarea', {
      ...common,
      className: 'form-control',
      rows: 2,
      maxlength: field.maxlength ?? 500,
      minlength: field.minlength,
    });
  }
  if (field.type === 'select') return h('select', { ...common, className: 'form-select' }, optionNodes(field.options));
  return h('input', {
    ...common,
    className: 'form-control',
    type: field.type ?? 'text',
    min: field.min,
    max: field.max,
    step: field.step,
    value: field.value,
    pattern: field.pattern,
    maxlength: field.maxlength,
    autocomplete: 'off',
    spellcheck: 'false',
  });
}

function fieldNode(field) {
  if (field.node) return field.node;
  serial += 1;
  const id = `field-${serial}`;
  const hint = field.hint && h('p', { className: 'form-text', id: `${id}-hint` }, field.hint);
  if (field.type === 'radio') {
    return h(
      'fieldset',
      { className: 'field', dataset: { field: field.name } },
      h('legend', { className: 'form-label' }, field.label),
      field.options.map(({ value, label, hint: words }) =>
        h(
          'label',
          { className: 'choice' },
          h('input', {
            className: 'form-check-input',
            type: 'radio',
            name: field.name,
            value,
            checked: value === field.value,
          }),
          h(
            'span',
            { className: 'choice__text' },
            h('span', {}, label),
            words && h('span', { className: 'choice__hint' }, words),
          ),
        ),
      ),
    );
  }
  const input = control(field, id, hint ? `${id}-hint` : null);
  if (field.type === 'select' && field.value !== undefined) input.value = field.value;
  return h(
    'div',
    { className: 'field', dataset: { field: field.name } },
    h('label', { className: 'form-label', for: id }, field.label),
    input,
    hint,
  );
}

/** A refusal of the server, as people read it. */
export function problemNode(problem) {
  return h(
    'div',
    { className: 'upload__problem', role: 'alert', tabindex: '-1' },
    h('p', { className: 'upload__problem-title' }, problem.title ?? t('errors.crashTitle')),
    (problem.sentences ?? [t('errors.crash')]).map((sentence) => h('p', {}, sentence)),
    problem.code && h('p', { className: 'upload__problem-code' }, h('code', {}, problem.code)),
  );
}

export const reasonField = () => ({
  name: 'reason',
  type: 'textarea',
  label: t('registry.reason'),
  hint: t('registry.reasonHint'),
  required: true,
  minlength: 5,
});

/**
 * `fields`: [{ name, label, type, … } or { node }], two beside each other with `columns`; `send(values)` → promise.
 * `onChange(values, form)` after every change.
 * Resolves to what `send` answered, or null when declined.
 */
export function formAsk({
  title,
  text = null,
  fields,
  confirm,
  tone = 'primary',
  wide = false,
  columns = false,
  send,
  onChange = null,
}) {
  return new Promise((resolve) => {
    const problems = h('div', {});
    const submit = h('button', { className: `btn btn-${tone}`, type: 'submit' }, confirm);
    const decline = h('button', { className: 'btn btn-outline-secondary', type: 'button' }, t('registry.decline'));
    const form = h(
      'form',
      { method: 'dialog' },
      h('h2', { className: 'h5', id: 'form-dialog-title' }, title),
      text && h('p', {}, text),
      columns ? h('div', { className: 'form-grid' }, fields.map(fieldNode)) : fields.map(fieldNode),
      problems,
      h('div', { className: 'app-dialog__buttons' }, decline, submit),
    );
    const dialog = h(
      'dialog',
      { className: `app-dialog${wide ? ' app-dialog--wide' : ''}`, 'aria-labelledby': 'form-dialog-title' },
      form,
    );
    let answer = null;
    const values = () => Object.fromEntries(new FormData(form));
    decline.addEventListener('click', () => dialog.close());
    form.addEventListener('input', () => onChange?.(values(), form));
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        answer = (await send(values())) ?? {};
        dialog.close();
      } catch (problem) {
        problems.replaceChildren(problemNode(problem));
        problems.firstElementChild.focus();
        if (!problem.sentences) throw problem; // no answer of the server, so an error of ours
      } finally {
        submit.disabled = false;
      }
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    onChange?.(values(), form);
    dialog.showModal();
  });
}
