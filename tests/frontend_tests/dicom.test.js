import { hangingOrder } from '@/dicom/hanging.js';
import { headerRead } from '@/dicom/header.js';
import { nameTokensRead } from '@/dicom/name-tokens.js';
import { shrink, wordMeaning, wordsRead } from '@/dicom/pixels.js';
import { dicomPreview } from '@/dicom/preview.js';
import { mediaSniff } from '@/dicom/sniff.js';
import { greyMake, lutApply, windowApply, windowOf } from '@/dicom/windowing.js';

import { encapsulated, item, losslessGradient, mammogram, wordBytes } from './dicom-bytes.js';

const window = (centre, width, more = []) => [[0x0028, 0x1050, 'DS', centre], [0x0028, 0x1051, 'DS', width], ...more];
const greyOf = (bytes) => [...dicomPreview(bytes).preview.grey];

describe('windowing', () => {
  it('follows the LINEAR formula of the standard at its corners', () => {
    const linear = { centre: 2048, width: 4096, kind: 'LINEAR' };
    expect(windowApply(0, linear)).toBe(0);
    expect(windowApply(4095, linear)).toBe(1);
    expect(windowApply(2047.5, linear)).toBe(0.5);
    expect(windowApply(-10, linear)).toBe(0);
    expect(windowApply(9999, linear)).toBe(1);
  });

  it('makes a threshold of a LINEAR window of width 1', () => {
    const step = { centre: 100, width: 1, kind: 'LINEAR' };
    expect([windowApply(99.5, step), windowApply(99.6, step)]).toEqual([0, 1]);
  });

  it('follows LINEAR_EXACT and SIGMOID', () => {
    expect(windowApply(150, { centre: 100, width: 200, kind: 'LINEAR_EXACT' })).toBe(0.75);
    expect(windowApply(100, { centre: 100, width: 200, kind: 'SIGMOID' })).toBe(0.5);
    expect(windowApply(200, { centre: 100, width: 200, kind: 'SIGMOID' })).toBeCloseTo(1 / (1 + Math.exp(-2)));
  });

  it('takes the first of several windows and refuses an impossible width', () => {
    expect(
      windowOf({
        windowCentres: [10, 99],
        windowWidths: [20, 1],
        windowFunction: 'LINEAR',
      }),
    ).toEqual({
      centre: 10,
      width: 20,
      kind: 'LINEAR',
    });
    expect(
      windowOf({
        windowCentres: [10],
        windowWidths: [0],
        windowFunction: 'LINEAR',
      }),
    ).toBeNull();
    expect(
      windowOf({
        windowCentres: [],
        windowWidths: [],
        windowFunction: 'LINEAR',
      }),
    ).toBeNull();
  });

  it('clamps a lookup table to its ends', () => {
    const table = { firstMapped: 10, entries: [0, 512, 1023], bits: 10 };
    expect([0, 10, 11, 12, 99].map((value) => lutApply(value, table))).toEqual([0, 0, 512 / 1023, 1, 1]);
  });

  it('says when it had to assume a window, and leaves padding black in either polarity', () => {
    const facts = {
      rescaleSlope: 1,
      rescaleIntercept: 0,
      windowCentres: [],
      windowWidths: [],
      photometricInterpretation: 'MONOCHROME1',
    };
    const { grey, voi } = greyMake(Float32Array.of(0, 100, NaN), facts);
    expect(voi).toBe('assumed');
    expect([...grey]).toEqual([255, 0, 0]);
  });
});

describe('a DICOM file', () => {
  it('is shown through its own window', () => {
    expect(greyOf(mammogram([0, 4095, 1024, 3071], window('2048', '4096')))).toEqual([0, 255, 64, 191]);
  });

  it('is inverted for MONOCHROME1, after windowing', () => {
    const inverted = [[0x0028, 0x0004, 'CS', 'MONOCHROME1'], ...window('2048', '4096')];
    expect(greyOf(mammogram([0, 4095, 1024, 3071], inverted))).toEqual([255, 0, 191, 64]);
  });

  it('is rescaled before windowing', () => {
    const rescale = [
      [0x0028, 0x1052, 'DS', '-100'],
      [0x0028, 0x1053, 'DS', '2'],
    ];
    expect(greyOf(mammogram([50, 100, 60, 57], window('50.5', '101', rescale)))).toEqual([0, 255, 51, 36]);
  });

  it('is shown through its VOI LUT before any window', () => {
    const lut = item([
      [0x0028, 0x3002, 'US', [4, 0, 8]],
      [0x0028, 0x3006, 'US', [0, 255, 10, 100]],
    ]);
    const bytes = mammogram([0, 1, 2, 3], [...window('2', '4'), [0x0028, 0x3010, 'SQ', lut]]);
    expect(dicomPreview(bytes).preview.voi).toBe('lut');
    expect(greyOf(bytes)).toEqual([0, 255, 10, 100]);
  });

  it('is read with an implicit transfer syntax and without a preamble', () => {
    const implicit = mammogram([0, 4095, 1024, 3071], window('2048', '4096'), {
      transferSyntax: '1.2.840.10008.1.2',
    });
    expect(greyOf(implicit)).toEqual([0, 255, 64, 191]);
    const start = implicit.findIndex(
      (_, at) => at > 132 && implicit[at] === 0x08 && implicit[at + 1] === 0 && implicit[at + 2] === 0x16,
    );
    expect(headerRead(implicit.slice(start)).facts.modality).toBe('MG');
  });

  it('decodes JPEG Lossless to the very stored values', () => {
    const bytes = mammogram(
      encapsulated(losslessGradient),
      [
        [0x0028, 0x0010, 'US', 12],
        [0x0028, 0x0011, 'US', 16],
        [0x7fe0, 0x0010, 'encapsulated', encapsulated(losslessGradient)],
      ],
      { transferSyntax: '1.2.840.10008.1.2.4.70' },
    );
    const { dataSet, facts } = headerRead(bytes);
    const words = wordsRead(dataSet, facts, 'jpeg-lossless');
    expect(words).toHaveLength(192);
    expect([words[0], words[15], words[16], words[191]]).toEqual([0, 105, 100, 1205]);
    expect(dicomPreview(bytes).preview).toMatchObject({
      kind: 'grey',
      rows: 12,
      columns: 16,
      voi: 'assumed',
    });
  });

  it('is left to the server where this browser has no decoder, with the name of the syntax', () => {
    const bytes = mammogram([0, 0, 0, 0], [], {
      transferSyntax: '1.2.840.10008.1.2.4.90',
    });
    expect(dicomPreview(bytes).preview).toEqual({
      kind: 'later',
      syntax: 'JPEG 2000 Lossless',
    });
  });

  it('with too few pixels is a failed preview, not an exception', () => {
    expect(dicomPreview(mammogram(wordBytes([1, 2]))).preview.kind).toBe('failed');
  });

  it('states side and view only where its header does', () => {
    const stated = [
      [0x0020, 0x0062, 'CS', 'L'],
      [0x0018, 0x5101, 'CS', 'MLO'],
    ];
    expect(headerRead(mammogram([0, 0, 0, 0], stated)).facts).toMatchObject({
      imageLaterality: 'L',
      viewPosition: 'MLO',
    });
    expect(headerRead(mammogram([0, 0, 0, 0])).facts).toMatchObject({
      imageLaterality: null,
      viewPosition: null,
    });
    const both = [[0x0020, 0x0062, 'CS', 'B']];
    expect(headerRead(mammogram([0, 0, 0, 0], both)).facts.imageLaterality).toBeNull();
  });

  it('reads the view from its SNOMED code where the plain field is missing', () => {
    const code = item([[0x0008, 0x0100, 'SH', 'R-10242']]);
    expect(headerRead(mammogram([0, 0, 0, 0], [[0x0054, 0x0220, 'SQ', code]])).facts.viewPosition).toBe('CC');
  });
});

