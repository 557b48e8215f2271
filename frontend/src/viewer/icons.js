/** The viewer's own icons; they come with it, when it is needed. */
import adjust from 'bootstrap-icons/icons/circle-half.svg?raw';
import card from 'bootstrap-icons/icons/file-earmark-text.svg?raw';
import flip from 'bootstrap-icons/icons/symmetry-vertical.svg?raw';
import fullScreen from 'bootstrap-icons/icons/fullscreen.svg?raw';
import fullScreenLeave from 'bootstrap-icons/icons/fullscreen-exit.svg?raw';
import invert from 'bootstrap-icons/icons/yin-yang.svg?raw';
import keyboard from 'bootstrap-icons/icons/keyboard.svg?raw';
import link from 'bootstrap-icons/icons/link-45deg.svg?raw';
import magnify from 'bootstrap-icons/icons/search.svg?raw';
import measure from 'bootstrap-icons/icons/rulers.svg?raw';
import pan from 'bootstrap-icons/icons/arrows-move.svg?raw';
import printer from 'bootstrap-icons/icons/printer.svg?raw';
import reset from 'bootstrap-icons/icons/arrow-counterclockwise.svg?raw';
import zoom from 'bootstrap-icons/icons/zoom-in.svg?raw';

import { iconsAdd } from '../components/icons.js';

iconsAdd({
  'viewer-card': card,
  'viewer-flip': flip,
  'viewer-full': fullScreen,
  'viewer-full-leave': fullScreenLeave,
  'viewer-invert': invert,
  'viewer-keys': keyboard,
  'viewer-linked': link,
  'viewer-magnify': magnify,
  'viewer-measure': measure,
  'viewer-pan': pan,
  'viewer-print': printer,
  'viewer-reset': reset,
  'viewer-window': adjust,
  'viewer-zoom': zoom,
});
