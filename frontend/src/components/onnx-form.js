/** What an ONNX file does not say by itself and a package must: asked once, sent with the file. */
import { h } from '../dom.js';
import { bytes } from '../format.js';
import { t } from '../strings/index.js';
import { chipsCreate } from './chips.js';
import { problemNode } from './form-dialog.js';

let serial = 0;

function field({ label, hint, input }) {
  serial += 1;
  const id = `onnx-${serial}`;
  input.id = id;
  if (hint) input.setAttribute('aria-describedby', `${id}-hint`);
  return h(
    'div',
    { className: 'field' },
    h('label', { className: 'form-label', for: id }, label),
    input,
    hint && h('p', { className: 'form-text', id: `${id}-hint` }, hint),
  );
}

const text = (name, more = {}) =>
  h('input', { className: 'form-control', name, autocomplete: 'off', spellcheck: 'false', ...more });

/** The names the form may choose, whichever of the known shapes the server lists them in. */
export function profileNames(data) {
  const listed = Array.isArray(data) ? data : (data.results ?? data.profiles ?? []);
  return listed.map((one) => (typeof one === 'string' ? { name: one, title: one } : { title: one.name, ...one }));
}

/** What the server is sent, from the fields; empty optional fields are left out. */
export function formValues({ fields, labels, suspicious }) {
  const optional = Object.fromEntries(
    ['target', 'scores', 'method'].filter((name) => fields[name]).map((name) => [name, fields[name]]),
  );
  if (fields.threshold !== '' && fields.threshold !== undefined) optional.threshold = Number(fields.threshold);
  return {
    name: fields.name,
    version: fields.version,
    title: fields.title,
    labels,
    profile: fields.profile,
    suspicion_classes: suspicious,
    statement: fields.statement,
    ...optional,
  };
}

/** `onSend(form)` → promise, rejected with the server's refusal; `onStop()` when the person declines. */
export function onnxForm({ file, profiles, onSend, onStop }) {
  const suspicion = h('div', { className: 'choices' }, h('p', { className: 'form-text' }, t('onnx.suspicionNone')));
  const labels = chipsCreate({
    label: t('onnx.labels'),
    hint: t('onnx.labelsHint'),
    placeholder: t('onnx.labelsPlaceholder'),
    onChange: suspicionDraw,
  });
  const chosen = new Set();

  function suspicionDraw(words) {
    for (const word of chosen) if (!words.includes(word)) chosen.delete(word);
    suspicion.replaceChildren(
      ...words.map((word) =>
        h(
          'label',
          { className: 'form-check' },
          h('input', {
            className: 'form-check-input',
            type: 'checkbox',
            checked: chosen.has(word),
            onChange: (event) => (event.target.checked ? chosen.add(word) : chosen.delete(word)),
          }),
          h('span', { className: 'form-check-label' }, word),
        ),
      ),
    );
  }

  const problems = h('div', {});
  const submit = h('button', { className: 'btn btn-primary', type: 'submit' }, t('onnx.send'));
  const methods = ['grad-cam', 'grad-cam++', 'hires-cam', 'layer-cam', 'eigen-cam'];
  const form = h(
    'form',
    { className: 'card panel onnx-form' },
    h('h2', { className: 'h6' }, t('onnx.heading', { name: file.name, size: bytes(file.size) })),
    h('p', { className: 'summary__hint' }, t('onnx.lead')),
    h(
      'div',
      { className: 'form-grid' },
      field({
        label: t('onnx.name'),
        hint: t('onnx.nameHint'),
        input: text('name', { required: true, pattern: '[a-z0-9][a-z0-9._\\-]{0,63}' }),
      }),
      field({
        label: t('onnx.version'),
        hint: t('onnx.versionHint'),
        input: text('version', {
          required: true,
          value: '1.0.0',
          pattern: '[0-9]+\\.[0-9]+\\.[0-9]+([.\\-][A-Za-z0-9.\\-]+)?',
        }),
      }),
      field({
        label: t('onnx.title'),
        hint: t('onnx.titleHint'),
        input: text('title', { required: true, maxlength: 120 }),
      }),
      field({
        label: t('onnx.profile'),
        hint: t('onnx.profileHint'),
        input: h(
          'select',
          { className: 'form-select', name: 'profile', required: true },
          h('option', { value: '' }, t('onnx.profileChoose')),
          profiles.map(({ name, title }) => h('option', { value: name }, title)),
        ),
      }),
    ),
    labels.node,
    h(
      'fieldset',
      { className: 'field' },
      h('legend', { className: 'form-label' }, t('onnx.suspicion')),
      suspicion,
      h('p', { className: 'form-text' }, t('onnx.suspicionHint')),
    ),
    field({
      label: t('onnx.statement'),
      hint: t('onnx.statementHint'),
      input: h('textarea', { className: 'form-control', name: 'statement', rows: 2, required: true, maxlength: 500 }),
    }),
    h(
      'details',
      { className: 'onnx-form__more' },
      h('summary', {}, t('onnx.more')),
      h(
        'div',
        { className: 'form-grid' },
        field({
          label: t('onnx.threshold'),
          hint: t('onnx.thresholdHint'),
          input: text('threshold', { type: 'number', min: 0, max: 1, step: 'any' }),
        }),
        field({
          label: t('onnx.method'),
          hint: t('onnx.methodHint'),
          input: h(
            'select',
            { className: 'form-select', name: 'method' },
            h('option', { value: '' }, t('onnx.methodDefault')),
            methods.map((name) => h('option', { value: name }, name)),
          ),
        }),
        field({ label: t('onnx.target'), hint: t('onnx.targetHint'), input: text('target') }),
        field({ label: t('onnx.scores'), hint: t('onnx.scoresHint'), input: text('scores') }),
      ),
    ),
    problems,
    h(
      'div',
      { className: 'app-dialog__buttons' },
      h('button', { className: 'btn btn-outline-secondary', type: 'button', onClick: onStop }, t('registry.decline')),
      submit,
    ),
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const missing =
      labels.words().length < 2 ? t('onnx.needLabels') : chosen.size === 0 ? t('onnx.needSuspicion') : null;
    if (missing) {
      problems.replaceChildren(problemNode({ title: missing, sentences: [] }));
      problems.firstElementChild.focus();
      return;
    }
    submit.disabled = true;
    const suspicious = labels.words().filter((word) => chosen.has(word));
    try {
      await onSend(formValues({ fields: Object.fromEntries(new FormData(form)), labels: labels.words(), suspicious }));
    } catch (problem) {
      problems.replaceChildren(problemNode(problem));
      problems.firstElementChild.focus();
      if (!problem.sentences) throw problem; // no answer of the server, so an error of ours
    } finally {
      submit.disabled = false;
    }
  });
  return form;
}