describe('stored words', () => {
  it('lose their unused high bits and regain their sign', () => {
    expect(wordMeaning({ bitsStored: 12, bitsAllocated: 16, signed: false })(0xf123)).toBe(0x123);
    expect(wordMeaning({ bitsStored: 12, bitsAllocated: 16, signed: true })(0x0fff)).toBe(-1);
    expect(wordMeaning({ bitsStored: 16, bitsAllocated: 16, signed: true })(0x8000)).toBe(-32768);
  });

  it('are averaged into blocks without their padding', () => {
    const facts = {
      rows: 2,
      columns: 4,
      bitsStored: 16,
      bitsAllocated: 16,
      signed: false,
      paddingRaw: 9,
    };
    const small = shrink(Uint16Array.of(1, 3, 9, 9, 5, 9, 9, 9), facts, 2);
    expect([small.rows, small.columns]).toEqual([1, 2]);
    expect([...small.values]).toEqual([3, NaN]);
  });
});

describe('file names', () => {
  it.each([
    ['case17_RCC.png', 'R', 'CC'],
    ['L_MLO.jpg', 'L', 'MLO'],
    ['left-cc.png', 'L', 'CC'],
    ['mdb001.png', null, null],
    ['series_L2.png', null, null],
    ['R.png', null, null],
    ['RCC_LMLO.png', null, null],
    ['accl.png', null, null],
    ['scan_right.png', 'R', null],
    ['17RCC2.png', 'R', 'CC'],
    ['Lcc-Rcc.png', null, 'CC'],
    ['mlo.png', null, 'MLO'],
  ])('%s states side %s and view %s', (name, imageLaterality, viewPosition) => {
    expect(nameTokensRead(name)).toEqual({ imageLaterality, viewPosition });
  });
});

describe('first bytes', () => {
  it('tell what a file is, whatever its name', () => {
    expect(mediaSniff(mammogram([0, 0, 0, 0]))).toBe('dicom');
    expect(mediaSniff(Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a))).toBe('png');
    expect(mediaSniff(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0))).toBe('jpeg');
    expect(mediaSniff(new TextEncoder().encode('hello world, no image'))).toBeNull();
    expect(mediaSniff(new Uint8Array(0))).toBeNull();
  });
});

describe('hanging', () => {
  const image = (side, view) => ({
    id: `${side}${view}`,
    image_laterality: side,
    view_position: view,
  });

  it('puts CC over MLO and the right breast on the left of the page', () => {
    const { rows, others } = hangingOrder([image('L', 'MLO'), image('L', 'CC'), image('R', 'MLO'), image('R', 'CC')]);
    expect(rows.map(({ view, right, left }) => [view, right[0].id, left[0].id])).toEqual([
      ['CC', 'RCC', 'LCC'],
      ['MLO', 'RMLO', 'LMLO'],
    ]);
    expect(others).toEqual([]);
  });

  it('leaves out a row that neither side has and keeps the gap of one side', () => {
    const { rows } = hangingOrder([image('L', 'MLO')]);
    expect(rows).toEqual([{ view: 'MLO', right: [], left: [image('L', 'MLO')] }]);
  });

  it('never guesses: without side or with another view an image hangs apart', () => {
    const given = [image(null, 'CC'), image('R', 'XCCL'), image('R', null)];
    expect(hangingOrder(given)).toEqual({ rows: [], others: given });
  });

  it('keeps repeated views together', () => {
    expect(hangingOrder([image('R', 'CC'), image('R', 'CC')]).rows[0].right).toHaveLength(2);
  });
});
