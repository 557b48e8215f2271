import { deflateSync } from 'node:zlib';

import { flipNeeded } from '@/viewer/hanging.js';
import { centreOf, fitScale, matrixOf, panned, toImage, toStage, zoomed } from '@/viewer/geometry.js';
import { commonScale, thresholdWords } from '@/viewer/layer-controls.js';
import { mapOf, mapsRead } from '@/viewer/maps.js';
import { lengthOf, lengthRound, scaleBar } from '@/viewer/measure.js';
import { lengthWords } from '@/viewer/marks.js';
import { latestOnly } from '@/viewer/painter-client.js';
import { halve, planesJoin, planesUnpack, pyramidOf } from '@/viewer/pixels.js';
import { ViewerState } from '@/viewer/state.js';
import { presetOf, presetSetting } from '@/viewer/toolbar.js';
import { greyTable, isTable, presets, windowDrag, windowOf, windowSource } from '@/viewer/window.js';

const pixels = (more) => ({
  rows: 4,
  columns: 4,
  high_length: 1,
  value_offset: 0,
  slope: 1,
  intercept: 0,
  inverted: false,
  windows: [{ centre: 2048, width: 4096 }],
  voi_function: 'LINEAR',
  padding: [],
  ...more,
});

describe('window and level', () => {
  const file = { ...presets.file, index: 0 };

  it('of the file shows its ends black and white and its centre grey', () => {
    const table = greyTable(pixels(), file);
    expect([table[0], table[2048], table[4095], table[65535]]).toEqual([0, 128, 255, 255]);
  });

  it('goes through slope and intercept and the offset of signed values', () => {
    const shifted = pixels({ value_offset: -32768, slope: 2, intercept: 10, windows: [{ centre: 0.5, width: 201 }] });
    const table = greyTable(shifted, file);
    const packed = (modality) => (modality - 10) / 2 + 32768;
    expect([table[packed(-100)], table[packed(0)], table[packed(100)]]).toEqual([0, 128, 255]);
  });

  it('of MONOCHROME1 is turned, and turned again by the reader; padding stays black in both', () => {
    const dark = pixels({ inverted: true, padding: [4095, 4095] });
    expect([greyTable(dark, file)[0], greyTable(dark, file)[4094], greyTable(dark, file)[4095]]).toEqual([255, 0, 0]);
    expect([greyTable(dark, file, true)[0], greyTable(dark, file, true)[4095]]).toEqual([0, 0]);
  });

  describe('through the file’s own display table', () => {
    // rises from 100 to 163 of the modality, bent: no window would do
    const greys = Uint8Array.from({ length: 64 }, (_, index) => Math.round(255 * (index / 63) ** 2));
    const bent = (more) =>
      pixels({
        windows: [
          { centre: 132, width: 64 },
          { centre: 500, width: 1001 },
        ],
        window_source: 'lookup_table',
        voi_table: { first: 100, entries: 64, length: 40 },
        ...more,
      });

    it('shows every value as the table says, and what lies before and past it as its ends', () => {
      const table = greyTable(bent(), file, false, greys);
      expect(Array.from(table.subarray(100, 164))).toEqual(Array.from(greys));
      expect([table[0], table[99], table[164], table[65535]]).toEqual([0, 0, 255, 255]);
    });

    it('goes through slope, intercept and offset, is turned, and keeps padding black', () => {
      const shifted = bent({ value_offset: -32768, slope: 0.5, intercept: 10, inverted: true, padding: [-5, -5] });
      const table = greyTable(shifted, file, false, greys);
      const packed = (modality) => (modality - 10) / 0.5 + 32768;
      expect([100, 120, 163].map((value) => table[packed(value)])).toEqual([255, 255 - greys[20], 0]);
      expect(table[32768 - 5]).toBe(0);
    });

    it('moves with the window, without a jump, and gives way to the file’s other windows', () => {
      const nudged = greyTable(bent(), windowDrag(file, { dx: 0, dy: 1 / 64 }), false, greys); // by one value
      expect(nudged[121]).toBe(greys[20]);
      const wider = greyTable(bent(), { ...file, factor: 2 }, false, greys);
      expect([wider[132], wider[152]]).toEqual([greys[32], greys[42]]);
      const second = greyTable(bent(), { ...file, index: 1 }, false, greys);
      expect(second[500]).toBe(128);
      expect([isTable(bent(), file), isTable(bent(), { ...file, index: 1 }), isTable(pixels(), file)]).toEqual([
        true,
        false,
        false,
      ]);
    });

    it('is told apart from the window that stands for it in older results', () => {
      expect(windowSource(bent())).toBe('lookup_table');
      expect(windowSource(bent({ voi_table: null }))).toBe('lookup_window');
      expect(windowSource(pixels({ window_source: 'file' }))).toBe('file');
      expect(windowSource(undefined)).toBeUndefined();
    });
  });

  it('keeps a table of 256 for images of one byte', () => {
    const table = greyTable(pixels({ high_length: 0, windows: [{ centre: 128, width: 256 }] }), file);
    expect(Array.from(table)).toEqual(Array.from({ length: 256 }, (_, value) => value));
  });

  it('follows a drag: right lowers contrast, up brightens', () => {
    const wider = windowDrag(file, { dx: 0.4, dy: 0 });
    expect(wider.factor).toBeCloseTo(2);
    const brighter = windowDrag(file, { dx: 0, dy: -0.25 });
    expect(windowOf(pixels(), brighter)).toEqual({ centre: 1024, width: 4096 });
    expect(greyTable(pixels(), brighter)[1024]).toBeGreaterThan(greyTable(pixels(), file)[1024]);
    expect(windowDrag(file, { dx: 99, dy: 99 })).toEqual({ shift: 2, factor: 8 });
  });

  it('knows which preset a setting is, and that a hand moved it', () => {
    expect(presetOf({ ...presets.file, index: 1 })).toBe('file:1');
    expect(presetOf(presetSetting('dense', file))).toBe('dense');
    expect(presetOf(windowDrag(file, { dx: 0.1, dy: 0 }))).toBe('own');
    expect(presetSetting('file:2', { ...file, inverted: true })).toMatchObject({ index: 2, shift: 0, inverted: true });
    expect(presetSetting('own', file)).toBe(file);
  });
});

