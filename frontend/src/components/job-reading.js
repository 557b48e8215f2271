/** Marks many results as read or unread, and tells what became of it. */
import { plural, t } from '../strings/index.js';
import { worklistApi } from '../worklist-api.js';
import { confirmAsk } from './confirm-dialog.js';
import { toast, toastProblem } from './toasts.js';

const atMost = 200;

/** Resolves to whether the server did it; a refusal has been shown. */
export async function readingRun(ids, read) {
  try {
    let marked = 0;
    for (let at = 0; at < ids.length; at += atMost) {
      marked += (await worklistApi.readingMark(ids.slice(at, at + atMost), read)).data.marked.length;
    }
    const left = ids.length - marked;
    toast({
      kind: marked ? 'success' : 'info',
      title: plural(read ? 'reading.markedRead' : 'reading.markedUnread', marked),
      sentences: left ? [plural('reading.othersLeft', left)] : [],
    });
    return true;
  } catch (problem) {
    toastProblem(problem);
    return false;
  }
}

/** The server takes a later moment for its own now, whatever this machine's clock says. */
const now = '9999-01-01T00:00:00Z';

/** Everything that has finished by now. */
export async function readingAll() {
  const agreed = await confirmAsk({
    title: t('reading.markAllTitle'),
    text: t('reading.markAllText'),
    confirm: t('reading.markAll'),
  });
  if (!agreed) return false;
  try {
    await worklistApi.readingUntil(now);
    toast({ title: t('reading.markAllDone') });
    return true;
  } catch (problem) {
    toastProblem(problem);
    return false;
  }
}
