/** Cancel and retry: ask first, then tell what the server said. Used by every page that shows jobs. */
import { api } from '../api.js';
import { t } from '../strings/index.js';
import { confirmAsk } from './confirm-dialog.js';
import { toast, toastProblem } from './toasts.js';

const kinds = {
  cancel: { send: (id) => api.jobCancel(id), done: 'worklist.cancelled', tone: 'danger' },
  retry: { send: (id) => api.jobRetry(id), done: 'worklist.retried', tone: 'primary' },
};

export const studyName = (job) => job.study?.external_id || t('worklist.noId');

/** Resolves to the changed job, or null when declined or refused; the refusal has then been shown. */
export async function jobActionRun(kind, job) {
  const { send, done, tone } = kinds[kind];
  const agreed = await confirmAsk({
    title: t(`worklist.${kind}Title`),
    text: t(`worklist.${kind}Text`, { id: studyName(job) }),
    confirm: t(`worklist.${kind}Confirm`),
    tone,
  });
  if (!agreed) return null;
  try {
    const { data } = await send(job.id);
    toast({ kind: 'success', title: t(done), sentences: [studyName(job)] });
    return data;
  } catch (problem) {
    toastProblem(problem);
    return null;
  }
}