describe('the place of an image on its stage', () => {
  const frame = { width: 400, height: 500, columns: 200, rows: 500 };
  const fit = { zoom: 1, hx: null, hy: null };

  it('fits with the chest wall at its edge of the stage, whichever side that is', () => {
    expect(fitScale(frame)).toBe(1);
    const right = matrixOf({ frame, chest: 'right', flipped: false, place: fit });
    expect(toStage(right, { column: 200, row: 0 })).toEqual({ x: 400, y: 0 });
    const left = matrixOf({ frame, chest: 'left', flipped: false, place: fit });
    expect(toStage(left, { column: 0, row: 500 })).toEqual({ x: 0, y: 500 });
    const centred = matrixOf({ frame, chest: null, flipped: false, place: fit });
    expect(toStage(centred, { column: 100, row: 250 })).toEqual({ x: 200, y: 250 });
  });

  it('shows a flipped image the other way round, and points are found again', () => {
    const matrix = matrixOf({ frame, chest: 'right', flipped: true, place: fit });
    expect(toStage(matrix, { column: 0, row: 10 }).x).toBe(400);
    expect(toImage(matrix, toStage(matrix, { column: 33, row: 44 }))).toEqual({ column: 33, row: 44 });
  });

  it.each(['right', 'left', null])('zooms around the pointer (chest wall %s)', (chest) => {
    const seen = { frame, chest, place: { zoom: 3, hx: 0.4, hy: 0.6 } };
    const at = { x: 150, y: 320 };
    const before = toImage(matrixOf({ ...seen, flipped: false }), at);
    const place = zoomed(seen, { factor: 1.5, ...at });
    expect(place.zoom).toBe(4.5);
    const after = toImage(matrixOf({ ...seen, flipped: false, place }), at);
    expect(after.column).toBeCloseTo(before.column);
    expect(after.row).toBeCloseTo(before.row);
  });

  it.each(['right', 'left', null])('moves with the hand (chest wall %s)', (chest) => {
    const seen = { frame, chest, place: { zoom: 3, hx: 0.4, hy: 0.6 } };
    const point = { column: 90, row: 300 };
    const was = toStage(matrixOf({ ...seen, flipped: false }), point);
    const is = toStage(matrixOf({ ...seen, flipped: false, place: panned(seen, { dx: 20, dy: -30 }) }), point);
    expect(is.x - was.x).toBeCloseTo(20);
    expect(is.y - was.y).toBeCloseTo(-30);
  });

  it('moves the two breasts as mirror images', () => {
    const place = panned({ frame, chest: 'right', place: { zoom: 4, hx: 0.3, hy: 0.5 } }, { dx: 15, dy: 0 });
    const mirrored = panned({ frame, chest: 'left', place: { zoom: 4, hx: 0.3, hy: 0.5 } }, { dx: -15, dy: 0 });
    expect(place).toEqual(mirrored);
  });

  it('hangs as it hung once it is zoomed out again', () => {
    const seen = { frame, chest: 'left', place: { zoom: 1.1, hx: 0.7, hy: 0.2 } };
    expect(zoomed(seen, { factor: 0.8, x: 1, y: 1 })).toMatchObject({ hx: null, hy: null });
    expect(centreOf({ frame, chest: 'left', place: fit }).hx).toBe(1);
  });
});

