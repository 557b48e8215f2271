/** What the guide's page does beyond showing its text: this server's address in the examples, copying, where the reader is. */
import { h } from '../dom.js';
import { locale, t } from '../strings/index.js';
import { icon } from './icons.js';

/** What stands for the platform's address in the texts. */
const placeholders = /https?:\/\/(?:localhost:8000|mammoserve\.example)(?![\w.:-])/g;

/** The examples name `origin` as the platform's address. */
function originSet(code, origin) {
  code.textContent = code.textContent.replace(placeholders, origin);
}

/** Copies where the browser allows it (secure origins alone); selects the text for the person's own copy where it does not. */
async function copy(code, said) {
  said.textContent = ''; // said again, though the words may be the same
  try {
    await navigator.clipboard.writeText(code.textContent);
    said.textContent = t('administration.copied');
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    said.textContent = t('administration.copyByHand');
    return false;
  }
}

const shownMilliseconds = 2000;

/** Its icon tells for a moment what became of it; the words are for the live region. */
function copyButton(code, said) {
  const face = h('span', {}, icon('clipboard'));
  return h(
    'button',
    {
      type: 'button',
      className: 'btn btn-sm btn-outline-secondary guide__copy',
      lang: locale,
      title: t('administration.copy'),
      'aria-label': t('guide.copy'),
      onClick: async () => {
        if (!(await copy(code, said))) return;
        face.replaceChildren(icon('check'));
        setTimeout(() => face.replaceChildren(icon('clipboard')), shownMilliseconds);
      },
    },
    face,
  );
}

/** `said`: the live region that tells what became of copying. */
export function examplesPrepare(text, { origin, said }) {
  for (const code of text.querySelectorAll('pre > code')) {
    originSet(code, origin);
    code.closest('.guide__code').append(copyButton(code, said));
  }
}

/** Marks the part that is being read in the list of contents. */
export function contentsFollow(contents) {
  const links = new Map([...contents.querySelectorAll('a')].map((link) => [link.hash.slice(1), link]));
  const headings = [...links.keys()].map((id) => document.getElementById(id));
  let marked = null;
  const mark = () => {
    const read = headings.findLast((heading) => heading.getBoundingClientRect().top < 160) ?? headings[0];
    const link = links.get(read.id);
    if (link === marked) return;
    marked?.removeAttribute('aria-current');
    link.setAttribute('aria-current', 'location');
    marked = link;
  };
  let asked = false;
  window.addEventListener(
    'scroll',
    () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        mark();
      });
    },
    { passive: true },
  );
  mark();
}
