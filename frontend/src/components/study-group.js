/** One study among the chosen files: its heading, its reference, its images, and what became of it. Decides nothing. */
import { h, textSet } from '../dom.js';
import { jobPath } from '../navigation.js';
import { plural, t } from '../strings/index.js';
import { failureCode } from './failure-code.js';
import { icon } from './icons.js';

const externalIdPattern = /^[A-Za-z0-9][A-Za-z0-9._:/#+-]{0,127}$/; // the server's rule: nothing a name could hide in
const problemIcons = { error: 'xCircle', warning: 'warning', ready: 'check' };
let count = 0;

export const problemLine = ({ level, text }) =>
  h('p', { className: `problem problem--${level}` }, icon(problemIcons[level]), text);

/**
 * `onRetry()` after a refusal. Returns { node, list, externalId, externalIdGood(), headShow({ number, of, images }),
 * problemsShow(lines), stateShow(kind, values), busySet(busy) }.
 */
export function studyGroupCreate({ onRetry }) {
  count += 1;
  const id = `study-${count}`;
  const title = h('h3', { className: 'study-group__title', id: `${id}-title` });
  const images = h('span', { className: 'study-group__count' });
  const field = h('input', {
    className: 'form-control form-control-sm study-group__id',
    id: `${id}-external-id`,
    name: 'external_id',
    maxlength: 128,
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-describedby': `${id}-hint`,
  });
  const hint = h('p', { className: 'form-text', id: `${id}-hint` }, t('upload.externalIdHint'));
  const lines = h('div', { className: 'study-group__lines' });
  const state = h('div', { className: 'study-group__state', role: 'status' });
  const list = h('ul', { className: 'file-list' });
  const node = h(
    'section',
    { className: 'study-group', 'aria-labelledby': `${id}-title` },
    h(
      'header',
      { className: 'study-group__head' },
      h('div', { className: 'study-group__name' }, title, images),
      h(
        'div',
        { className: 'study-group__field' },
        h('label', { className: 'form-label', for: `${id}-external-id` }, t('upload.externalId')),
        field,
        hint,
      ),
    ),
    lines,
    state,
    list,
  );

  function problemNodes(problem) {
    return [
      h('p', { className: 'upload__problem-title' }, icon('xCircle'), problem.title),
      ...problem.sentences.map((sentence) => h('p', {}, sentence)),
      h('p', { className: 'upload__problem-code' }, failureCode(problem.code)),
      h(
        'button',
        { type: 'button', className: 'btn btn-sm btn-outline-secondary', onClick: onRetry },
        t('upload.again'),
      ),
    ];
  }

  return {
    node,
    list,
    get externalId() {
      return field.value.trim();
    },
    externalIdGood() {
      const good = !field.value.trim() || externalIdPattern.test(field.value.trim());
      field.classList.toggle('is-invalid', !good);
      field.setAttribute('aria-invalid', String(!good));
      textSet(hint, t(good ? 'upload.externalIdHint' : 'upload.externalIdInvalid'));
      if (!good) field.focus();
      return good;
    },
    headShow({ number, of, images: total }) {
      textSet(title, of > 1 ? t('upload.studyOf', { n: number, of }) : t('upload.study'));
      textSet(images, plural('upload.count', total));
    },
    problemsShow(found) {
      lines.replaceChildren(...found.map(problemLine));
    },
    /** `kind`: 'idle' | 'sending' | 'checking' | 'accepted' ({ jobId }) | 'refused' ({ problem }). */
    stateShow(kind, { jobId, problem } = {}) {
      node.dataset.state = kind;
      state.classList.toggle('upload__problem', kind === 'refused');
      if (kind === 'idle') state.replaceChildren();
      else if (kind === 'refused') state.replaceChildren(...problemNodes(problem));
      else if (kind === 'accepted') {
        state.replaceChildren(
          problemLine({ level: 'ready', text: t('upload.accepted') }),
          h('a', { href: jobPath(jobId) }, t('upload.openStudy')),
        );
      } else state.replaceChildren(h('p', {}, t(`upload.${kind}`)));
    },
    busySet(busy) {
      field.disabled = busy;
    },
  };
}
