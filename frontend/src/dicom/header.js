/**
 * The facts of a DICOM header that an upload page needs. Values stay in this browser; identifiers are compared, never shown.
 * Not a validator: the server decides what it accepts, this only says beforehand what it can.
 */
import dicomParser from 'dicom-parser';

const forProcessing = /FOR PROCESSING/i;
const digitalMammographyForProcessing = '1.2.840.10008.5.1.4.1.1.1.2.1';

const numbers = (text) => (text ? text.split('\\').map(Number).filter(Number.isFinite) : []);

/** VOI LUT Sequence, first item: { firstMapped, entries, bits } or null. */
function voiLutRead(dataSet) {
  const item = dataSet.elements.x00283010?.items?.[0]?.dataSet;
  const data = item?.elements.x00283006;
  if (!item?.elements.x00283002 || !data) return null;
  const [declared, bits] = [item.uint16('x00283002', 0), item.uint16('x00283002', 2)];
  const count = declared === 0 ? 65536 : declared;
  const signed = dataSet.uint16('x00280103') === 1;
  const firstMapped = signed ? item.int16('x00283002', 1) : item.uint16('x00283002', 1);
  if (data.length < count) return null;
  const wide = data.length >= 2 * count;
  const view = new DataView(item.byteArray.buffer, item.byteArray.byteOffset + data.dataOffset, data.length);
  const entries = Float64Array.from({ length: count }, (_, i) =>
    wide ? view.getUint16(2 * i, true) : view.getUint8(i),
  );
  return { firstMapped, entries, bits };
}

// PS3.16 CID 4014: View Code Sequence in SNOMED CT and in the older SNOMED RT codes
const viewByCode = {
  399162004: 'CC',
  'R-10242': 'CC',
  399368009: 'MLO',
  'R-10226': 'MLO',
  399260004: 'ML',
  'R-10224': 'ML',
  399352003: 'LM',
  'R-10228': 'LM',
  399099002: 'LMO',
  'R-10230': 'LMO',
};

/** The stated view, or null. Other codes are left to the server, which knows them all. */
function viewRead(dataSet) {
  const position = dataSet.string('x00185101')?.trim().toUpperCase();
  if (position) return position;
  const item = dataSet.elements.x00540220?.items?.[0]?.dataSet;
  return viewByCode[item?.string('x00080100')?.trim()] ?? null;
}

/** Parse a file's bytes. Returns { dataSet, facts }. Raises whatever dicom-parser raises on a header it cannot read. */
export function headerRead(bytes) {
  const preamble = bytes[128] === 0x44 && bytes[129] === 0x49;
  const dataSet = preamble
    ? dicomParser.parseDicom(bytes)
    : dicomParser.parseDicom(bytes, { TransferSyntaxUID: '1.2.840.10008.1.2' });
  const text = (tag) => dataSet.string(tag)?.trim() || null;
  const side = (text('x00200062') ?? text('x00200060'))?.toUpperCase() ?? null;
  const slope = dataSet.floatString('x00281053');
  return {
    dataSet,
    facts: {
      modality: text('x00080060'),
      sopClassUid: text('x00080016'),
      sopInstanceUid: text('x00080018'),
      studyInstanceUid: text('x0020000d'),
      patientId: text('x00100020'),
      transferSyntaxUid: text('x00020010') ?? '1.2.840.10008.1.2',
      forProcessing:
        text('x00080016') === digitalMammographyForProcessing || forProcessing.test(text('x00080068') ?? ''),
      burnedIn: text('x00280301')?.toUpperCase() === 'YES',
      imageLaterality: side === 'L' || side === 'R' ? side : null,
      viewPosition: viewRead(dataSet),
      rows: dataSet.uint16('x00280010') ?? null,
      columns: dataSet.uint16('x00280011') ?? null,
      frames: Number(text('x00280008') ?? 1) || 1,
      photometricInterpretation: text('x00280004')?.toUpperCase() ?? null,
      samplesPerPixel: dataSet.uint16('x00280002') ?? 1,
      bitsAllocated: dataSet.uint16('x00280100') ?? null,
      bitsStored: dataSet.uint16('x00280101') ?? null,
      signed: dataSet.uint16('x00280103') === 1,
      paddingRaw: dataSet.elements.x00280120 ? dataSet.uint16('x00280120') : null,
      rescaleSlope: slope === undefined || slope === 0 ? 1 : slope,
      rescaleIntercept: dataSet.floatString('x00281052') ?? 0,
      windowCentres: numbers(dataSet.string('x00281050')),
      windowWidths: numbers(dataSet.string('x00281051')),
      windowFunction: text('x00281056')?.toUpperCase() ?? 'LINEAR',
      voiLut: voiLutRead(dataSet),
      hasPixels: Boolean(dataSet.elements.x7fe00010),
    },
  };
}
