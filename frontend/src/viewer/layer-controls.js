/** The heatmaps' or masks' own row: on or off, class, opacity, threshold, and the colour scale with its numbers. */
import { targetName } from '../components/heatmap-layer.js';
import { maskLegend } from '../components/mask.js';
import { h, styleSet } from '../dom.js';
import { percent, significant } from '../format.js';
import { t } from '../strings/index.js';

/** The one scale of a target in every view: its maximum, or null when views differ. */
export function commonScale(images, target) {
  const maxima = images.flatMap(({ heatmaps }) =>
    heatmaps.filter((map) => map.target === target).map((map) => map.scale_maximum),
  );
  return maxima.length > 0 && maxima.every((maximum) => maximum === maxima[0]) ? maxima[0] : null;
}

/** The threshold in words: the raw number where all views share a scale, and the share of the scale. */
export function thresholdWords(threshold, scale, masks) {
  if (threshold === 0) return t('viewer.thresholdAll');
  const share = percent(threshold / 100).replace(/[.,]0/, '');
  if (masks) return share;
  return scale === null ? share : `${significant(scale * (threshold / 100))} (${share})`;
}

function range({ id, value, label, onInput }) {
  return h('input', {
    className: 'form-range',
    type: 'range',
    id,
    min: 0,
    max: 100,
    step: 1,
    value,
    'aria-label': label,
    onInput: (event) => onInput(Number(event.target.value)),
  });
}

/** → { node, show() }. `hasMaps`: the raw maps have a place on the image, so that a threshold can be set. */
export function layerControlsCreate({ state, images, targets, masks, hasMaps }) {
  const { layer } = state.common;
  const name = t(masks ? 'result.mask' : 'result.heatmap');
  const toggle = h('input', {
    className: 'form-check-input',
    type: 'checkbox',
    role: 'switch',
    id: 'heatmap-on',
    checked: layer.on,
    onChange: (event) => state.layerSet({ on: event.target.checked }),
  });
  const opacity = range({
    id: 'heatmap-opacity',
    value: layer.opacity,
    onInput: (value) => state.layerSet({ opacity: value }),
  });
  const opacityOut = h('output', { className: 'viewer__percent', for: 'heatmap-opacity' });
  const threshold = range({
    id: 'heatmap-threshold',
    value: layer.threshold,
    label: t('viewer.thresholdLabel'),
    onInput: (value) => state.layerSet({ threshold: value }),
  });
  const thresholdOut = h('output', { className: 'viewer__threshold-value', for: 'heatmap-threshold' });
  const high = h('span', {});
  const legend = masks
    ? maskLegend()
    : h(
        'div',
        { className: 'viewer__legend', role: 'img' },
        h('span', {}, '0'),
        h('span', { className: 'scale__bar' }),
        high,
      );
  const radios = targets.map((target) =>
    h('input', { type: 'radio', name: 'heatmap-target', value: target, onChange: () => state.layerSet({ target }) }),
  );
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
        targets.map((target, index) =>
          h('label', { className: 'segmented__item' }, radios[index], h('span', {}, targetName(target))),
        ),
      ),
    ),
    h(
      'div',
      { className: 'viewer__opacity' },
      h('label', { for: 'heatmap-opacity' }, t('result.opacity')),
      opacity,
      opacityOut,
    ),
    h(
      'div',
      { className: 'viewer__opacity', title: hasMaps ? null : t('viewer.thresholdUnavailable') },
      h('label', { for: 'heatmap-threshold' }, t('viewer.threshold')),
      threshold,
      thresholdOut,
    ),
    legend,
  );
  return {
    node,
    show() {
      const now = state.common.layer;
      const scale = commonScale(images, now.target);
      toggle.checked = now.on;
      for (const radio of radios) radio.checked = radio.value === now.target;
      opacity.value = now.opacity;
      opacity.disabled = !now.on;
      opacityOut.value = `${now.opacity}%`;
      styleSet(opacity, { '--filled': `${now.opacity}%` });
      threshold.value = now.threshold;
      threshold.disabled = !now.on || !hasMaps;
      thresholdOut.value = thresholdWords(now.threshold, scale, masks);
      styleSet(threshold, { '--filled': `${now.threshold}%` });
      if (masks) return;
      const words = scale === null ? t('viewer.legendMixed') : significant(scale);
      high.textContent = words;
      legend.setAttribute('aria-label', t('viewer.legend', { scale: scale === null ? words : `0–${words}` }));
    },
  };
}