describe('flipping for the hanging', () => {
  const image = (side, ...orientation) => ({ image_laterality: side, patient_orientation: orientation });

  it.each([
    ['R', 'P', false],
    ['R', 'A', true],
    ['L', 'A', false],
    ['L', 'P', true],
    ['R', 'PF', false],
  ])('%s with rows to %s: %s', (side, rows, needed) => {
    expect(flipNeeded(image(side, rows, 'F'))).toBe(needed);
  });

  it('never happens without side or orientation: nothing is guessed', () => {
    expect(flipNeeded(image(null, 'A', 'L'))).toBe(false);
    expect(flipNeeded({ image_laterality: 'R', patient_orientation: null })).toBe(false);
    expect(flipNeeded(image('R', 'L', 'F'))).toBe(false);
  });
});

describe('lengths', () => {
  it('rest on the row and the column spacing each', () => {
    const from = { column: 0, row: 0 };
    expect(lengthOf(from, { column: 30, row: 0 }, [0.2, 0.1]).value).toBeCloseTo(3);
    expect(lengthOf(from, { column: 0, row: 30 }, [0.2, 0.1]).value).toBeCloseTo(6);
    expect(lengthWords(from, { column: 30, row: 20 }, [0.2, 0.1])).toBe('5.0 mm');
  });

  it('are in pixels where the image states no spacing', () => {
    expect(lengthWords({ column: 0, row: 0 }, { column: 30, row: 40 }, null)).toBe('50 px');
    expect(lengthRound({ value: 12.345, unit: 'mm' })).toBe('12.3');
  });

  it('have a scale bar of a round length that fits its room', () => {
    expect(scaleBar({ scale: 0.14, spacing: [0.07, 0.07], room: 120 })).toEqual({ value: 50, unit: 'mm', width: 100 });
    expect(scaleBar({ scale: 2, spacing: null, room: 90 })).toMatchObject({ value: 20, unit: 'px', width: 40 });
  });
});

describe('packed pixels', () => {
  const stored = Uint16Array.from({ length: 12 }, (_, index) => (index * 5003) % 65536);
  const high = deflateSync(Uint8Array.from(stored, (value) => value >> 8));
  const low = Uint8Array.from(stored, (value) => value & 255);
  const size = { rows: 3, columns: 4, high_length: high.length };

  it.each([
    ['as they are', low, false],
    ['deflated', deflateSync(low), true],
  ])('come back whole with low bytes %s', async (_, rest, deflated) => {
    const bytes = Uint8Array.from([...high, ...rest]);
    expect(planesJoin(await planesUnpack(bytes, { ...size, low_deflated: deflated }))).toEqual(stored);
  });

  it('of one byte have no high bytes', async () => {
    expect(planesJoin(await planesUnpack(low, { ...size, high_length: 0, low_deflated: false }))).toEqual(low);
  });

  it.each([false, true])(
    'bring the file’s display table behind them, if it has one (deflated: %s)',
    async (deflated) => {
      const greys = Uint8Array.from([0, 3, 200, 255, 255]);
      const table = deflateSync(greys);
      const told = { ...size, low_deflated: deflated, voi_table: { first: -2, entries: 5, length: table.length } };
      const bytes = Uint8Array.from([...high, ...(deflated ? deflateSync(low) : low), ...table]);
      const planes = await planesUnpack(bytes, told);
      expect(Array.from(planes.voiTable)).toEqual(Array.from(greys));
      expect(planesJoin(planes)).toEqual(stored);
      const longer = { ...told, voi_table: { ...told.voi_table, entries: 6 } };
      await expect(planesUnpack(bytes, longer)).rejects.toThrow(RangeError);
      expect(
        (await planesUnpack(Uint8Array.from([...high, ...low]), { ...size, low_deflated: false })).voiTable,
      ).toBeNull();
    },
  );

  it('that are too few or too many are refused', async () => {
    const refused = (bytes, more) =>
      expect(planesUnpack(Uint8Array.from(bytes), { ...size, low_deflated: false, ...more })).rejects.toThrow(
        RangeError,
      );
    await refused([...high, ...low.subarray(1)]);
    const few = deflateSync(new Uint8Array(11));
    await refused([...few, ...low], { high_length: few.length });
    const many = deflateSync(new Uint8Array(13));
    await refused([...many, ...low], { high_length: many.length });
    await refused([...high, ...many], { low_deflated: true });
  });

  it('are halved by the rounded mean of four', () => {
    const values = Uint16Array.from([0, 2, 9, 65535, 65535, 5, 65535, 9, 65535]);
    const { values: half, columns, rows } = halve({ values, columns: 3, rows: 3 });
    expect([columns, rows, half[0]]).toEqual([1, 1, Math.floor((0 + 2 + 65535 + 65535 + 2) / 4)]);
    const whole = { columns: 1100, rows: 2001 };
    const byte = (factor) => new Uint8Array(1100 * 2001).map((_, index) => (index * factor) % 251);
    const planes = { high: byte(7), low: byte(13) };
    const levels = pyramidOf(planes, whole);
    expect(levels.map((level) => level.columns)).toEqual([1100, 550, 275]);
    const same = (one, other) => one.length === other.length && one.every((value, at) => value === other[at]);
    expect(same(levels[0].values, planesJoin(planes))).toBe(true);
    for (const at of [1, 2]) expect(same(halve(levels[at - 1]).values, levels[at].values)).toBe(true);
  });
});

