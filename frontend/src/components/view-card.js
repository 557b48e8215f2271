/** One view of the study: preview, heatmap layer, its scores, its cautions and its downloads. */
import { artifactUrl } from '../api.js';
import { viewName } from '../dicom/hanging.js';
import { h } from '../dom.js';
import { t } from '../strings/index.js';
import { heatmapImage, heatmapOf, heatmapWords, outlineImage } from './heatmap-layer.js';
import { icon } from './icons.js';
import { isSegmentation, maskWords } from './mask.js';
import { suspicionMark } from './suspicion-mark.js';

export const viewTitle = (image) => viewName(image) || t('result.viewUnknown');

function scores(image, result) {
  if (image.assessment === 'not_assessable') {
    return h('span', { className: 'view__score view__score--none' }, icon('slash'), t('result.notAssessableTitle'));
  }
  const { threshold } = result.suspicion;
  const above = image.suspicion >= threshold;
  return h('span', { className: 'view__score' }, suspicionMark({ suspicion: image.suspicion, threshold, above }));
}

/** The cautions of this view that are not those of every view; what all share stands once, in the summary. */
export function cautionsOwn(image, images) {
  const everywhere = ({ code }) => images.every((other) => other.cautions?.some((one) => one.code === code));
  return (image.cautions ?? []).filter((caution) => images.length === 1 || !everywhere(caution));
}

function downloadLink(address, name, words) {
  const safe = artifactUrl(address);
  return safe && h('a', { className: 'view__link', href: safe, download: name }, icon('download'), words);
}

/** Returns { node, heatmapShow({ target, on }) }. `onEnlarge(image)` when the reader wants this view alone. */
export function viewCardCreate(image, result, { onEnlarge }) {
  const masks = isSegmentation(result);
  const own = cautionsOwn(image, result.images);
  const title = viewTitle(image);
  const side = image.image_laterality === 'R' ? 'right' : image.image_laterality === 'L' ? 'left' : 'none';
  const frame = h('div', { className: `view__frame view__frame--${side}` });
  const words = h('figcaption', { className: 'view__words' });
  const links = h('div', { className: 'view__links' });
  const place = h('div', { className: 'view__stack' });
  const preview = artifactUrl(image.preview?.url);
  place.append(
    preview
      ? h('img', {
          className: 'view__preview',
          src: preview,
          width: image.preview.columns,
          height: image.preview.rows,
          alt: t('result.imageAlt', { view: title }),
          draggable: 'false',
          onError: () => place.replaceChildren(h('p', { className: 'view__failed' }, t('result.imageFailed'))),
        })
      : h('p', { className: 'view__failed' }, t('result.imageFailed')),
  );
  frame.append(place);
  const enlarge = h(
    'button',
    {
      type: 'button',
      className: 'view__enlarge',
      'aria-label': t('result.enlarge', { view: title }),
      title: t('result.enlarge', { view: title }),
      onClick: () => onEnlarge(image),
    },
    icon('expand'),
  );
  const node = h(
    'figure',
    { className: 'view', dataset: { image: image.id } },
    h(
      'div',
      { className: 'view__head' },
      h('span', { className: 'view__name' }, title),
      scores(image, result),
      enlarge,
    ),
    frame,
    own.length > 0 &&
      h(
        'ul',
        { className: 'view__cautions' },
        own.map((caution) => h('li', {}, icon('warning'), h('span', {}, caution.message))),
      ),
    image.assessment === 'not_assessable' && h('p', { className: 'map-words' }, t('result.notAssessableText')),
    words,
    links,
  );

  function linksDraw(target) {
    const overlay = heatmapOf(image, target)?.overlay_url;
    const stem = viewName(image) || image.id;
    links.replaceChildren(
      ...[
        downloadLink(image.preview?.url, `${stem}-preview.png`, t('result.downloadPreview')),
        downloadLink(overlay, `${stem}-${target}-overlay.png`, t('result.downloadOverlay')),
      ].filter(Boolean),
    );
  }

  return {
    node,
    heatmapShow({ target, on }) {
      for (const layer of place.querySelectorAll('.view__heatmap, .view__outline')) layer.remove();
      linksDraw(target);
      if (image.assessment === 'not_assessable') return;
      if (!on) {
        words.replaceChildren(
          h('p', { className: 'map-words map-words--small' }, t(masks ? 'result.maskOff' : 'result.heatmapOff')),
        );
        return;
      }
      words.replaceChildren(...(masks ? maskWords : heatmapWords)(image, target));
      const failed = t(masks ? 'result.maskFailed' : 'result.heatmapFailed');
      const onFail = () => words.replaceChildren(h('p', { className: 'map-words' }, failed));
      const alt = masks ? 'result.maskAlt' : 'result.heatmapAlt';
      place.append(
        ...[heatmapImage(image, target, { viewName: title, onFail, alt }), outlineImage(image, target)].filter(Boolean),
      );
    },
  };
}
