/**
 * One heatmap over one preview, and the honest words beside it: the colour scale, this map's own maximum, blank where there
 * is nothing. The layer is drawn by the server on an absolute scale; this only shows, hides and fades it.
 */
import { artifactUrl } from '../api.js';
import { h, styleSet } from '../dom.js';
import { percent, significant } from '../format.js';
import { scalingWords } from '../server-words.js';
import { t } from '../strings/index.js';
import { icon } from './icons.js';

export const targetName = (target) => (target === 'suspicion' ? t('result.targetSuspicion') : target);

/** The map of `target` in an image's list, or null. */
export const heatmapOf = (image, target) => image.heatmaps?.find((map) => map.target === target) ?? null;

/** What a map may claim: { kind: 'missing' | 'zero' | 'weak' | 'full' | 'saturated', reach: share of the scale in [0, 1] }. */
export function mapStanding(map) {
  if (!map) return { kind: 'missing', reach: 0 };
  if (!(map.raw_maximum > 0)) return { kind: 'zero', reach: 0 };
  const reach = map.scale_maximum > 0 ? map.raw_maximum / map.scale_maximum : 0;
  if (reach > 1.0005) return { kind: 'saturated', reach: 1 };
  return { kind: reach >= 0.9995 ? 'full' : 'weak', reach };
}

/** A colour bar from 0 to the scale's maximum with a mark where this map ends. */
function scaleBar(map, reach) {
  const mark = styleSet(h('span', { className: 'scale__mark' }), { left: `${100 * reach}%` });
  return h(
    'span',
    { className: 'scale', 'aria-hidden': 'true' },
    h('span', { className: 'scale__end' }, '0'),
    h('span', { className: 'scale__bar' }, mark),
    h('span', { className: 'scale__end' }, significant(map.scale_maximum)),
  );
}

/** The lines under a view while the heatmap is on. */
export function heatmapWords(image, target) {
  const map = heatmapOf(image, target);
  const { kind, reach } = mapStanding(map);
  const name = targetName(target);
  if (kind === 'missing') return [h('p', { className: 'map-words' }, t('result.mapMissing', { target: name }))];
  if (kind === 'zero') {
    return [h('p', { className: 'map-words map-words--zero' }, icon('info'), t('result.mapZero', { target: name }))];
  }
  const strength = map.scaling_text ? '' : t('result.mapWeak', { percent: percent(reach) });
  const beyond = kind === 'saturated' ? t('result.mapSaturated') : '';
  return [
    scaleBar(map, reach),
    h(
      'p',
      { className: 'map-words' },
      h(
        'strong',
        {},
        t('result.scaleOf', { maximum: significant(map.scale_maximum), raw: significant(map.raw_maximum) }),
      ),
      ` ${t('result.scaleBlank')}`,
    ),
    h(
      'p',
      { className: 'map-words map-words--small' },
      [scalingWords(map), beyond || strength].filter(Boolean).join(' '),
    ),
  ];
}

/**
 * The layer's <img>, or null where there is nothing to draw: a zero map stays blank. `onFail` when it does not load; `alt` for
 * maps that are no heatmaps.
 */
export function heatmapImage(image, target, { viewName, onFail, alt = 'result.heatmapAlt' }) {
  const map = heatmapOf(image, target);
  const address = artifactUrl(map?.url);
  if (!address || mapStanding(map).kind === 'zero') return null;
  return h('img', {
    className: 'view__heatmap',
    src: address,
    alt: t(alt, { target: targetName(target), view: viewName }),
    draggable: 'false',
    onError: onFail,
  });
}

/** The line around a mask's regions, or null where there is none. It does not fade with the layer. */
export function outlineImage(image, target) {
  const address = artifactUrl(heatmapOf(image, target)?.outline_url);
  if (!address) return null;
  // the layer has the words; the line repeats them
  return h('img', { className: 'view__outline', src: address, alt: '', draggable: 'false' });
}
