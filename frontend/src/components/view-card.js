/** One view of the study: its picture, its scores, its cautions, the words of its map and its downloads. */
import { artifactUrl } from '../api.js';
import { viewName } from '../dicom/hanging.js';
import { h } from '../dom.js';
import { measuringWords } from '../server-words.js';
import { t } from '../strings/index.js';
import { heatmapOf, heatmapWords } from './heatmap-layer.js';
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

/**
 * Returns { node, layerShow({ target, on }), linesShow(lengths), stateShow(state), aloneShow(alone) }. `stage` is the
 * view's picture; `actions`: { alone(), flip(), save() }.
 */
export function viewCardCreate(image, result, { stage, actions }) {
  const masks = isSegmentation(result);
  const own = cautionsOwn(image, result.images);
  const title = viewTitle(image);
  const words = h('div', { className: 'view__words' });
  const lengths = h('p', { className: 'view__lengths', hidden: true });
  const notice = h('p', { className: 'map-words view__notice', hidden: true });
  const links = h('div', { className: 'view__links' });
  const button = (glyph, words_, onClick, className = '') =>
    h(
      'button',
      { type: 'button', className: `view__button ${className}`, 'aria-label': words_, title: words_, onClick },
      icon(glyph),
    );
  const enlarge = button('expand', t('result.enlarge', { view: title }), actions.alone, 'view__enlarge');
  const node = h(
    'div',
    { className: 'view', role: 'group', 'aria-label': title, dataset: { image: image.id } },
    h(
      'div',
      { className: 'view__head' },
      h('span', { className: 'view__name' }, title),
      scores(image, result),
      h(
        'span',
        { className: 'view__buttons' },
        button('viewer-flip', t('viewer.flip', { view: title }), actions.flip),
        enlarge,
      ),
    ),
    h('div', { className: 'view__frame' }, stage),
    h(
      'div',
      { className: 'view__body' },
      own.length > 0 &&
        h(
          'ul',
          { className: 'view__cautions' },
          own.map((caution) => h('li', {}, icon('warning'), h('span', {}, caution.message))),
        ),
      image.assessment === 'not_assessable' && h('p', { className: 'map-words' }, t('result.notAssessableText')),
      notice,
      lengths,
      words,
      links,
    ),
  );

  function linksDraw(target) {
    const overlay = heatmapOf(image, target)?.overlay_url;
    const stem = viewName(image) || image.id;
    links.replaceChildren(
      ...[
        h(
          'button',
          { type: 'button', className: 'view__link', onClick: actions.save },
          icon('download'),
          t('viewer.download.view'),
        ),
        downloadLink(image.preview?.url, `${stem}-preview.png`, t('result.downloadPreview')),
        downloadLink(overlay, `${stem}-${target}-overlay.png`, t('result.downloadOverlay')),
        downloadLink(image.original_url, '', t('viewer.download.original')),
      ].filter(Boolean),
    );
  }

  return {
    node,
    layerShow({ target, on }) {
      linksDraw(target);
      if (image.assessment === 'not_assessable') return;
      if (on) words.replaceChildren(...(masks ? maskWords : heatmapWords)(image, target));
      else {
        const off = t(masks ? 'result.maskOff' : 'result.heatmapOff');
        words.replaceChildren(h('p', { className: 'map-words map-words--small' }, off));
      }
    },
    linesShow(measured) {
      lengths.hidden = measured.length === 0;
      lengths.textContent = `${t('viewer.measurements', { lengths: measured.join(', ') })} ${measuringWords(image)}`;
    },
    stateShow(state) {
      const text = { preview: 'viewer.previewOnlyHint', failed: 'viewer.pixelsFailed' }[state];
      notice.hidden = !text;
      notice.textContent = text ? t(text) : '';
    },
    aloneShow(alone) {
      node.classList.toggle('view--alone', alone);
      const said = t(alone ? 'result.shrink' : 'result.enlarge', { view: title });
      enlarge.replaceChildren(icon(alone ? 'contract' : 'expand'));
      enlarge.setAttribute('aria-label', said);
      enlarge.title = said;
    },
  };
}
