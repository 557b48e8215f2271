/** Where the keyboard is, kept while what it stands in is drawn anew. */

const reachable = ['a[href]', 'button', 'summary', 'input', 'select', 'textarea', '[tabindex]'].join();
const nameOf = (node) =>
  [node.tagName, node.id, node.getAttribute('href'), node.getAttribute('aria-label') ?? node.textContent].join('\n');

/**
 * Call before `place` is drawn anew; returns what to call after: the focus goes to what has the same name, else to what stands where
 * it stood. Without a focus in `place` nothing moves.
 */
export function focusKeep(place) {
  const nodes = () => [...place.querySelectorAll(reachable)];
  const focused = nodes().find((node) => node === document.activeElement);
  if (!focused) return () => {};
  const [name, index] = [nameOf(focused), nodes().indexOf(focused)];
  return () => {
    const now = nodes();
    const found = now.find((node) => nameOf(node) === name) ?? now[Math.min(index, now.length - 1)];
    found?.focus({ preventScroll: true });
  };
}

/** What scrolls sideways by itself shows the whole of what gets the focus: browsers are content with a corner of it. */
export function focusShowAttach() {
  document.addEventListener('focusin', ({ target }) => {
    if (target.closest('.views__list, .bulk__actions, .subnav__links')) {
      target.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
  });
}
