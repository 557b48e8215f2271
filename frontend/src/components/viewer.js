/**
 * The views in mammography hanging with one set of controls for the heatmaps or masks of all: on or off, target, opacity, legend.
 * Previews only; the true 16-bit pixels are not shown here.
 */
import { hangingOrder, viewName } from '../dicom/hanging.js';
import { h, styleSet } from '../dom.js';
import { t } from '../strings/index.js';
import { targetName } from './heatmap-layer.js';
import { icon } from './icons.js';
import { isSegmentation, maskLegend } from './mask.js';
import { viewCardCreate } from './view-card.js';

const opacityStep = 10;

function heatmapLegend() {
  return h(
    'div',
    { className: 'viewer__legend', role: 'img', 'aria-label': t('result.legend') },
    h('span', {}, t('result.legendLow')),
    h('span', { className: 'scale__bar' }),
    h('span', {}, t('result.legendHigh')),
  );
}

function controls({ targets, state, masks, onChange }) {
  const name = t(masks ? 'result.mask' : 'result.heatmap');
  const toggle = h('input', {
    className: 'form-check-input',
    type: 'checkbox',
    role: 'switch',
    id: 'heatmap-on',
    checked: state.on,
    onChange: (event) => onChange({ on: event.target.checked }),
  });
  const slider = h('input', {
    className: 'form-range',
    type: 'range',
    id: 'heatmap-opacity',
    min: 0,
    max: 100,
    step: 1,
    value: state.opacity,
    onInput: (event) => onChange({ opacity: Number(event.target.value) }),
  });
  const output = h('output', { className: 'viewer__percent', for: 'heatmap-opacity' }, `${state.opacity}%`);
  const node = h(
    'div',
    { className: 'viewer__controls', role: 'group', 'aria-label': name },
    h(
      'div',
      { className: 'form-check form-switch viewer__switch' },
      toggle,
      h('label', { className: 'form-check-label', for: 'heatmap-on' }, name),
    ),
    h(
      'fieldset',
      { className: 'viewer__targets' },
      h('legend', {}, t(masks ? 'result.maskTarget' : 'result.target')),
      h(
        'div',
        { className: 'segmented' },
        targets.map((target) =>
          h(
            'label',
            { className: 'segmented__item' },
            h('input', {
              type: 'radio',
              name: 'heatmap-target',
              value: target,
              checked: target === state.target,
              onChange: () => onChange({ target }),
            }),
            h('span', {}, targetName(target)),
          ),
        ),
      ),
    ),
    h(
      'div',
      { className: 'viewer__opacity' },
      h('label', { for: 'heatmap-opacity' }, t('result.opacity')),
      slider,
      output,
    ),
    masks ? maskLegend() : heatmapLegend(),
  );
  return {
    node,
    show() {
      toggle.checked = state.on;
      slider.value = state.opacity;
      slider.disabled = !state.on;
      output.value = `${state.opacity}%`;
      styleSet(slider, { '--filled': `${state.opacity}%` });
    },
  };
}

const missing = (name) => h('div', { className: 'view view--missing' }, t('result.viewMissing', { view: name }));

function grid(result, cardOf) {
  const { rows, others } = hangingOrder(result.images);
  const cell = (images, name, side) =>
    h('div', { className: `hanging__cell hanging__cell--${side}` }, images.length ? images.map(cardOf) : missing(name));
  return [
    rows.map(({ view, right, left }) =>
      h('div', { className: 'hanging__row' }, cell(right, `R${view}`, 'right'), cell(left, `L${view}`, 'left')),
    ),
    others.length > 0 && [
      rows.length > 0 && h('h3', { className: 'hanging__others-title' }, t('result.other')),
      h('div', { className: `hanging__others hanging__others--${Math.min(others.length, 3)}` }, others.map(cardOf)),
    ],
  ];
}

/** Build the viewer of a result. Returns its element. */
export function viewerCreate(result) {
  const first = result.targets.includes(result.suspicion.target) ? result.suspicion.target : result.targets[0];
  const targets = [first, ...result.targets.filter((target) => target !== first)];
  const state = { on: true, target: first, opacity: 60 };
  const cards = new Map();
  const hanging = h('div', { className: 'hanging' });

  function apply(changes) {
    const redraw = 'on' in changes || 'target' in changes;
    Object.assign(state, changes);
    bar.show();
    styleSet(hanging, { '--heatmap-opacity': state.opacity / 100 });
    if (redraw) for (const card of cards.values()) card.heatmapShow(state);
  }

  function enlarge(image) {
    const alone = hanging.dataset.alone === image.id;
    if (alone) delete hanging.dataset.alone;
    else hanging.dataset.alone = image.id;
    for (const [id, { node }] of cards) {
      const chosen = !alone && id === image.id;
      node.classList.toggle('view--alone', chosen);
      const button = node.querySelector('.view__enlarge');
      const words = t(chosen ? 'result.shrink' : 'result.enlarge', {
        view: viewName(result.images.find((one) => one.id === id)),
      });
      button.replaceChildren(icon(chosen ? 'contract' : 'expand'));
      button.setAttribute('aria-label', words);
      button.title = words;
    }
    hanging.classList.toggle('hanging--alone', !alone);
    cards.get(image.id).node.scrollIntoView({ block: 'start' });
  }

  const cardOf = (image) => {
    const card = viewCardCreate(image, result, { onEnlarge: enlarge });
    cards.set(image.id, card);
    return card.node;
  };
  const masks = isSegmentation(result);
  const bar = controls({ targets, state, masks, onChange: apply });
  hanging.append(...grid(result, cardOf).flat(Infinity).filter(Boolean));
  apply({ on: state.on });

  document.addEventListener('keydown', (event) => {
    if (event.target.matches('input, select, textarea') && event.target.type !== 'radio') return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'h' || event.key === 'H') apply({ on: !state.on });
    else if (event.key === '[') apply({ opacity: Math.max(0, state.opacity - opacityStep) });
    else if (event.key === ']') apply({ opacity: Math.min(100, state.opacity + opacityStep) });
    else if (event.key === 'Escape' && hanging.dataset.alone) {
      enlarge(result.images.find(({ id }) => id === hanging.dataset.alone));
    }
  });

  return h(
    'section',
    { className: 'viewer', 'aria-label': t('result.views'), 'data-bs-theme': 'dark' },
    result.images.some((image) => image.heatmaps?.length) && bar.node,
    hanging,
    h(
      'p',
      { className: 'viewer__foot' },
      h('span', { className: 'viewer__research' }, icon('warning'), t('disclaimer.short')),
      h('span', { className: 'viewer__keys' }, t(masks ? 'result.maskShortcuts' : 'result.shortcuts')),
    ),
  );
}
