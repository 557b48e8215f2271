/** The sample study on pages: its mark, its note on the result, sending and removing it. */
import { h } from '../dom.js';
import { jobPath } from '../navigation.js';
import { samples } from '../samples-api.js';
import { t } from '../strings/index.js';
import { toastCarry } from './chrome.js';
import { confirmAsk } from './confirm-dialog.js';
import { icon } from './icons.js';
import { button, callout } from './registry-page.js';
import { toastProblem } from './toasts.js';

/** Null for every other study. */
export const sampleBadge = (study) =>
  study?.is_sample ? h('span', { className: 'sample-badge' }, icon('flask'), t('sample.badge')) : null;

/** One press, one study: a press after a broken connection repeats the same request. Goes to the job, where it is followed live. */
export function sampleButton({ look = 'primary', ...more } = {}) {
  const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  const node = button({ words: t('onboarding.sample'), look, glyph: 'play', ...more });
  node.addEventListener('click', async () => {
    node.disabled = true;
    node.lastChild.textContent = ` ${t('onboarding.sampleWorking')}`;
    try {
      const { data } = await samples.submit({ key });
      location.assign(jobPath(data.job.id));
    } catch (problem) {
      toastProblem(problem);
      node.disabled = false;
      node.lastChild.textContent = ` ${t('onboarding.sample')}`;
    }
  });
  return node;
}

async function remove() {
  const sure = await confirmAsk({
    title: t('sample.removeTitle'),
    text: t('sample.removeText'),
    confirm: t('sample.remove'),
    tone: 'danger',
  });
  if (!sure) return;
  try {
    await samples.remove();
    toastCarry({ kind: 'success', title: t('sample.removed') });
    location.assign('/');
  } catch (problem) {
    toastProblem(problem);
  }
}

/** What stands above the result of a sample, on paper too. Null for every other study. */
export function sampleNote(study, { mayRemove }) {
  if (!study?.is_sample) return null;
  return h(
    'div',
    { className: 'sample-note' },
    callout({
      tone: 'info',
      title: t('sample.title'),
      text: t('sample.text'),
      children: mayRemove ? [button({ words: t('sample.remove'), small: true, glyph: 'trash', onClick: remove })] : [],
    }),
  );
}
