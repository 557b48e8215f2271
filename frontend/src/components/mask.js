/**
 * The mask of a segmentation model where a classifier has its heatmap: which of the two a result holds, and the words and
 * figures beside a mask. Counted by the worker; nothing is measured here.
 */
import { h, styleSet } from '../dom.js';
import { area, count, percent, share } from '../format.js';
import { segmentationWords } from '../server-words.js';
import { t } from '../strings/index.js';
import { icon } from './icons.js';

/** Whether the maps of a result are masks. */
export const isSegmentation = (result) => result.task === 'segmentation';

/** The figures of `target` in an image's list, or null. */
export const segmentationOf = (image, target) => image.segmentations?.find((one) => one.target === target) ?? null;

/** From 0 to 100 % with a tick where the outline runs and a mark at this mask's highest probability. */
function probabilityBar({ threshold, maximum_probability: maximum }) {
  const at = (className, place) => styleSet(h('span', { className }), { left: `${100 * place}%` });
  return h(
    'span',
    { className: 'scale', 'aria-hidden': 'true' },
    h('span', { className: 'scale__end' }, share(0)),
    h('span', { className: 'scale__bar' }, at('scale__outline', threshold), at('scale__mark', maximum)),
    h('span', { className: 'scale__end' }, share(1)),
  );
}

const figure = (name, ...value) => h('div', {}, h('dt', {}, name), h('dd', {}, value));

/** The area in mm² where the image states a spacing, and always in pixels of the original. */
export function areaWords({ area_mm2: square, area_pixels: pixels }) {
  const inPixels = t('result.areaPixels', { n: count(pixels) });
  return square === null || square === undefined ? inPixels : `${area(square)} (${inPixels})`;
}

/** The lines under a view while the mask is on. */
export function maskWords(image, target) {
  const found = segmentationOf(image, target);
  if (!found) return [h('p', { className: 'map-words' }, t('result.maskMissing', { target }))];
  if (found.regions === 0) {
    return [
      probabilityBar(found),
      h('p', { className: 'map-words map-words--zero' }, icon('info'), segmentationWords(found)),
    ];
  }
  return [
    probabilityBar(found),
    h(
      'dl',
      { className: 'mask-figures' },
      figure(t('result.segmentedArea'), areaWords(found)),
      figure(t('result.regions'), count(found.regions)),
      figure(t('result.highestProbability'), percent(found.maximum_probability)),
    ),
    h('p', { className: 'map-words map-words--small' }, segmentationWords(found)),
  ];
}

/** The legend of the controls: colours from 0 to 100 %, and what the line means. */
export function maskLegend() {
  return h(
    'div',
    { className: 'viewer__legend', role: 'img', 'aria-label': t('result.maskLegend') },
    h('span', {}, share(0)),
    h('span', { className: 'scale__bar' }),
    h('span', {}, share(1)),
    h('span', { className: 'viewer__outline-key' }),
    h('span', {}, t('result.outlineKey')),
  );
}
