/** What the viewer opens over itself: the keys, and the model card with its limits. Native modal dialogs. */
import { icon } from '../components/icons.js';
import { toastProblem } from '../components/toasts.js';
import { h } from '../dom.js';
import { digestShort } from '../format.js';
import { readingApi } from '../reading-api.js';
import { english, makersLang } from '../server-words.js';
import { entries, t } from '../strings/index.js';

function dialogOpen({ title, body, className = '' }) {
  const dialog = h(
    'dialog',
    { className: `app-dialog ${className}`, 'aria-labelledby': 'viewer-dialog-title' },
    h(
      'form',
      { method: 'dialog', className: 'app-dialog__head' },
      h('h2', { className: 'h5', id: 'viewer-dialog-title' }, title),
      h('button', { className: 'btn btn-sm btn-ghost', 'aria-label': t('common.close') }, icon('x')),
    ),
    body,
  );
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

export function helpOpen() {
  const groups = entries('viewer.helpGroups').map(([key, name]) =>
    h(
      'section',
      {},
      h('h3', { className: 'h6' }, name),
      h(
        'dl',
        { className: 'keys' },
        entries(`viewer.helpRows.${key}`).map(([keys, words]) =>
          h('div', {}, h('dt', {}, h('kbd', {}, keys)), h('dd', {}, words)),
        ),
      ),
    ),
  );
  dialogOpen({
    title: t('viewer.helpTitle'),
    body: h('div', { className: 'keys__groups' }, groups),
    className: 'app-dialog--wide',
  });
}

/** The card of the package behind a job. */
export async function cardOpen(jobId) {
  let card;
  let markdownNodes;
  try {
    [{ data: card }, { markdownNodes }] = await Promise.all([
      readingApi.jobCard(jobId),
      import('../components/markdown.js'), // its reader is larger than the viewer's tools together, and few open a card
    ]);
  } catch (problem) {
    toastProblem(problem);
    return;
  }
  const use = card.intended_use;
  const list = (items) =>
    h(
      'ul',
      {},
      items.map((item) => h('li', { lang: makersLang }, item)),
    );
  const made = [...(use.views ?? []), ...(use.acquisitions ?? [])];
  const body = h(
    'div',
    { className: 'card-text', tabindex: '0', role: 'region', 'aria-label': t('viewer.card.text') },
    h(
      'p',
      { className: 'summary__hint' },
      english(card.title),
      ' ',
      h('code', { title: card.digest }, digestShort(card.digest)),
    ),
    h('h3', { className: 'h6' }, t('viewer.card.limits')),
    use.statement && h('p', { lang: makersLang }, use.statement),
    made.length > 0 && h('p', {}, h('strong', {}, `${t('viewer.card.intended')}: `), english(made.join(', '))),
    use.not_validated?.length > 0 && [
      h('p', {}, h('strong', {}, t('viewer.card.notValidated'))),
      list(use.not_validated),
    ],
    h('h3', { className: 'h6' }, t('viewer.card.text')),
    card.card === null ? h('p', {}, t('viewer.card.lost')) : markdownNodes(card.card, { headingShift: 3 }),
  );
  dialogOpen({ title: t('viewer.card.title', card), body, className: 'app-dialog--wide' });
}
