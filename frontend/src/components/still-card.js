/** One view as a still: preview and heatmap layer with its words, for comparing. The result page reads the full pixels instead. */
import { artifactUrl } from '../api.js';
import { h } from '../dom.js';
import { t } from '../strings/index.js';
import { heatmapImage, heatmapWords, outlineImage } from './heatmap-layer.js';
import { isSegmentation, maskWords } from './mask.js';
import { suspicionMark } from './suspicion-mark.js';
import { viewTitle } from './view-card.js';

function scoreNode(image, result) {
  if (image.assessment === 'not_assessable') return h('span', {}, t('result.notAssessableTitle'));
  const { threshold } = result.suspicion;
  return suspicionMark({ suspicion: image.suspicion, threshold, above: image.suspicion >= threshold });
}

/** Returns { node, heatmapShow({ target, on }) }. */
export function stillCardCreate(image, result) {
  const masks = isSegmentation(result);
  const title = viewTitle(image);
  const words = h('figcaption', { className: 'still__words' });
  const place = h('div', { className: 'still__picture' });
  const failed = () => place.replaceChildren(h('p', { className: 'still__failed' }, t('jobCompare.imageFailed')));
  const preview = artifactUrl(image.preview?.url);
  if (preview) {
    const { columns: width, rows: height } = image.preview;
    const alt = t('jobCompare.imageAlt', { view: title });
    place.append(h('img', { className: 'still__preview', src: preview, width, height, alt, onError: failed }));
  } else failed();
  const node = h(
    'figure',
    { className: 'still', dataset: { image: image.id } },
    h('div', { className: 'still__head' }, h('strong', {}, title), scoreNode(image, result)),
    place,
    words,
  );

  return {
    node,
    heatmapShow({ target, on }) {
      for (const layer of place.querySelectorAll('.view__heatmap, .view__outline')) layer.remove();
      if (image.assessment === 'not_assessable') return;
      if (!on) {
        words.replaceChildren(h('p', { className: 'map-words' }, t(masks ? 'result.maskOff' : 'result.heatmapOff')));
        return;
      }
      words.replaceChildren(...(masks ? maskWords : heatmapWords)(image, target));
      const onFail = () => words.replaceChildren(h('p', { className: 'map-words' }, t('jobCompare.mapFailed')));
      const alt = masks ? 'jobCompare.maskAlt' : 'result.heatmapAlt';
      place.append(
        ...[heatmapImage(image, target, { viewName: title, onFail, alt }), outlineImage(image, target)].filter(Boolean),
      );
    },
  };
}
