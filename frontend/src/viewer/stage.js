/**
 * One view on its stage: picture, lines, lens and the words in its corners, and the tools that act on it. Reads and sets ViewerState.
 */
import { viewName } from '../dicom/hanging.js';
import { h, styleSet, svg, textSet } from '../dom.js';
import { count, decimal } from '../format.js';
import { t } from '../strings/index.js';
import { targetName } from '../components/heatmap-layer.js';
import { isSegmentation } from '../components/mask.js';
import { fitScale, matrixOf, panned, toImage, toStage, zoomClamp, zoomed } from './geometry.js';
import { gesturesAttach } from './gestures.js';
import { chestSide, flipNeeded } from './hanging.js';
import { lengthWords, marksDraw } from './marks.js';
import { latestOnly } from './painter-client.js';
import { Picture, sizeOf } from './picture.js';
import { isTable, windowDrag, windowOf } from './window.js';

const lensZoom = 2.5;
const lensSize = 200;
const arrowShare = 0.08;
const crossStep = 6;
const stateWords = { loading: 'viewer.loading', preview: 'viewer.previewOnly', failed: 'viewer.previewOnly' };

/**
 * → { node, id, show(), keyHandle(event), flip(), actualPixels(), pictureFile(), measured(), open(), close() }.
 * `onLines(lengths)` after a measurement, `onSay(text)` for the live region, `onAlone()` on a double click.
 */
