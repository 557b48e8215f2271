/** From pixel data to a small grid of stored values: uncompressed and JPEG Lossless here, baseline JPEG handed on as bytes. */
import dicomParser from 'dicom-parser';
import { Decoder } from 'jpeg-lossless-decoder-js';

const native = new Set(['1.2.840.10008.1.2', '1.2.840.10008.1.2.1']);
const jpegLossless = new Set(['1.2.840.10008.1.2.4.57', '1.2.840.10008.1.2.4.70']);
const jpegBaseline = '1.2.840.10008.1.2.4.50';

/** How this browser gets at the pixels: 'native' | 'jpeg-lossless' | 'jpeg' | null (only the server can). */
export function decoderFor(facts) {
  if (facts.samplesPerPixel !== 1 || ![8, 16].includes(facts.bitsAllocated)) return null;
  if (native.has(facts.transferSyntaxUid)) return 'native';
  if (jpegLossless.has(facts.transferSyntaxUid)) return 'jpeg-lossless';
  return facts.transferSyntaxUid === jpegBaseline && facts.bitsAllocated === 8 ? 'jpeg' : null;
}

/** The bytes of the first frame of encapsulated pixel data. */
export function frameRead(dataSet) {
  const element = dataSet.elements.x7fe00010;
  if (element.basicOffsetTable?.length > 0) return dicomParser.readEncapsulatedImageFrame(dataSet, element, 0);
  return dicomParser.readEncapsulatedPixelDataFromFragments(dataSet, element, 0, element.fragments.length);
}

const arrayOf = (buffer, offset, count, wide) => {
  if (!wide) return new Uint8Array(buffer, offset, count);
  if (offset % 2 === 0) return new Uint16Array(buffer, offset, count);
  return new Uint16Array(buffer.slice(offset, offset + 2 * count)); // a view of 16-bit words must start on an even byte
};

/** Stored words as they lie in the file, before sign and unused bits. Raises RangeError when the pixels end too early. */
export function wordsRead(dataSet, facts, decoder) {
  const count = facts.rows * facts.columns;
  const wide = facts.bitsAllocated === 16;
  if (decoder === 'native') {
    const { dataOffset, length } = dataSet.elements.x7fe00010;
    if (length < count * (wide ? 2 : 1)) throw new RangeError('the pixel data ends before the image is complete');
    return arrayOf(dataSet.byteArray.buffer, dataSet.byteArray.byteOffset + dataOffset, count, wide);
  }
  const frame = frameRead(dataSet);
  const decoded = new Decoder().decompress(frame.buffer, frame.byteOffset, frame.byteLength);
  if (decoded.byteLength < count) throw new RangeError('the pixel data ends before the image is complete');
  return arrayOf(decoded, 0, count, decoded.byteLength >= 2 * count);
}

/** Sign and unused high bits of one word. */
export function wordMeaning({ bitsStored, bitsAllocated, signed }) {
  const bits = Math.min(bitsStored ?? bitsAllocated, bitsAllocated);
  const mask = 2 ** bits - 1;
  const half = 2 ** (bits - 1);
  return signed ? (word) => ((word & mask) >= half ? (word & mask) - 2 ** bits : word & mask) : (word) => word & mask;
}

/**
 * Average blocks so that the longer side is at most `longerSide`. Returns { values: Float32Array, rows, columns },
 * NaN where a block holds padding only.
 */
export function shrink(words, facts, longerSide) {
  const step = Math.max(1, Math.ceil(Math.max(facts.rows, facts.columns) / longerSide));
  const rows = Math.floor(facts.rows / step);
  const columns = Math.floor(facts.columns / step);
  const meaning = wordMeaning(facts);
  const padding = facts.paddingRaw;
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      let sum = 0;
      let count = 0;
      for (let y = row * step; y < (row + 1) * step; y += 1) {
        for (let x = column * step, at = y * facts.columns + x; x < (column + 1) * step; x += 1, at += 1) {
          if (words[at] === padding) continue;
          sum += meaning(words[at]);
          count += 1;
        }
      }
      values[row * columns + column] = count ? sum / count : NaN;
    }
  }
  return { values, rows, columns };
}
