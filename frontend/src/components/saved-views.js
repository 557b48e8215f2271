/** Views of the worklist: built-in ones and the person's own, as links above the list, and the dialogs that keep them. */
import { h } from '../dom.js';
import { t } from '../strings/index.js';
import { worklistApi } from '../worklist-api.js';
import { sameQuery } from '../worklist-filters.js';
import { confirmAsk } from './confirm-dialog.js';
import { formAsk } from './form-dialog.js';
import { icon } from './icons.js';
import { toast, toastProblem } from './toasts.js';
import { unreadBadge } from './unread-count.js';

const needsReading = { reading: 'unread' };

export const builtInViews = () => [
  { name: t('views.all'), query: {} },
  { name: t('views.needsReading'), query: needsReading },
  { name: t('views.failed'), query: { status: 'FAILED' } },
  { name: t('views.today'), query: { period: 'today' } },
];

/** The address of a view. With a view that the list starts with, the whole list needs an address of its own. */
export function viewAddress(query, { startsElsewhere = false } = {}) {
  const search = new URLSearchParams(query);
  if (search.size) return `/?${search}`;
  return startsElsewhere ? '/?view=all' : '/';
}

/**
 * `views`: saved ones. `onOpen(query)`. `unread`: how many results the view of them lists. Returns the <li> of every view; the present
 * one is marked.
 */
export function viewLinks({ views, query, onOpen, unread = 0 }) {
  const startsElsewhere = views.some((view) => view.is_default);
  return [...builtInViews(), ...views].map((view) =>
    h(
      'li',
      {},
      h(
        'a',
        {
          className: 'views__link',
          href: viewAddress(view.query, { startsElsewhere }),
          'aria-current': sameQuery(view.query, query) ? 'true' : null,
          onClick: (event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab, as any link
            event.preventDefault();
            onOpen(view.query);
          },
        },
        view.name,
        sameQuery(view.query, needsReading) && unreadBadge(unread),
      ),
    ),
  );
}

const nameField = (value = '') => ({ name: 'name', label: t('views.name'), required: true, maxlength: 60, value });

function startField() {
  return {
    node: h(
      'label',
      { className: 'choice' },
      h('input', { className: 'form-check-input', type: 'checkbox', name: 'is_default' }),
      h('span', {}, t('views.openWith')),
    ),
  };
}

/** Resolves to the new view, or null. */
export function viewSave(query) {
  return formAsk({
    title: t('views.saveTitle'),
    text: t('views.saveText'),
    fields: [nameField(), startField()],
    confirm: t('views.saveConfirm'),
    send: async ({ name, is_default: start }) => {
      const { data } = await worklistApi.viewCreate({ name, query, is_default: start === 'on' });
      toast({ title: t('views.saved'), sentences: [data.name] });
      return data;
    },
  });
}

const viewRename = (view) =>
  formAsk({
    title: t('views.renameTitle'),
    fields: [nameField(view.name)],
    confirm: t('views.saveConfirm'),
    send: ({ name }) => worklistApi.viewChange(view.id, { name }),
  });

const removeAsk = (view) =>
  confirmAsk({
    title: t('views.removeTitle', { name: view.name }),
    text: t('views.removeText'),
    confirm: t('views.removeConfirm'),
    tone: 'danger',
  });

/** `read()` → the saved views, afresh; called after every change. Resolves when the dialog is closed. */
export function viewsManage(views, { read }) {
  const list = h('ul', { className: 'views__rows' });

  function act(view, name, words, run) {
    return h(
      'button',
      {
        type: 'button',
        className: `btn btn-sm btn-outline-${name === 'remove' ? 'danger' : 'secondary'}`,
        'aria-label': t(`views.${words}Of`, { name: view.name }),
        dataset: { act: `${name}-${view.id}` },
        onClick: async () => {
          try {
            if ((await run()) === null) return;
            draw(await read());
          } catch (problem) {
            toastProblem(problem);
            return;
          }
          (list.querySelector(`[data-act="${name}-${view.id}"]`) ?? close).focus();
        },
      },
      t(`views.${words}`),
    );
  }

  function rowOf(view) {
    return h(
      'li',
      { className: 'views__row' },
      h(
        'span',
        { className: 'views__name' },
        view.name,
        view.is_default && h('span', { className: 'badge badge--info' }, icon('check'), t('views.isDefault')),
      ),
      h(
        'span',
        { className: 'buttons' },
        act(view, 'default', view.is_default ? 'unmakeDefault' : 'makeDefault', () =>
          worklistApi.viewChange(view.id, { is_default: !view.is_default }),
        ),
        act(view, 'rename', 'rename', () => viewRename(view)),
        act(view, 'remove', 'remove', async () => ((await removeAsk(view)) ? worklistApi.viewDelete(view.id) : null)),
      ),
    );
  }

  function draw(shown) {
    list.replaceChildren(
      ...(shown.length ? shown.map(rowOf) : [h('li', { className: 'views__row' }, t('views.none'))]),
    );
  }

  const close = h('button', { className: 'btn btn-primary', value: 'close', autofocus: true }, t('common.close'));
  const dialog = h(
    'dialog',
    { className: 'app-dialog app-dialog--wide', 'aria-labelledby': 'views-title' },
    h(
      'form',
      { method: 'dialog' },
      h('h2', { className: 'h5', id: 'views-title' }, t('views.manage')),
      h('p', { className: 'text-body-secondary' }, t('views.manageText')),
      list,
      h('div', { className: 'app-dialog__buttons' }, close),
    ),
  );

  return new Promise((resolve) => {
    draw(views);
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
