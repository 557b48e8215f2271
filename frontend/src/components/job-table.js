/** The worklist's body: draws only rows that changed, so that focus, selection and screen readers are left in peace. */
import { textSet } from '../dom.js';
import { age } from '../format.js';
import { jobRow } from './job-row.js';

/** Few enough that drawing them holds nothing up. */
const rowsAFrame = 8;

/** Makes `row` what `wanted` is, cell by cell: what is the same stays, and with it its layout, its focus and what is chosen in it. */
function rowPatch(row, wanted) {
  row.className = wanted.className;
  Object.assign(row.dataset, wanted.dataset);
  [...wanted.children].forEach((cell, at) => {
    const known = row.children[at];
    if (!known.isEqualNode(cell)) known.replaceWith(cell);
  });
}

/**
 * `onAction(kind, job)` runs a row's button; `selectionOf()` → what rows may be selected by, or null; `optionsOf(job)` → more of jobRow's.
 * Returns { update(jobs) → number of rows whose status changed, ages() }.
 */
export function jobTableCreate({ body, onAction, selectionOf = () => null, optionsOf = () => ({}) }) {
  const rows = new Map();
  let turn = 0;

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
    const drawn = jobRow(job, { onAction, selection: selectionOf(), ...optionsOf(job) });
    const row = known?.row ?? drawn;
    if (known) {
      const focus = focusOf(row);
      rowPatch(row, drawn);
      if (focus && !row.contains(document.activeElement)) focusRestore(focus, row);
    }
    const entry = { row, signature, status: job.status };
    rows.set(job.id, entry);
    return entry;
  }

  /** From the `from`-th job on; what is below the first screen is drawn in later frames, unless a newer list has come by then. */
  function draw(jobs, from, mine) {
    let drawn = 0;
    for (let index = from; index < jobs.length; index += 1) {
      const signature = JSON.stringify(jobs[index]);
      if (rows.get(jobs[index].id)?.signature !== signature) drawn += 1;
      if (drawn > rowsAFrame) {
        requestAnimationFrame(() => mine === turn && draw(jobs, index, mine));
        return;
      }
      const { row } = rowOf(jobs[index], signature);
      if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
    }
  }

  return {
    update(jobs) {
      turn += 1;
      const wanted = new Set(jobs.map((job) => job.id));
      for (const [id, entry] of rows) {
        if (wanted.has(id)) continue;
        entry.row.remove();
        rows.delete(id);
      }
      for (const stranger of [...body.children]) if (!rows.has(stranger.dataset.id)) stranger.remove();
      const changed = jobs.filter(({ id, status }) => rows.has(id) && rows.get(id).status !== status).length;
      draw(jobs, 0, turn);
      return changed;
    },
    ages(now = Date.now()) {
      for (const node of body.querySelectorAll('[data-age]')) textSet(node, age(node.dateTime, now));
    },
  };
}
