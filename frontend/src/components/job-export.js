/** Exports of the worklist: says how many studies it will be, asks for the form, saves the file. */
import { h } from '../dom.js';
import { count } from '../format.js';
import { plural, t } from '../strings/index.js';
import { worklistApi } from '../worklist-api.js';
import { formAsk } from './form-dialog.js';
import { toast, toastProblem } from './toasts.js';

function fileSave({ blob, name }) {
  const address = URL.createObjectURL(blob);
  const link = h('a', { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // after the browser has taken it over
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function formFields() {
  return [
    {
      name: 'format',
      type: 'radio',
      label: t('exporting.format'),
      value: 'csv',
      options: [
        { value: 'csv', label: t('exporting.csv') },
        { value: 'jsonl', label: t('exporting.jsonl') },
      ],
    },
    {
      node: h(
        'label',
        { className: 'choice' },
        h('input', { className: 'form-check-input', type: 'checkbox', name: 'identifiers' }),
        h(
          'span',
          { className: 'choice__text' },
          h('span', {}, t('exporting.identifiers')),
          h('span', { className: 'choice__hint' }, t('exporting.identifiersHint')),
        ),
      ),
    },
  ];
}

function ask({ number, text, fetcher }) {
  return formAsk({
    title: plural('exporting.title', number, { n: count(number) }),
    text,
    fields: formFields(),
    confirm: t('exporting.confirm'),
    send: async ({ format, identifiers }) => {
      fileSave(await fetcher({ format, identifiers: identifiers === 'on' }));
      toast({ title: plural('exporting.done', number, { n: count(number) }) });
    },
  });
}

/** `filters` as the API takes them. */
export async function exportFiltered({ cursor: _, ...filters }) {
  try {
    const { count: number, maximum } = (await worklistApi.exportCount(filters)).data;
    if (number === 0) {
      toast({ kind: 'info', title: t('exporting.nothing'), sentences: [t('exporting.nothingText')] });
    } else if (number > maximum) {
      const sentences = [t('exporting.tooManyText', { max: count(maximum) })];
      toast({ kind: 'danger', title: t('exporting.tooMany'), sentences });
    } else {
      await ask({
        number,
        text: t('exporting.filtered'),
        fetcher: (form) => worklistApi.exportFiltered(filters, form),
      });
    }
  } catch (problem) {
    toastProblem(problem);
  }
}

export const exportChosen = (ids, sort) =>
  ask({
    number: ids.length,
    text: t('exporting.chosen'),
    fetcher: (form) => worklistApi.exportChosen(ids, { ...form, ...(sort ? { sort } : {}) }),
  });
