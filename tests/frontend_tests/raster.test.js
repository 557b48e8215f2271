import { colours, layerOpacity, levelCount } from '@/viewer/colours.js';
import { pyramidOf } from '@/viewer/pixels.js';
import { Painter } from '@/viewer/painter.js';
import { blend, greyDraw, levelFor, mapDraw } from '@/viewer/raster.js';
import { presets } from '@/viewer/window.js';

const identity = Uint8Array.from({ length: 256 }, (_, value) => value);
const whole = (columns, rows) => ({ width: columns, height: rows, column: 0, row: 0, stepColumn: 1, stepRow: 1 });

function drawn({ values, columns, rows }, view, table = identity) {
  const grey = new Uint8Array(view.width * view.height);
  greyDraw({ levels: pyramidOf({ high: null, low: Uint8Array.from(values) }, { columns, rows }), table, view, grey });
  return Array.from(grey);
}

describe('grey', () => {
  const image = { values: [10, 20, 30, 40, 50, 60], columns: 3, rows: 2 };

  it('at its own size is the image, value for value', () => {
    expect(drawn(image, whole(3, 2))).toEqual(image.values);
  });

  it('flipped runs the other way', () => {
    const view = { width: 3, height: 2, column: 3, row: 0, stepColumn: -1, stepRow: 1 };
    expect(drawn(image, view)).toEqual([30, 20, 10, 60, 50, 40]);
  });

  it('between pixels is interpolated, and windowed afterwards', () => {
    const view = { width: 1, height: 1, column: 0.5, row: 0, stepColumn: 1, stepRow: 1 };
    expect(drawn(image, view)).toEqual([15]);
    const step = Uint8Array.from({ length: 256 }, (_, value) => (value >= 15 ? 255 : 0));
    expect(drawn(image, view, step)).toEqual([255]);
  });

  it('beside the image is black', () => {
    const view = { width: 5, height: 1, column: -1, row: 0, stepColumn: 1, stepRow: 1 };
    expect(
      drawn(
        image,
        view,
        identity.map((value) => 255 - value),
      ),
    ).toEqual([0, 245, 235, 225, 0]);
  });

  it('of a whole view comes from a smaller copy and keeps its mean', () => {
    const values = new Uint8Array(1024 * 1024).map((_, index) => (index % 2 ? 200 : 100));
    const levels = pyramidOf({ high: null, low: values }, { columns: 1024, rows: 1024 });
    expect(levels.map((level) => level.columns)).toEqual([1024, 512, 256]);
    expect([1, 1.9, 2, 3.9, 4, 40].map((step) => levelFor(levels, step))).toEqual([0, 0, 1, 1, 2, 2]);
    const grey = new Uint8Array(16);
    const view = { width: 4, height: 4, column: 0, row: 0, stepColumn: 256, stepRow: 256 };
    greyDraw({ levels, table: identity, view, grey });
    expect(new Set(grey)).toEqual(new Set([150]));
  });
});

