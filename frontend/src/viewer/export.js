/** A view as it stands on the page, as a PNG that says under the picture what it is and what it is not for. */
import { t } from '../strings/index.js';

const line = 22;

/** → Blob. `words`: lines under the picture. Lines and labels of the stage are drawn in. */
export async function pictureFile({ canvas, marks, words }) {
  const lines = [...words, t('viewer.caption')];
  const out = document.createElement('canvas');
  out.width = canvas.width;
  out.height = canvas.height + line * lines.length + 12;
  const context = out.getContext('2d');
  context.fillStyle = '#000';
  context.fillRect(0, 0, out.width, out.height);
  context.drawImage(canvas, 0, 0);
  const [, , width] = (marks.getAttribute('viewBox') ?? '0 0 1 1').split(' ').map(Number);
  const ratio = canvas.width / width;
  context.save();
  context.scale(ratio, ratio);
  for (const mark of marks.children) markDraw(context, mark);
  context.restore();
  context.fillStyle = '#e4e4ea';
  context.font = '14px system-ui, sans-serif';
  lines.forEach((text, index) => context.fillText(text, 10, canvas.height + line * (index + 1)));
  return new Promise((resolve) => out.toBlob(resolve, 'image/png'));
}

function markDraw(context, mark) {
  if (mark.tagName === 'path') {
    const rim = mark.classList.contains('stage__line-rim');
    context.strokeStyle = rim ? 'rgba(0, 0, 0, 0.6)' : '#ffe28a';
    context.lineWidth = rim ? 4 : 1.5;
    context.stroke(new Path2D(mark.getAttribute('d')));
    return;
  }
  context.font = '600 13px system-ui, sans-serif';
  context.lineWidth = 3;
  context.strokeStyle = '#000';
  context.fillStyle = '#ffe28a';
  const place = [Number(mark.getAttribute('x')), Number(mark.getAttribute('y'))];
  context.strokeText(mark.textContent, ...place);
  context.fillText(mark.textContent, ...place);
}

/** Hands a file to the browser's downloads. */
export function fileSave(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