export function stageCreate({ image, result, state, title, onLines, onSay, onAlone, onState }) {
  const { id } = image;
  const chest = chestSide(image);
  const hangFlip = flipNeeded(image);
  const size = sizeOf(image);
  const spacing = image.pixel_spacing_mm;
  const canvas = h('canvas', { className: 'stage__picture', role: 'img', dataset: { drawn: 'nothing' } });
  const marks = svg('svg', { class: 'stage__marks', 'aria-hidden': 'true' });
  const lens = h('canvas', { className: 'stage__lens', hidden: true, 'aria-hidden': 'true' });
  const corner = (where) => h('span', { className: `stage__corner stage__corner--${where}`, 'aria-hidden': 'true' });
  const standing = corner('state');
  const figures = corner('bottom');
  const node = h(
    'div',
    { className: 'stage', tabindex: '0', role: 'application', dataset: { view: viewName(image) } },
    canvas,
    marks,
    standing,
    figures,
    lens,
  );
  let pictureState = 'loading';
  let draft = null;
  let cross = null;
  let hovered = null;
  let dragTool = null;
  let value = null;
  /** The stage's own size in CSS pixels. Told by the observer: asked for between changes of four stages, each would be laid out anew. */
  let room = { width: 1, height: 1 };
  let marksFor = '';
  let labelsFor = '';
  let closed = false; // late events of a stage that is gone: blur, resize, answers on their way

  const picture = new Picture({
    image,
    result,
    canvas,
    onState: (next) => {
      pictureState = next;
      node.dataset.state = next;
      show();
      onState(next);
    },
  });

  const frame = () => ({ ...room, ...size });
  const own = () => state.view(id);
  const flipped = () => hangFlip !== own().turned;
  const chestShown = () => (chest && own().turned ? { left: 'right', right: 'left' }[chest] : chest);
  const seen = () => ({ frame: frame(), chest: chestShown(), place: own().place });
  const matrix = () => matrixOf({ ...seen(), flipped: flipped() });
  const layerNow = () => {
    const { layer } = state.common;
    const shown = layer.on && image.assessment !== 'not_assessable';
    return { on: shown, target: layer.target, opacity: layer.opacity / 100, threshold: layer.threshold / 100 };
  };
  const placeSet = (place) => state.viewSet(id, { place });
  const settingSet = (changes) => state.viewSet(id, { setting: { ...own().setting, ...changes } });

  function cornersShow() {
    if (closed) return;
    const at = matrix();
    const { setting } = own();
    const words = [
      pictureState !== 'full' && t(stateWords[pictureState]),
      own().turned ? t('viewer.flippedByHand') : hangFlip && t('viewer.flipped'),
      setting.inverted && t('viewer.inverted'),
    ];
    textSet(standing, words.filter(Boolean).join(' · '));
    const { centre, width } = image.pixels ? windowOf(image.pixels, setting) : {};
    const zoom = at.scale * (window.devicePixelRatio || 1);
    const parts = [
      value !== null && t('viewer.valueShort', { value: count(value) }),
      picture.isFull && isTable(image.pixels, setting) && t('viewer.tableShort'),
      picture.isFull && t('viewer.windowShort', { centre: count(centre), width: count(width) }),
      picture.isFull && t('viewer.bitsShort', { bits: image.pixels.bits_stored }),
      t('viewer.zoomShort', { percent: zoom < 0.1 ? decimal(100 * zoom, 1) : Math.round(100 * zoom) }),
    ];
    textSet(figures, parts.filter(Boolean).join('  '));
  }

  function labelsShow() {
    const { tool, layer } = state.common;
    const shown =
      layerNow().on &&
      t(isSegmentation(result) ? 'viewer.pictureMask' : 'viewer.pictureLayer', { target: targetName(layer.target) });
    if (labelsFor === `${tool} ${shown}`) return;
    labelsFor = `${tool} ${shown}`;
    canvas.setAttribute('aria-label', t('viewer.picture', { view: title, layer: shown || '' }));
    node.setAttribute('aria-label', t('viewer.stage', { view: title, tool: t(`viewer.toolNames.${tool}`) }));
    node.dataset.tool = tool;
  }

  function show() {
    if (closed) return;
    const at = matrix();
    picture.show({ matrix: at, frame: frame(), setting: own().setting, layer: layerNow() });
    marksShow(at);
    cornersShow();
    labelsShow();
    lensShow();
  }

  function marksShow(at) {
    const wanted = { matrix: at, frame: frame(), spacing, lines: own().lines, draft, cross };
    const key = JSON.stringify(wanted);
    if (key === marksFor) return; // windowing moves no line
    marksFor = key;
    marksDraw(marks, wanted);
  }

  const lensDraw = latestOnly(async ({ point, setting, layer }) => {
    if (closed) return;
    const at = matrix();
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const pixels = Math.round(lensSize * ratio);
    const { column, row } = toImage(at, point);
    const stepColumn = 1 / (at.sx * lensZoom * ratio);
    const stepRow = 1 / (at.scale * lensZoom * ratio);
    const view = {
      width: pixels,
      height: pixels,
      column: column - (pixels / 2) * stepColumn,
      row: row - (pixels / 2) * stepRow,
      stepColumn,
      stepRow,
    };
    const rgba = await picture.lens({ view, setting, layer }).catch(() => null);
    if (!rgba) return;
    lens.width = pixels;
    lens.height = pixels;
    lens.getContext('2d').putImageData(new ImageData(rgba, pixels, pixels), 0, 0);
  });

  function lensShow() {
    if (closed) return;
    const point = cross ? toStage(matrix(), cross) : hovered;
    const wanted = state.common.tool === 'magnify' && point !== null && picture.isFull;
    lens.hidden = !wanted;
    if (!wanted) return;
    styleSet(lens, { left: `${point.x - lensSize / 2}px`, top: `${point.y - lensSize / 2}px` });
    lensDraw({ point, setting: own().setting, layer: layerNow() });
  }

  const valueAsk = latestOnly(async (point) => {
    if (closed) return;
    value = await picture.valueAt(toImage(matrix(), point)).catch(() => null);
    cornersShow();
  });

  function lineAdd(line) {
    own().lines.push(line);
    draft = null;
    show();
    onLines(own().lines.map(({ from, to }) => lengthWords(from, to, spacing)));
    onSay(t('viewer.lengthSaid', { view: title, length: lengthWords(line.from, line.to, spacing) }));
  }

  const tool = {
    window: (_, { dx, dy }) =>
      settingSet(windowDrag(own().setting, { dx: dx / frame().width, dy: dy / frame().height })),
    pan: (_, delta) => placeSet(panned(seen(), delta)),
    zoom: (at, { dy }) => placeSet(zoomed(seen(), { factor: 2 ** (-dy / 120), ...dragTool.start })),
    measure: (at) => {
      draft = { from: draft?.from ?? toImage(matrix(), dragTool.start), to: toImage(matrix(), at) };
      show();
    },
    magnify: (at) => {
      hovered = at;
      lensShow();
    },
  };

  gesturesAttach(node, {
    start(at, { button, shift }) {
      cross = null;
      const name = button === 2 ? 'window' : button === 1 || shift ? 'pan' : state.common.tool;
      dragTool = { name, start: at };
      node.dataset.dragging = name;
      if (name === 'magnify') tool.magnify(at);
    },
    move: (at, delta) => tool[dragTool.name](at, delta),
    end(at, moved) {
      if (dragTool?.name === 'measure' && draft && moved) lineAdd(draft);
      draft = null;
      dragTool = null;
      delete node.dataset.dragging;
      show();
    },
    pinch({ factor, x, y, dx, dy }) {
      draft = null;
      placeSet(zoomed(seen(), { factor, x, y }));
      placeSet(panned(seen(), { dx, dy }));
    },
    wheel: ({ factor, x, y }) => placeSet(zoomed(seen(), { factor, x, y })),
    hover(at) {
      hovered = at;
      if (picture.isFull) valueAsk(at);
      lensShow();
    },
    leave() {
      hovered = null;
      value = null;
      lensShow();
      cornersShow();
    },
  });
  node.addEventListener('dblclick', () => {
    if (state.common.tool !== 'measure') onAlone();
  });
  node.addEventListener('blur', () => {
    cross = null;
    draft = null;
    show();
  });

  function crossMove(dx, dy, fast) {
    const at = matrix();
    const step = (crossStep * (fast ? 6 : 1)) / at.scale;
    const from = cross ?? toImage(at, { x: frame().width / 2, y: frame().height / 2 });
    const side = Math.sign(at.sx);
    cross = {
      column: Math.min(size.columns, Math.max(0, from.column + dx * step * side)),
      row: Math.min(size.rows, Math.max(0, from.row + dy * step)),
    };
    if (draft) draft = { from: draft.from, to: cross };
    show();
  }

  function arrow(dx, dy, shift) {
    const { width, height } = frame();
    if (['measure', 'magnify'].includes(state.common.tool)) crossMove(dx, dy, shift);
    else if (shift) settingSet(windowDrag(own().setting, { dx: dx * 0.04, dy: dy * 0.04 }));
    else placeSet(panned(seen(), { dx: -dx * arrowShare * width, dy: -dy * arrowShare * height }));
  }

  function enter() {
    if (state.common.tool !== 'measure') return false;
    if (!cross) crossMove(0, 0, false);
    if (draft) lineAdd(draft);
    else {
      draft = { from: cross, to: cross };
      onSay(t('viewer.measureStart'));
    }
    show();
    return true;
  }

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const zoomBy = (factor) => placeSet(zoomed(seen(), { factor, x: frame().width / 2, y: frame().height / 2 }));

  /** Keys of the stage that has the focus; true when the key was one of them. */
  function keyHandle(event) {
    if (event.key in arrows) arrow(...arrows[event.key], event.shiftKey);
    else if (event.key === '+' || event.key === '=') zoomBy(1.25);
    else if (event.key === '-') zoomBy(0.8);
    else if (event.key === 'Enter') return enter();
    else if (event.key === 'Delete' || event.key === 'Backspace') {
      if (!own().lines.pop()) return false;
      onLines(own().lines.map(({ from, to }) => lengthWords(from, to, spacing)));
      onSay(t('viewer.measureRemoved'));
      show();
    } else return false;
    return true;
  }

  const resized = new ResizeObserver(() => {
    room = { width: Math.max(1, node.clientWidth), height: Math.max(1, node.clientHeight) };
    styleSet(node, { '--frame-ratio': room.width / room.height }); // what is printed has the shape of what is seen
    show();
  });
  resized.observe(node);

  return {
    node,
    id,
    show,
    keyHandle,
    marks,
    canvas,
    open: () => picture.open(),
    rest: () => picture.rest(),
    flip: () => state.viewSet(id, { turned: !own().turned }),
    actualPixels: () =>
      placeSet({ ...own().place, zoom: zoomClamp(1 / (fitScale(frame()) * (window.devicePixelRatio || 1))) }),
    close() {
      closed = true;
      resized.disconnect();
      picture.close();
    },
  };
}