describe('a map', () => {
  const map = {
    values: Float32Array.from([0, 0, 0, 2]),
    columns: 2,
    rows: 2,
    fromSource: [0.25, 0, -0.375, 0, 0.25, -0.375], // 2 x 2 cells over 8 x 8 pixels
    scaleMaximum: 4,
  };
  const levels = (more, threshold = 0, view = whole(8, 8)) => {
    const into = new Uint8Array(view.width * view.height);
    mapDraw({ map: { ...map, ...more }, view, threshold, into });
    return into;
  };

  it('is hottest where its cell lies, in proportion to the scale', () => {
    const found = levels();
    expect(found[7 * 8 + 7]).toBe(Math.floor(0.5 * (levelCount - 1) + 0.5));
    expect(found[0]).toBe(0);
  });

  it('saturates at the top of the scale and is blank without one', () => {
    expect(levels({ scaleMaximum: 1 })[63]).toBe(levelCount - 1);
    expect(Math.max(...levels({ scaleMaximum: 0 }))).toBe(0);
    expect(Math.max(...levels({ values: new Float32Array(4) }))).toBe(0);
  });

  it('leaves out what lies under the threshold', () => {
    expect(levels({}, 0.5)[63]).toBeGreaterThan(0);
    expect(Math.max(...levels({}, 0.51))).toBe(0);
    expect(levels({}, 0.4).filter(Boolean).length).toBeLessThan(levels({}, 0).filter(Boolean).length);
  });

  it('ends where the model’s input ends', () => {
    const view = { width: 12, height: 1, column: -2, row: 7, stepColumn: 1, stepRow: 1 };
    const found = Array.from(levels({ values: Float32Array.from([4, 4, 4, 4]) }, 0, view));
    expect(found).toEqual([0, 0, ...new Array(8).fill(levelCount - 1), 0, 0]);
  });

  it('lies over the grey in the worker’s colours, opacity growing with the level', () => {
    const grey = Uint8Array.from([100, 100, 100]);
    const rgba = new Uint8ClampedArray(12);
    const top = levelCount - 1;
    blend({ grey, mapLevels: Uint8Array.from([0, top, top]), opacity: 1, rgba });
    expect(Array.from(rgba.subarray(0, 4))).toEqual([100, 100, 100, 255]);
    for (const channel of [0, 1, 2]) {
      const mixed = 100 * (1 - layerOpacity) + layerOpacity * colours[3 * top + channel];
      expect(Math.abs(rgba[4 + channel] - mixed)).toBeLessThanOrEqual(0.51);
    }
    expect(rgba[7]).toBe(255);
    blend({ grey, mapLevels: Uint8Array.from([0, top, top]), opacity: 0, rgba });
    expect(Array.from(rgba.subarray(4, 8))).toEqual([100, 100, 100, 255]);
  });
});

describe('the painter of a view', () => {
  const pixels = {
    rows: 2,
    columns: 2,
    high_length: 0,
    value_offset: -5,
    slope: 1,
    intercept: 0,
    inverted: false,
    windows: [{ centre: 123, width: 256 }],
    voi_function: 'LINEAR',
    padding: [],
  };
  const setting = { ...presets.file, index: 0, inverted: false };
  const painter = new Painter(pixels, { high: null, low: Uint8Array.from([0, 50, 100, 255]) });
  const reds = (rgba) => Array.from(rgba).filter((_, index) => index % 4 === 0);

  it('draws, inverts and tells stored values', () => {
    const view = whole(2, 2);
    expect(reds(painter.draw({ view, setting, layer: null }))).toEqual([0, 50, 100, 255]);
    expect(reds(painter.draw({ view, setting: { ...setting, inverted: true }, layer: null }))).toEqual([
      255, 205, 155, 0,
    ]);
    expect(painter.valueAt({ column: 1.7, row: 1.2 })).toBe(250);
    expect(painter.valueAt({ column: 2, row: 0 })).toBeNull();
  });

  it('draws through the file’s display table where it has one', () => {
    const voiTable = Uint8Array.from({ length: 256 }, (_, index) => 255 - Math.abs(255 - 2 * index)); // no ramp
    const tabled = { ...pixels, voi_table: { first: -5, entries: 256, length: 9 } };
    const planes = { high: null, low: Uint8Array.from([0, 50, 100, 255]), voiTable };
    const drawn = new Painter(tabled, planes).draw({ view: whole(2, 2), setting, layer: null });
    expect(reds(drawn)).toEqual([0, 100, 200, 0]);
  });

  it('keeps the view’s map while a lens is drawn', () => {
    painter.mapsSet({ values: Float32Array.from([1, 1, 1, 1]), targets: 1, rows: 2, columns: 2 }, [1, 0, 0, 0, 1, 0]);
    const layer = { target: 0, scaleMaximum: 1, threshold: 0, opacity: 1 };
    const before = painter.draw({ view: whole(2, 2), setting, layer });
    painter.draw({ view: { ...whole(1, 1), column: 1 }, setting, layer, lens: true });
    expect(painter.draw({ view: whole(2, 2), setting, layer })).toEqual(before);
    expect(before[0]).toBeGreaterThan(200);
  });
});
