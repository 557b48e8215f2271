/** The icons pages draw at run time, from Bootstrap Icons, bundled as text and parsed once as XML. Decorative: hidden from readers. */
import above from 'bootstrap-icons/icons/caret-up-fill.svg?raw';
import arrowRepeat from 'bootstrap-icons/icons/arrow-repeat.svg?raw';
import archive from 'bootstrap-icons/icons/archive.svg?raw';
import back from 'bootstrap-icons/icons/arrow-counterclockwise.svg?raw';
import box from 'bootstrap-icons/icons/box-seam.svg?raw';
import chevronLeft from 'bootstrap-icons/icons/chevron-left.svg?raw';
import chevronRight from 'bootstrap-icons/icons/chevron-right.svg?raw';
import circle from 'bootstrap-icons/icons/circle.svg?raw';
import columns from 'bootstrap-icons/icons/layout-split.svg?raw';
import flask from 'bootstrap-icons/icons/eyedropper.svg?raw';
import pause from 'bootstrap-icons/icons/hourglass-split.svg?raw';
import plus from 'bootstrap-icons/icons/plus-lg.svg?raw';
import shield from 'bootstrap-icons/icons/shield-check.svg?raw';
import skip from 'bootstrap-icons/icons/skip-forward-circle-fill.svg?raw';
import swap from 'bootstrap-icons/icons/arrow-left-right.svg?raw';
import below from 'bootstrap-icons/icons/caret-down.svg?raw';
import check from 'bootstrap-icons/icons/check-circle-fill.svg?raw';
import clipboard from 'bootstrap-icons/icons/clipboard.svg?raw';
import clock from 'bootstrap-icons/icons/clock-fill.svg?raw';
import download from 'bootstrap-icons/icons/download.svg?raw';
import expand from 'bootstrap-icons/icons/arrows-angle-expand.svg?raw';
import contract from 'bootstrap-icons/icons/arrows-angle-contract.svg?raw';
import info from 'bootstrap-icons/icons/info-circle-fill.svg?raw';
import play from 'bootstrap-icons/icons/play-circle-fill.svg?raw';
import slash from 'bootstrap-icons/icons/slash-circle-fill.svg?raw';
import trash from 'bootstrap-icons/icons/trash3.svg?raw';
import upload from 'bootstrap-icons/icons/cloud-arrow-up.svg?raw';
import warning from 'bootstrap-icons/icons/exclamation-triangle-fill.svg?raw';
import x from 'bootstrap-icons/icons/x-lg.svg?raw';
import xCircle from 'bootstrap-icons/icons/x-circle-fill.svg?raw';

const sources = {
  above,
  arrowRepeat,
  archive,
  back,
  box,
  chevronLeft,
  chevronRight,
  circle,
  columns,
  flask,
  pause,
  plus,
  shield,
  skip,
  swap,
  below,
  check,
  clipboard,
  clock,
  contract,
  download,
  expand,
  info,
  play,
  slash,
  trash,
  upload,
  warning,
  x,
  xCircle,
};
const parsed = new Map();

/** More icons by name: a part that is loaded later brings its own. */
export const iconsAdd = (more) => Object.assign(sources, more);

export function icon(name, className = 'icon') {
  if (!parsed.has(name)) {
    const source = sources[name].replace(/>\s+</g, '><'); // blanks between elements would count as text of the page
    parsed.set(name, new DOMParser().parseFromString(source, 'image/svg+xml').documentElement);
  }
  const node = document.importNode(parsed.get(name), true);
  node.setAttribute('class', className);
  node.setAttribute('aria-hidden', 'true');
  node.setAttribute('focusable', 'false');
  return node;
}