function npy(values, shape, { type = '<f4' } = {}) {
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')}), }\n`;
  const head = Uint8Array.from(
    [0x93, ...'NUMPY'].map((char) => (typeof char === 'string' ? char.charCodeAt(0) : char)),
  );
  const bytes = new Uint8Array([...head, 1, 0, header.length & 255, header.length >> 8]);
  const text = Uint8Array.from(header, (char) => char.charCodeAt(0));
  return new Uint8Array([...bytes, ...text, ...new Uint8Array(Float32Array.from(values).buffer)]).buffer;
}

describe('raw maps', () => {
  it('are read from .npy, target by target', () => {
    const maps = mapsRead(npy([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]));
    expect(maps).toMatchObject({ targets: 2, rows: 2, columns: 2 });
    expect(Array.from(mapOf(maps, 1).values)).toEqual([5, 6, 7, 8]);
  });

  it.each([
    ['another type', npy([1, 2, 3, 4], [1, 2, 2], { type: '<f8' })],
    ['another shape', npy([1, 2, 3, 4], [2, 2])],
    ['too few values', npy([1, 2, 3], [1, 2, 2])],
    ['something else', new Uint8Array(64).buffer],
  ])('of %s are refused', (_, buffer) => {
    expect(() => mapsRead(buffer)).toThrow(RangeError);
  });

  it('share a scale, or are said to differ', () => {
    const image = (maximum) => ({ heatmaps: [{ target: 'suspicion', scale_maximum: maximum }] });
    expect(commonScale([image(2), image(2), { heatmaps: [] }], 'suspicion')).toBe(2);
    expect(commonScale([image(2), image(3)], 'suspicion')).toBeNull();
    expect(thresholdWords(0, 2, false)).toBe('all');
    expect(thresholdWords(25, 2, false)).toBe('0.5 (25%)');
    expect(thresholdWords(25, null, false)).toBe('25%');
    expect(thresholdWords(50, 1, true)).toBe('50%');
  });
});

describe('what a reader has set', () => {
  const make = () => {
    const state = new ViewerState({ on: true, target: 'suspicion', opacity: 60, threshold: 0 });
    for (const id of ['a', 'b']) state.viewAdd(id);
    const told = [];
    state.listen((what) => told.push(what));
    return { state, told };
  };

  it('reaches linked views in place and window, but not in flips and lengths', () => {
    const { state, told } = make();
    state.viewSet('a', { place: { zoom: 2, hx: 0.1, hy: 0.2 } });
    expect(state.view('b').place.zoom).toBe(2);
    state.viewSet('a', { turned: true });
    expect([state.view('a').turned, state.view('b').turned]).toEqual([true, false]);
    expect(told).toEqual(['a', 'b', 'a']);
  });

  it('stays with its view once they are unlinked', () => {
    const { state } = make();
    state.commonSet({ linked: false });
    state.viewSet('a', { setting: presets.dense });
    expect(state.view('b').setting.factor).toBe(1);
  });

  it('is taken back by a reset, lengths included', () => {
    const { state } = make();
    state.view('a').lines.push({});
    state.viewSet('a', { turned: true, place: { zoom: 9, hx: 0, hy: 0 } });
    state.reset();
    expect(state.view('a')).toMatchObject({ turned: false, lines: [], place: { zoom: 1, hx: null, hy: null } });
  });
});

it('draws only the latest of many wishes', async () => {
  const done = [];
  let release;
  const first = new Promise((resolve) => {
    release = resolve;
  });
  const wish = latestOnly(async (value) => {
    done.push(value);
    if (value === 1) await first;
  });
  for (const value of [1, 2, 3, 4]) wish(value);
  release();
  await vi.waitFor(() => expect(done).toEqual([1, 4]));
});
