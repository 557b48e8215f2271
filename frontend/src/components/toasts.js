/** Toasts: what succeeded, and what failed in the server's own words. Failures stay until closed; successes leave by themselves. */
import Toast from 'bootstrap/js/dist/toast.js';

import { h } from '../dom.js';
import { t } from '../strings/index.js';
import { icon } from './icons.js';

const looks = {
  success: { icon: 'check', role: 'status' },
  info: { icon: 'info', role: 'status' },
  danger: { icon: 'xCircle', role: 'alert' },
};
const successMilliseconds = 6000;
const atMost = 4;

/** Show one. `sentences` are the lines under the title. Returns the element. */
export function toast({ kind = 'success', title, sentences = [], code = null }) {
  const stack = document.getElementById('toasts');
  const look = looks[kind];
  const node = h(
    'div',
    { className: `toast app-toast app-toast--${kind}`, role: look.role, 'aria-atomic': 'true' },
    h(
      'div',
      { className: 'app-toast__row' },
      icon(look.icon, 'icon app-toast__icon'),
      h(
        'div',
        { className: 'app-toast__text' },
        h('p', { className: 'app-toast__title' }, title),
        sentences.map((sentence) => h('p', { className: 'app-toast__line' }, sentence)),
        code && h('p', { className: 'app-toast__code' }, `${t('common.code')} `, h('code', {}, code)),
      ),
      h('button', {
        type: 'button',
        className: 'btn-close',
        'data-bs-dismiss': 'toast',
        'aria-label': t('common.close'),
      }),
    ),
  );
  const same = [...stack.children].find((other) => other.textContent === node.textContent);
  if (same) Toast.getInstance(same)?.dispose();
  same?.remove();
  while (stack.children.length >= atMost) {
    Toast.getInstance(stack.firstElementChild)?.dispose();
    stack.firstElementChild.remove();
  }
  stack.append(node);
  // without Bootstrap's own fade: its callback outlives a toast that is taken away early; the stylesheet fades it in
  const shown = new Toast(node, { animation: false, autohide: kind !== 'danger', delay: successMilliseconds });
  node.addEventListener('hidden.bs.toast', () => {
    shown.dispose();
    node.remove();
  });
  shown.show();
  return node;
}

/** A failure in the server's words: title, detail, fields, what to do, code. */
export function toastProblem(problem) {
  return toast({
    kind: 'danger',
    title: problem.title ?? t('errors.crashTitle'),
    sentences: problem.sentences ?? [t('errors.crash')],
    code: problem.code ?? null,
  });
}

const carriedKey = 'mammoserve.toast';

/** Keep a toast for the page that opens next. */
export function toastCarry(content) {
  try {
    sessionStorage.setItem(carriedKey, JSON.stringify(content));
  } catch {
    toast(content); // storage is refused: better shown for a moment than not at all
  }
}

/** Show what the previous page left, once. */
export function toastCarried() {
  let content = null;
  try {
    content = JSON.parse(sessionStorage.getItem(carriedKey));
    sessionStorage.removeItem(carriedKey);
  } catch {
    content = null; // storage refused, or not ours: nothing to show
  }
  if (content && content.kind in looks && typeof content.title === 'string') toast(content);
}
