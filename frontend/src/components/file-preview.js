/** The thumbnail of a chosen file: canvas for DICOM, the browser's own decoder for PNG and JPEG, honest words where neither works. */
import { h } from '../dom.js';
import { t } from '../strings/index.js';

const longerSide = 480;

function note(title, why = null) {
  return h(
    'div',
    { className: 'thumb__note' },
    h('span', { className: 'thumb__note-title' }, title),
    why && h('span', {}, why),
  );
}

function greyCanvas({ grey, rows, columns }, name) {
  const canvas = h('canvas', { width: columns, height: rows, role: 'img', 'aria-label': name });
  const image = new ImageData(columns, rows);
  for (let i = 0; i < grey.length; i += 1) {
    image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = grey[i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}

async function bitmapCanvas(blob, name, { inverted = false } = {}) {
  const bitmap = await createImageBitmap(blob);
  const scale = Math.min(1, longerSide / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [
    Math.max(1, Math.round(bitmap.width * scale)),
    Math.max(1, Math.round(bitmap.height * scale)),
  ];
  const canvas = h('canvas', { width, height, role: 'img', 'aria-label': name });
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  if (inverted) {
    context.globalCompositeOperation = 'difference';
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, height);
  }
  const size = { rows: bitmap.height, columns: bitmap.width };
  bitmap.close();
  return { canvas, size };
}

/** Fill `place` with the preview of a read entry. Resolves to the image's size where the browser learnt it here. */
export async function previewDraw(place, entry) {
  const { preview } = entry;
  if (!preview) {
    place.replaceChildren(note(t('common.none')));
    return null;
  }
  if (preview.kind === 'grey') place.replaceChildren(greyCanvas(preview, entry.name));
  else if (preview.kind === 'later') {
    place.replaceChildren(note(t('upload.previewLater'), t('upload.previewLaterWhy', { syntax: preview.syntax })));
  } else if (preview.kind === 'failed') place.replaceChildren(note(t('upload.previewFailed')));
  else {
    try {
      const jpeg = preview.kind === 'jpeg';
      const blob = jpeg ? new Blob([preview.frame], { type: 'image/jpeg' }) : entry.file;
      const inverted = jpeg && entry.facts.photometricInterpretation === 'MONOCHROME1';
      const { canvas, size } = await bitmapCanvas(blob, entry.name, { inverted });
      place.replaceChildren(canvas);
      return size;
    } catch {
      // createImageBitmap rejects with a DOMException that says nothing more than “could not be decoded”
      place.replaceChildren(note(t('upload.previewFailed')));
    }
  }
  return null;
}
