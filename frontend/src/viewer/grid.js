/** The views of one result in mammography hanging: stages, cards, and which of them stands alone. */
import { viewCardCreate, viewTitle } from '../components/view-card.js';
import { hangingOrder, viewName } from '../dicom/hanging.js';
import { h } from '../dom.js';
import { count } from '../format.js';
import { t } from '../strings/index.js';
import { targetName } from '../components/heatmap-layer.js';
import { fileSave, pictureFile } from './export.js';
import { stageCreate } from './stage.js';
import { isTable, windowOf } from './window.js';

const missing = (name) => h('div', { className: 'view view--missing' }, t('result.viewMissing', { view: name }));

/**
 * → { node, stages, firstView, show(what), alone(id | null), close() }. `what`: 'common' or a view's id, as ViewerState tells.
 * `firstView` resolves when a view shows all it will show: its full pixels, or the preview for good.
 */
export function gridCreate({ result, state, onSay }) {
  let firstShown;
  const firstView = new Promise((resolve) => {
    firstShown = resolve;
  });
  const stages = new Map();
  const cards = new Map();
  const node = h('div', { className: 'hanging' });
  let aloneId = null;

  function alone(id) {
    aloneId = aloneId === id ? null : id;
    for (const [one, card] of cards) card.aloneShow(one === aloneId);
    node.classList.toggle('hanging--alone', aloneId !== null);
    for (const stage of stages.values()) stage.show();
  }

  async function save(image) {
    const { setting } = state.view(image.id);
    const { layer } = state.common;
    const window = image.pixels ? windowOf(image.pixels, setting) : null;
    const words = [
      [
        viewTitle(image),
        window && isTable(image.pixels, setting) && t('viewer.tableShort'),
        window && t('viewer.windowShort', { centre: count(window.centre), width: count(window.width) }),
      ],
      [
        layer.on && `${targetName(layer.target)}, ${layer.opacity}%`,
        `${result.package.name} ${result.package.version}`,
      ],
    ].map((line) => line.filter(Boolean).join(' · '));
    const stage = stages.get(image.id);
    const blob = await pictureFile({ canvas: stage.canvas, marks: stage.marks, words });
    fileSave(blob, `${viewName(image) || 'view'}.png`);
  }

  function cardOf(image) {
    const { id } = image;
    state.viewAdd(id);
    const stage = stageCreate({
      image,
      result,
      state,
      title: viewTitle(image),
      onLines: (lengths) => card.linesShow(lengths),
      onSay,
      onAlone: () => alone(id),
      onState: (standing) => {
        card.stateShow(standing);
        if (standing !== 'loading') firstShown();
      },
    });
    stages.set(id, stage);
    const card = viewCardCreate(image, result, {
      stage: stage.node,
      actions: { alone: () => alone(id), flip: () => stage.flip(), save: () => save(image) },
    });
    cards.set(id, card);
    return card.node;
  }

  const { rows, others } = hangingOrder(result.images);
  const cell = (images, name, side) =>
    h('div', { className: `hanging__cell hanging__cell--${side}` }, images.length ? images.map(cardOf) : missing(name));
  const parts = rows.map(({ view, right, left }) =>
    h('div', { className: 'hanging__row' }, cell(right, `R${view}`, 'right'), cell(left, `L${view}`, 'left')),
  );
  if (others.length > 0) {
    if (rows.length > 0) parts.push(h('h3', { className: 'hanging__others-title' }, t('result.other')));
    parts.push(
      h('div', { className: `hanging__others hanging__others--${Math.min(others.length, 3)}` }, others.map(cardOf)),
    );
  }
  node.append(...parts);

  // A study of many views opens what is seen, or nearly: each holds some forty megabytes once its pixels are there.
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        const stage = [...later].find(({ node: one }) => one === target);
        later.delete(stage);
        stage.open();
      }
    },
    { rootMargin: '50%' },
  );
  // The first row is what a reader looks at first: it does not wait until the page is laid out.
  const first = [...stages.values()].slice(0, 2);
  const later = new Set([...stages.values()].slice(2));
  for (const stage of first) stage.open();
  for (const stage of later) near.observe(stage.node);
  if (stages.size === 0) firstShown();
  firstView.then(() => later.forEach((stage) => stage.rest()));

  return {
    node,
    stages,
    firstView,
    get aloneId() {
      return aloneId;
    },
    alone,
    show(what) {
      if (what !== 'common') stages.get(what)?.show();
      else {
        for (const stage of stages.values()) stage.show();
        for (const card of cards.values()) card.layerShow(state.common.layer);
      }
    },
    linesClear() {
      for (const card of cards.values()) card.linesShow([]);
    },
    close() {
      near.disconnect();
      for (const [id, stage] of stages) {
        stage.close();
        state.viewRemove(id);
      }
    },
  };
}
