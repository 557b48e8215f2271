/** Whether a person would lose something by leaving the page: fields they changed, and what a page says it holds. */
const changed = new Set();
const reasons = [];

/** Filters and searches are no work: they stand in the address or are typed again in a second. */
const isWork = (field) => !field.closest('[role=search], .filters') && field.type !== 'file' && field.type !== 'radio';

/** `holds()` → true while the page holds something that was chosen or made, such as files. */
export const unsavedWhen = (holds) => reasons.push(holds);

export function unsavedWatch(root = document) {
  root.addEventListener('input', ({ target }) => {
    if (target instanceof HTMLElement && isWork(target)) changed.add(target);
  });
}

export function unsavedHeld() {
  for (const field of changed) if (!field.isConnected || field.value === field.defaultValue) changed.delete(field);
  return changed.size > 0 || reasons.some((holds) => holds());
}
