/** One DICOM file to facts and, where this browser can, a small grey preview. Runs in the worker; knows no page. */
import { headerRead } from './header.js';
import { decoderFor, frameRead, shrink, wordsRead } from './pixels.js';
import { syntaxNames } from './syntaxes.js';
import { greyMake } from './windowing.js';

const longerSide = 480;
const pixelLimit = 120e6; // above any mammogram; the server refuses such images too

/**
 * `bytes`: the whole file. Returns { facts, preview }, where preview is one of
 * { kind: 'grey', grey, rows, columns, voi, window } · { kind: 'jpeg', frame } · { kind: 'later', syntax } · { kind: 'failed' }.
 * Raises when the header cannot be read.
 */
export function dicomPreview(bytes) {
  const { dataSet, facts } = headerRead(bytes);
  return { facts: { ...facts, voiLut: null }, preview: previewMake(dataSet, facts) };
}

function previewMake(dataSet, facts) {
  if (!facts.hasPixels || !facts.rows || !facts.columns) return { kind: 'failed' };
  const decoder = decoderFor(facts);
  const syntax = syntaxNames[facts.transferSyntaxUid] ?? facts.transferSyntaxUid;
  if (decoder === null || facts.rows * facts.columns > pixelLimit) return { kind: 'later', syntax };
  try {
    if (decoder === 'jpeg') return { kind: 'jpeg', frame: frameRead(dataSet).slice() };
    const small = shrink(wordsRead(dataSet, facts, decoder), facts, longerSide);
    return { kind: 'grey', rows: small.rows, columns: small.columns, ...greyMake(small.values, facts) };
  } catch (error) {
    // the decoders raise plain Errors of every kind on damaged data; the page says that the pixels could not be read
    return { kind: 'failed', reason: String(error?.message ?? error) };
  }
}
