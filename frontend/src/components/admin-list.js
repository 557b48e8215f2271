/** What the lists of the administration share: a page by cursor, changes followed by a new reading. */
import { h } from '../dom.js';
import { focusKeep } from '../focus.js';
import { pagerNode } from './batch-parts.js';
import { dataTable, emptyCard } from './registry-page.js';
import { toast, toastProblem } from './toasts.js';

/**
 * `list(filters)` → request; `row(entry)` → cells under `columns()`. `empty`: as emptyCard takes it.
 * Returns { node, read(filters), attempt(run, said) }.
 */
export function adminListCreate({ caption, columns, list, row, empty, pages }) {
  const node = h('div', { className: 'stack' });
  let filters = {};

  async function read(wanted = filters) {
    filters = wanted;
    const { data } = await list(filters);
    const focusBack = focusKeep(node);
    node.replaceChildren(
      data.results.length
        ? h(
            'div',
            { className: 'card admin-list' },
            dataTable({
              caption,
              columns: columns(),
              rows: data.results.map(row),
              className: 'data-table--buttons',
            }),
          )
        : emptyCard(empty()),
      pagerNode(data, { label: pages, filters, read }),
    );
    focusBack();
  }

  /** Runs a change, says `said` and reads anew. A change that answers null or false was declined. Resolves to its answer. */
  async function attempt(run, said) {
    try {
      const answer = await run();
      if (answer === null || answer === false) return null;
      if (said) toast({ title: said });
      await read();
      return answer ?? {};
    } catch (problem) {
      toastProblem(problem);
      if (!problem.sentences) throw problem; // no answer of the server, so an error of ours
      return null;
    }
  }

  return { node, read, attempt };
}
