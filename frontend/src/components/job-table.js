/** The worklist's body: draws only rows that changed, so that focus, selection and screen readers are left in peace. */
import { textSet } from '../dom.js';
import { age } from '../format.js';
import { jobRow } from './job-row.js';

/**
 * `onAction(kind, job)` runs a row's button; `selectionOf()` → what rows may be selected by, or null; `optionsOf(job)` → more of jobRow's.
 * Returns { update(jobs) → number of rows whose status changed, ages() }.
 */
export function jobTableCreate({ body, onAction, selectionOf = () => null, optionsOf = () => ({}) }) {
  const rows = new Map();

  function focusRestore(before, row) {
    if (!before) return;
    const again = before.action ? row.querySelector(`[data-action="${before.action}"]`) : null;
    (again ?? row.querySelector('a')).focus();
  }

  function focusOf(row) {
    if (!row.contains(document.activeElement)) return null;
    return { action: document.activeElement.dataset.action ?? null };
  }

  function rowOf(job, signature) {
    const known = rows.get(job.id);
    if (known?.signature === signature) return known;
    const row = jobRow(job, { onAction, selection: selectionOf(), ...optionsOf(job) });
    if (known) {
      const focus = focusOf(known.row);
      known.row.replaceWith(row);
      focusRestore(focus, row);
    }
    const entry = { row, signature, status: job.status };
    rows.set(job.id, entry);
    return entry;
  }

  return {
    update(jobs) {
      let changed = 0;
      const wanted = new Set(jobs.map((job) => job.id));
      for (const [id, entry] of rows) {
        if (wanted.has(id)) continue;
        entry.row.remove();
        rows.delete(id);
      }
      for (const stranger of [...body.children]) if (!rows.has(stranger.dataset.id)) stranger.remove();
      jobs.forEach((job, index) => {
        const before = rows.get(job.id)?.status;
        const { row } = rowOf(job, JSON.stringify(job));
        if (before && before !== job.status) changed += 1;
        if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
      });
      return changed;
    },
    ages(now = Date.now()) {
      for (const node of body.querySelectorAll('[data-age]')) textSet(node, age(node.dateTime, now));
    },
  };
}
