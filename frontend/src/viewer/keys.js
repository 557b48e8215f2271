/** Keys of the viewer. Letters work wherever no text is typed; arrows and the like belong to the stage that has the focus. */
import { tools } from './state.js';

const step = 10;
const toolKeys = { w: 'window', p: 'pan', z: 'zoom', m: 'measure', g: 'magnify' };
const within = (value) => Math.min(100, Math.max(0, value));

/** Whether a key typed here belongs to the element and not to the page. */
const typing = (target) =>
  target.matches?.('input:not([type=radio], [type=checkbox], [type=range]), select, textarea, dialog *');

/** → a function that takes the listener away. */
export function keysAttach({ state, stageActive, targets, hasLayers, actions }) {
  const layer = (changes) => {
    if (hasLayers) state.layerSet(changes);
  };
  const plain = {
    h: () => layer({ on: !state.common.layer.on }),
    '[': () => layer({ opacity: within(state.common.layer.opacity - step) }),
    ']': () => layer({ opacity: within(state.common.layer.opacity + step) }),
    ',': () => layer({ threshold: within(state.common.layer.threshold - step) }),
    '.': () => layer({ threshold: within(state.common.layer.threshold + step) }),
    c: () => layer({ target: targets[(targets.indexOf(state.common.layer.target) + 1) % targets.length] }),
    i: actions.invert,
    f: actions.flip,
    s: () => state.commonSet({ linked: !state.common.linked }),
    e: actions.alone,
    x: actions.full,
    0: actions.reset,
    1: actions.actualPixels,
    '?': actions.help,
    escape: actions.escape,
  };

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector('dialog[open]')) return;
    const key = event.key.toLowerCase();
    const stage = stageActive();
    let used = stage?.keyHandle(event) ?? false;
    if (!used && tools.includes(toolKeys[key])) {
      state.commonSet({ tool: toolKeys[key] });
      used = true;
    } else if (!used && key in plain) {
      plain[key]();
      used = key !== 'escape';
    }
    if (used) event.preventDefault();
  }
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}
