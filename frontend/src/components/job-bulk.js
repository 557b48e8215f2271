/** Cancels or retries many jobs at once and tells what became of them. */
import { request } from '../api.js';
import { plural, t } from '../strings/index.js';
import { confirmAsk } from './confirm-dialog.js';
import { toast, toastProblem } from './toasts.js';

const atMost = 200;
const tones = { cancel: 'danger', retry: 'primary' };

/** How many were done, refused by their state, and not found. */
export function outcomesCount(results) {
  const of = (outcome) => results.filter((one) => one.outcome === outcome).length;
  return { done: of('done'), refused: of('refused'), notFound: of('not_found') };
}

/** What to say of the outcomes, a sentence for each kind that occurred. */
export function outcomesWords({ refused, notFound }) {
  return [refused > 0 && plural('bulk.refused', refused), notFound > 0 && plural('bulk.notFound', notFound)].filter(
    Boolean,
  );
}

/** `kind`: cancel or retry. Resolves to whether anything was asked of the server. */
export async function bulkRun(kind, ids) {
  const agreed = await confirmAsk({
    title: plural(`bulk.${kind}Title`, ids.length),
    text: t(`bulk.${kind}Text`),
    confirm: t(`bulk.${kind}`),
    tone: tones[kind],
  });
  if (!agreed) return false;
  try {
    const results = [];
    for (let at = 0; at < ids.length; at += atMost) {
      const body = { action: kind, jobs: ids.slice(at, at + atMost) };
      results.push(...(await request('/jobs/bulk', { method: 'POST', body })).data.results);
    }
    const counted = outcomesCount(results);
    toast({
      kind: counted.done ? 'success' : 'info',
      title: plural(`bulk.${kind}Done`, counted.done),
      sentences: outcomesWords(counted),
    });
  } catch (problem) {
    toastProblem(problem);
  }
  return true;
}
