/**
 * The first steps of a site and a person, ticked by what has happened: asked of the server, but for what only this browser knows.
 * For those who may send studies. Gone when the required steps are done or the person hides it; the account menu brings it back.
 */
import { admin } from '../admin-api.js';
import { api } from '../api.js';
import { byId, h } from '../dom.js';
import { notesAdd, notesRead } from '../first-steps.js';
import { jobPath } from '../navigation.js';
import { isAdministrator, maySubmit } from '../rights.js';
import { samples } from '../samples-api.js';
import { t } from '../strings/index.js';
import { icon } from './icons.js';
import { button, link } from './registry-page.js';
import { sampleButton } from './sample.js';
import { toast, toastProblem } from './toasts.js';

const one = { page_size: 1 };

/** What the server knows: { study, job, token, webhook }; `job` is the id of the newest result, or null. */
export async function stepsRead(session) {
  const [studies, results, tokens, webhooks] = await Promise.all([
    samples.studiesList(one),
    api.jobsList({ ...one, status: 'SUCCEEDED' }),
    admin.tokensList(one),
    isAdministrator(session) ? admin.webhooksList() : null,
  ]);
  return {
    study: studies.data.results.length > 0,
    job: results.data.results[0]?.id ?? null,
    token: tokens.data.results.length > 0,
    webhook: webhooks ? webhooks.data.results.length > 0 : null,
  };
}

/** [{ name, done, optional }] in order. */
export function stepsOf(known, notes) {
  return [
    { name: 'study', done: known.study },
    { name: 'result', done: Boolean(notes.opened) },
    { name: 'token', done: known.token },
    known.webhook !== null && { name: 'webhook', done: known.webhook, optional: true },
  ].filter(Boolean);
}

const actions = {
  study: () => [sampleButton(), link({ words: t('onboarding.own'), href: '/upload', glyph: 'upload' })],
  result: ({ job }) =>
    job
      ? [link({ words: t('onboarding.resultOpen'), href: jobPath(job), look: 'primary' })]
      : [h('p', { className: 'first-step__wait' }, t('onboarding.resultWait'))],
  token: () => [
    link({ words: t('onboarding.tokenMake'), href: '/tokens?new', look: 'primary' }),
    h('a', { className: 'btn btn-link', href: '/guide' }, t('guide.heading')),
  ],
  webhook: () => [link({ words: t('onboarding.webhookMake'), href: '/webhooks?new' })],
};

function stepNode({ name, done, optional }, known) {
  return h(
    'li',
    { className: `first-step${done ? ' first-step--done' : ''}`, dataset: { step: name } },
    icon(done ? 'check' : 'circle', 'icon first-step__mark'),
    h(
      'div',
      { className: 'first-step__body' },
      h(
        'h3',
        { className: 'first-step__title' },
        t(`onboarding.${name}`),
        h('span', { className: 'visually-hidden' }, ` ${t(done ? 'onboarding.done' : 'onboarding.open')}`),
        optional && h('span', { className: 'first-step__optional' }, t('onboarding.optional')),
      ),
      h('p', { className: 'first-step__text' }, t(`onboarding.${name}${done ? 'Done' : 'Text'}`)),
      !done && h('div', { className: 'buttons first-step__actions' }, actions[name](known)),
    ),
  );
}

/** `place`: the element it is drawn into, hidden while there is nothing to do. Returns { refresh, again }. */
export function gettingStartedCreate({ session, place }) {
  const { username } = session.user;
  let last = '';
  let over = !maySubmit(session) || Boolean(notesRead(username).dismissed);
  /** The person has asked for it, so it stays though everything is done. */
  let wanted = false;

  function close() {
    over = true;
    wanted = false;
    place.hidden = true;
    place.replaceChildren();
  }

  function dismiss() {
    notesAdd(username, { dismissed: true });
    close();
    toast({ title: t('onboarding.hidden'), sentences: [t('onboarding.hiddenText')] });
    document.getElementById('main').focus({ preventScroll: true });
  }

  function draw(known) {
    const steps = stepsOf(known, notesRead(username));
    const needed = steps.filter(({ optional }) => !optional);
    const done = needed.filter((step) => step.done).length;
    if (done === needed.length && !wanted) {
      close();
      return;
    }
    const state = JSON.stringify([known, done]);
    if (state === last) return; // a drawing over the focus of a reader is for changes alone
    last = state;
    place.replaceChildren(
      h(
        'section',
        { className: 'card first-steps', 'aria-labelledby': 'first-steps-title' },
        h(
          'div',
          { className: 'first-steps__head' },
          h('h2', { className: 'h5', id: 'first-steps-title', tabindex: '-1' }, t('onboarding.heading')),
          h('p', { className: 'first-steps__progress' }, t('onboarding.progress', { done, of: needed.length })),
          button({
            words: t('onboarding.hide'),
            small: true,
            look: 'link',
            className: 'btn btn-sm btn-link first-steps__hide',
            onClick: dismiss,
          }),
        ),
        h('p', { className: 'first-steps__lead' }, t('onboarding.lead')),
        h(
          'ol',
          { className: 'first-steps__list' },
          steps.map((step) => stepNode(step, known)),
        ),
      ),
    );
    place.hidden = false;
  }

  async function refresh() {
    if (over) return;
    try {
      draw(await stepsRead(session));
    } catch (problem) {
      if (problem.status !== 401 && problem.status !== 0) toastProblem(problem); // the list says that the server is away
    }
  }

  return {
    /** Asks anew; nothing once it is over. */
    refresh,
    /** Shows it once more, whatever is done, and leads there. */
    async again() {
      if (!maySubmit(session)) return;
      notesAdd(username, { dismissed: false });
      over = false;
      wanted = true;
      last = '';
      await refresh();
      byId('first-steps-title')?.focus();
    },
  };
}
